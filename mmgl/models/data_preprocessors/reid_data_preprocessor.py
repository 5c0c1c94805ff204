"""From a collated batch to normalised images and target tensors."""

from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np
import torch
from mmengine.model import BaseDataPreprocessor
from torch import Tensor

from mmgl.registry import MODELS
from mmgl.structures import HOST_MODALITY

from ..protocols import Tensors

# target: field of the data sample
FIELDS = {
    'modality': 'modality',
    'pid': 'pid',
    'camid': 'camid',
    'pair': 'pair_key',
    'permutation': 'permutation',
}


@MODELS.register_module()
class ReIDDataPreprocessor(BaseDataPreprocessor):  # type: ignore[misc]
    """Stack, move, normalise once, and build the targets.

    An image may come in several views, stacked to ``(views, 3, H, W)``; each
    is then a row of its own with all the targets of its image.

    Args:
        mean: Of the three channels in the order after conversion (RGB), in
            grey levels 0-255. ImageNet's by default.
        std: Likewise.
        to_rgb: Swap the first and last channel (images are read as BGR).
        non_blocking: Copy to the device without waiting for it, which for a
            GPU must be from pinned memory.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        mean: Sequence[float] = (123.675, 116.28, 103.53),
        std: Sequence[float] = (58.395, 57.12, 57.375),
        to_rgb: bool = True,
        non_blocking: bool = True,
    ) -> None:
        super().__init__(non_blocking=non_blocking)
        if len(mean) != 3 or len(std) != 3 or min(std) <= 0:
            raise ValueError(
                'ReIDDataPreprocessor needs three entries in mean and three '
                f'positive ones in std, got mean={mean}, std={std}'
            )
        self.to_rgb = to_rgb
        # Settings, not weights: kept out of checkpoints.
        for name, value in (('mean', mean), ('std', std)):
            buffer = torch.tensor(value, dtype=torch.float32).view(3, 1, 1)
            self.register_buffer(name, buffer, persistent=False)

    def forward(
        self, data: dict[str, Any], training: bool = False
    ) -> dict[str, Any]:
        """Prepare a batch; ``training`` makes no difference.

        ``inputs`` are images ``(3, H, W)`` or ``(views, 3, H, W)`` in grey
        levels (uint8 or float32), in a list or a tensor, and leave as float
        ``(B, 3, H, W)``. The ``targets`` are ``modality``, ``pid``,
        ``camid`` and ``pair`` ``(B,)`` and ``permutation`` ``(B, N)``, as far
        as the ``data_samples`` have them, on the device, and
        ``host_modality``, the modality once more on the host. B counts views;
        if any image is a stack of views there are also ``view`` ``(B,)``, the
        number of the view, from 0, and ``source`` ``(B,)``, that of the image.
        """
        images, counts = _split_views(data['inputs'])
        inputs = self.normalise(images)
        samples = data.get('data_samples')
        targets: Tensors = {}
        if samples:
            size = len(inputs) if counts is None else len(counts)
            on_host = self._targets(samples, size)
            if counts is not None:
                on_host = _repeat(on_host, counts)
            targets = {k: self.to_device(v) for k, v in on_host.items()}
            if 'modality' in on_host:
                targets[HOST_MODALITY] = on_host['modality']
        return {'inputs': inputs, 'targets': targets, 'data_samples': samples}

    def normalise(self, images: Tensor | Sequence[Tensor]) -> Tensor:
        """Stack images of one size: ``(B, 3, H, W)``, fp32, on the device."""
        stack = self.to_device(self._stack(images))
        if self.to_rgb:
            stack = stack.flip(1)  # four times as fast as behind the cast
        return (stack - self.mean).div_(self.std)

    def _stack(self, images: Tensor | Sequence[Tensor]) -> Tensor:
        """Make one tensor of the images, float32 if their types differ."""
        if not isinstance(images, Tensor):
            shapes = sorted({tuple(image.shape) for image in images})
            if len(shapes) != 1:
                raise ValueError(
                    'images of one batch must have the same size, got '
                    f'{shapes}; end the pipeline with a Resize that sets '
                    'the size (keep_ratio=False)'
                )
            images = self._stack_on_host(list(images))
        if images.dtype not in (torch.uint8, torch.float32) or (
            images.ndim != 4 or images.shape[1] != 3
        ):
            raise ValueError(
                'ReIDDataPreprocessor needs images of three channels '
                '(3, H, W) in grey levels, uint8 or float32; got a batch '
                f'{tuple(images.shape)} of {images.dtype}. Normalisation is '
                'done here and only here'
            )
        return images

    @property
    def _pins(self) -> bool:
        """Whether copies must start in pinned memory to be no wait."""
        return bool(self._non_blocking and self.device.type == 'cuda')

    def _stack_on_host(self, images: list[Tensor]) -> Tensor:
        """Stack images, for a GPU right where the copy will start."""
        if not self._pins or images[0].device.type != 'cpu':
            return torch.stack(images)
        dtype = reduce(torch.promote_types, (one.dtype for one in images))
        buffer = torch.empty(
            (len(images), *images[0].shape), dtype=dtype, pin_memory=True
        )
        return torch.stack(images, out=buffer)

    def to_device(self, value: Tensor) -> Tensor:
        """Copy a tensor to the device of the model, if it is another."""
        if self._pins and value.device.type == 'cpu':
            value = value.pin_memory()  # itself, if it is pinned already
        return value.to(self.device, non_blocking=self._non_blocking)

    def _targets(self, samples: Sequence[Any], size: int) -> Tensors:
        """Collect the fields of the samples into tensors on the host."""
        if len(samples) != size:
            raise ValueError(f'{size} images but {len(samples)} data_samples')
        targets = {}
        for name, field in FIELDS.items():
            values = [sample.get(field) for sample in samples]
            present = sum(value is not None for value in values)
            if present == 0:
                continue
            if present != size:
                raise ValueError(
                    f"field '{field}' is set in {present} of {size} "
                    'data_samples; all or none must have it'
                )
            targets[name] = _row_each(values).long()
        return targets


def _row_each(values: list[Any]) -> Tensor:
    """Stack numbers, arrays or tensors."""
    if any(isinstance(value, Tensor) for value in values):
        return torch.stack([torch.as_tensor(value) for value in values])
    # A tensor of each would keep a GPU waiting for milliseconds.
    return torch.from_numpy(np.array(values))


def _repeat(targets: Tensors, counts: Sequence[int]) -> Tensors:
    """Give every view the targets of its image, and its own numbers."""
    source = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    view = torch.cat([torch.arange(count) for count in counts])
    repeated = {name: value[source] for name, value in targets.items()}
    return dict(repeated, view=view, source=source)


def differ_in_size(images: Tensor | Sequence[Any]) -> bool:
    """Tell whether a batch is a list of views, each of a size of its own."""
    return isinstance(images, tuple) or any(
        not isinstance(image, Tensor) for image in images
    )


def _split_views(
    images: Tensor | Sequence[Tensor],
) -> tuple[Tensor | list[Tensor], list[int] | None]:
    """Images ``(3, H, W)`` of stacks of views, and how many of each if any."""
    if isinstance(images, Tensor):
        if images.ndim != 5:
            return images, None
        return images.flatten(0, 1), [int(images.shape[1])] * len(images)
    if differ_in_size(images):
        raise ValueError(
            'ReIDDataPreprocessor got views of different sizes, which cannot '
            'be rows of one batch; crop them alike, or use '
            'ModalityChannelPreprocessor and a model that takes a list of '
            'views'
        )
    if all(image.ndim != 4 for image in images):
        return list(images), None
    stacks = [image if image.ndim == 4 else image[None] for image in images]
    views = [view for stack in stacks for view in stack]
    return views, [len(stack) for stack in stacks]
