"""From a collated batch to the views that mmpretrain's methods take."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from mmgl.registry import MODELS

from .reid_data_preprocessor import ReIDDataPreprocessor, differ_in_size


@MODELS.register_module()
class ModalityChannelPreprocessor(ReIDDataPreprocessor):
    """Normalise the views and give each image its modality as a channel.

    For the self-supervisors of mmpretrain on a ``ModalityChannelBackbone``,
    behind ``Views``. See :class:`ReIDDataPreprocessor` for the arguments.
    """

    def forward(
        self, data: dict[str, Any], training: bool = False
    ) -> dict[str, Any]:
        """Prepare a batch; ``training`` makes no difference.

        ``inputs`` are for each image its views ``(views, 3, H, W)``, or, with
        views of several sizes, for each view its images: a tuple of tensors
        ``(B, 3, H, W)``, or lists of ``(3, H, W)``. They become the list of
        views ``(B, 4, H, W)`` in float on the device, the fourth channel of
        an image 0 (visible) or 1 (infrared).
        """
        samples = data.get('data_samples')
        views = [self.normalise(view) for view in _by_view(data['inputs'])]
        _check_sizes(views)
        modality = self._targets(samples or (), len(views[0])).get('modality')
        if modality is None:
            raise ValueError(
                'ModalityChannelPreprocessor needs the modality of every '
                "image: set the field 'modality' (0 visible, 1 infrared) of "
                'each data sample'
            )
        plane = self.to_device(modality.float()).view(-1, 1, 1, 1)
        inputs = [
            torch.cat([view, plane.expand(-1, 1, *view.shape[2:])], dim=1)
            for view in views
        ]
        return dict(inputs=inputs, data_samples=samples)


def _by_view(inputs: Tensor | Sequence[Any]) -> list[Any]:
    """List the images of each view."""
    if isinstance(inputs, Tensor) and inputs.ndim == 5:
        return list(inputs.unbind(1))
    if differ_in_size(inputs):
        return list(inputs)
    stacks = [image if image.ndim == 4 else image[None] for image in inputs]
    counts = sorted({len(stack) for stack in stacks})
    if len(counts) != 1:
        raise ValueError(
            'ModalityChannelPreprocessor needs as many views of every image, '
            f'got images with {counts} views; leave no view out in Views'
        )
    return list(zip(*stacks, strict=True))


def _check_sizes(views: Sequence[Tensor]) -> None:
    """Refuse what SwAV, which groups views by width, would mix up."""
    heights: dict[int, int] = {}
    for view in views:
        height, width = view.shape[2:]
        if heights.setdefault(width, height) != height:
            raise ValueError(
                f'views of width {width} have the heights {heights[width]} '
                f'and {height}; views of different sizes must differ in '
                'width'
            )
