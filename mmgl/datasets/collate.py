"""From samples to a batch that a worker can hand over quickly."""

from collections.abc import Sequence
from typing import Any

from mmengine.dataset import pseudo_collate
from torch import Tensor
from torch.utils.data import default_collate

from mmgl.registry import FUNCTIONS


@FUNCTIONS.register_module()  # type: ignore[untyped-decorator]
def stack_collate(samples: Sequence[Any]) -> Any:
    """Collate as mmengine's ``pseudo_collate``, but stack the images.

    A worker hands each tensor over through a file descriptor of its own,
    which costs the training process about a millisecond an image. ``inputs``
    become ``(B, 3, H, W)``, or ``(B, views, 3, H, W)``, in shared memory.
    Views of several sizes become a tuple with one tensor ``(B, 3, H, W)`` for
    each view; images that do not fit together stay a list.
    """
    batch = pseudo_collate(samples)
    images: Any = ()
    if isinstance(batch, dict):
        images = batch.get('inputs', ())
    if _fit(images):
        batch['inputs'] = default_collate(images)
    elif images and all(
        isinstance(view, list | tuple) and _fit(view) for view in images
    ):
        batch['inputs'] = tuple(default_collate(view) for view in images)
    return batch


def _fit(images: Sequence[Any]) -> bool:
    """Tell whether all are tensors of one shape and type."""
    if not all(isinstance(image, Tensor) for image in images):
        return False
    return len({(image.shape, image.dtype) for image in images}) == 1
