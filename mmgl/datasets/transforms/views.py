"""Several independently augmented views of one image."""

import copy
from collections.abc import Sequence

from mmcv.transforms import Compose

from mmgl.registry import TRANSFORMS

from ..types import Results, Steps
from .base import Transform, build_sub_pipeline


@TRANSFORMS.register_module()
class Views(Transform):
    """Make several views of an image, each by a pipeline of its own.

    Each view starts from a copy of the results and draws its own random
    numbers. ``results['img']`` becomes the list of the views' images; all
    other keys are those of the first view. Goes before ``PackReIDInputs``,
    which stacks the views; in the batch each of them is a row (see
    ``ReIDDataPreprocessor``).

    Differs from ``mmpretrain.MultiView``, which can be used as well, in
    that transforms of this package are found in any scope, keys set inside
    a view are kept, and a view may be left out: a pipeline that returns None
    (``ModalityTransform(infrared=None)``) adds no view. An image without
    any view is a ValueError.

    Args:
        views: One list of transforms per view; a list may be empty.
        first: Transforms every view starts with, random ones drawn anew.
        copies: How many views each of the lists makes, one after the other;
            one of each by default.

    Example:
        >>> # Two views of the same kind, as contrastive learning needs.
        >>> step = dict(
        ...     type='Views',
        ...     first=[dict(type='RandomFlip', prob=0.5)],
        ...     views=[[]],
        ...     copies=[2])
    """

    def __init__(
        self,
        views: Sequence[Steps],
        first: Steps = (),
        copies: Sequence[int] | None = None,
    ) -> None:
        name = type(self).__name__
        if not views:
            raise ValueError(
                f'{name}.views is empty; give one list of transforms per view'
            )
        copies = [1] * len(views) if copies is None else list(copies)
        if len(copies) != len(views) or min(copies) < 1:
            raise ValueError(
                f'{name}.copies must be a number from 1 for each of the '
                f'{len(views)} lists in views, got {copies}'
            )
        self.first = build_sub_pipeline(f'{name}.first', first)
        self.views: list[Compose] = []
        for number, (steps, count) in enumerate(
            zip(views, copies, strict=True)
        ):
            view = build_sub_pipeline(f'{name}.views.{number}', steps)
            self.views += [view] * count

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
            raise ValueError(
                f'{type(self).__name__}: no view is left of an image of '
                f'modality {results.get("modality")}; at least one pipeline '
                'in views must return a result.'
            )
        return dict(made[0], img=[view['img'] for view in made])
