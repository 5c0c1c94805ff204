"""Transforms made of other transforms."""

import copy
from collections.abc import Sequence
from itertools import accumulate

from mmcv.transforms import Compose

from mmgl.registry import TRANSFORMS
from mmgl.structures import MODALITY_NAMES, VISIBLE
from mmgl.utils.errors import ConfigError

from ..checks import check
from ..reid_dataset import build_pipeline
from ..types import Results, Steps
from .base import Transform


def _build(key: str, steps: Steps) -> Compose:
    """Build transforms that run in turn; TypeError for what is no list."""
    if not isinstance(steps, Sequence) or isinstance(steps, str):
        raise TypeError(f'{key} must be a list of transforms, got {steps!r}')
    return Compose(build_pipeline(steps))


def _build_all(key: str, lists: Sequence[Steps]) -> list[Compose]:
    """Build each of a list of pipelines, which must not be empty."""
    if not lists:
        raise ConfigError(f'{key} is empty; give it lists of transforms')
    return [_build(f'{key}.{n}', steps) for n, steps in enumerate(lists)]


@TRANSFORMS.register_module()
class ModalityTransform(Transform):
    """Run the transforms meant for the modality of the image.

    Args:
        visible: Transforms of visible images; an empty list changes nothing,
            None leaves the image out: inside :class:`Views` it then has one
            view less.
        infrared: Those of infrared images, likewise.
    """

    def __init__(
        self, visible: Steps | None = (), infrared: Steps | None = ()
    ) -> None:
        given = zip(MODALITY_NAMES, (visible, infrared), strict=True)
        self.visible, self.infrared = (
            None
            if steps is None
            else _build(f'ModalityTransform.{key}', steps)
            for key, steps in given
        )

    def transform(self, results: Results) -> Results | None:
        """Run the transforms of the image's modality."""
        visible = results['modality'] == VISIBLE
        pipeline = self.visible if visible else self.infrared
        return None if pipeline is None else pipeline(results)


@TRANSFORMS.register_module()
class EpochStages(Transform):
    """Run the transforms meant for the current epoch.

    The epoch comes with the draw of the sampler: a switch from outside would
    not reach workers that live on. Images asked for by a plain index, as in
    evaluation, get the last stage.

    Args:
        epochs_per_stage: Epochs of all stages or of each; the last stage goes
            on to the end whatever its number.
        stages: One list of transforms per stage.
    """

    def __init__(
        self, epochs_per_stage: int | Sequence[int], stages: Sequence[Steps]
    ) -> None:
        if isinstance(epochs_per_stage, int):
            epochs_per_stage = (epochs_per_stage,) * len(stages)
        self.epochs_per_stage = tuple(epochs_per_stage)
        self.stages = _build_all('EpochStages.stages', stages)
        fits = len(self.epochs_per_stage) == len(stages)
        fits = fits and min(self.epochs_per_stage) > 0
        rule = f'a positive number or {len(stages)} of them, one per stage'
        check('EpochStages.epochs_per_stage', epochs_per_stage, fits, rule)

    def stage_of(self, epoch: int) -> int:
        """Return the stage of an epoch, both counted from 0."""
        ends = accumulate(self.epochs_per_stage)
        passed = sum(end <= epoch for end in ends)
        return min(passed, len(self.stages) - 1)

    def transform(self, results: Results) -> Results | None:
        """Run the transforms of the epoch's stage."""
        draw = results.get('draw')
        stage = -1 if draw is None else self.stage_of(draw.epoch)
        staged: Results | None = self.stages[stage](results)
        return staged


@TRANSFORMS.register_module()
class Views(Transform):
    """Make several views of an image, each by a pipeline of its own.

    Each view starts from a copy of the results and draws its own random
    numbers. ``results['img']`` becomes the list of their images, each a row
    of the batch (see ``ReIDDataPreprocessor``); all other keys are those of
    the first view.

    Unlike with ``mmpretrain.MultiView``, which works as well, transforms of
    this package are found in any scope, keys set inside a view are kept, and
    a pipeline that returns None (``ModalityTransform(infrared=None)``) adds
    no view. An image without any view is a ValueError.

    Args:
        views: One list of transforms per view; a list may be empty.
        first: Transforms every view starts with, random ones drawn anew.
        copies: How many views each of the lists makes, one after the other;
            one of each by default. ``views=[[]], copies=[2]`` are two views
            of the same kind, as contrastive learning needs.
    """

    def __init__(
        self,
        views: Sequence[Steps],
        first: Steps = (),
        copies: Sequence[int] | None = None,
    ) -> None:
        copies = [1] * len(views) if copies is None else list(copies)
        built = _build_all('Views.views', views)
        fits = len(copies) == len(views) and min(copies) > 0
        rule = f'a number from 1 for each of the {len(views)} lists in views'
        check('Views.copies', copies, fits, rule)
        self.first = _build('Views.first', first)
        self.views = [
            view
            for view, count in zip(built, copies, strict=True)
            for _ in range(count)
        ]

    def transform(self, results: Results) -> Results:
        """Replace ``results['img']`` by the list of views."""
        made = []
        for view in self.views:
            # A copy: some transforms write into the image.
            start = self.first(copy.deepcopy(results))
            data = None if start is None else view(start)
            if data is not None:
                made.append(data)
        if not made:
            raise ConfigError(
                'Views: no view is left of an image of modality '
                f'{results.get("modality")}; at least one pipeline in views '
                'must return a result.'
            )
        return dict(made[0], img=[view['img'] for view in made])
