"""Several independently augmented views of one image."""

import copy
from collections.abc import Callable, Sequence

from mmcv.transforms import BaseTransform

from mmgl.registry import TRANSFORMS

from .sub_pipeline import build_sub_pipeline


@TRANSFORMS.register_module()
class Views(BaseTransform):
    """Make several views of an image, each by a pipeline of its own.

    Each view starts from a copy of the results and draws its own random
    numbers. ``results['img']`` becomes the list of the views' images; all
    other keys are those of the first view. Goes before ``PackReIDInputs``,
    which stacks the views; in the batch each of them is a row (see
    ``ReIDDataPreprocessor``).

    Differs from ``mmpretrain.MultiView``, which can be used as well, in
    that transforms of this package are found in any scope, keys set inside
    a view are kept, and a view may be left out: a pipeline that returns None
    (``ModalityTransform(infrared=None)``) adds no view.

    Args:
        views: One list of transforms per view; a list may be empty.
        first: Transforms every view starts with, random ones drawn anew.
        copies: How many views each of the lists makes, one after the other;
            one of each by default.

    Raises:
        TypeError: If an argument is not a list of (lists of) transforms.
        ValueError: If there is no view, or all are left out for an image,
            or ``copies`` does not fit.

    Examples:
        >>> # Two views of the same kind, as contrastive learning needs.
        >>> step = dict(
        ...     type='Views',
        ...     first=[dict(type='RandomFlip', prob=0.5)],
        ...     views=[[]],
        ...     copies=[2])
    """

    def __init__(
        self,
        views: Sequence[Sequence[dict | Callable]],
        first: Sequence[dict | Callable] = (),
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
        made = [
            build_sub_pipeline(f'{name}.views.{number}', steps)
            for number, steps in enumerate(views)
        ]
        self.views = [
            view
            for view, count in zip(made, copies, strict=True)
            for _ in range(count)
        ]

    def transform(self, results: dict) -> dict:
        """Replace ``results['img']`` by the list of views."""
        made = (self._make(view, results) for view in self.views)
        made = [view for view in made if view is not None]
        if not made:
            raise ValueError(
                f'{type(self).__name__}: no view is left of an image of '
                f'modality {results.get("modality")}; at least one pipeline '
                'in views must return a result.'
            )
        images = [view['img'] for view in made]
        return dict(made[0], img=images)

    def _make(self, view: Callable, results: dict) -> dict | None:
        """Run one view on a copy: some transforms write into the image."""
        start = self.first(copy.deepcopy(results))
        return None if start is None else view(start)

    def __repr__(self) -> str:
        views = ', '.join(map(repr, self.views))
        return f'{type(self).__name__}(first={self.first}, views=[{views}])'
