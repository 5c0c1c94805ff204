"""The pipelines of mmgl as PIL and torchvision would do them.

Same operations, same sizes and probabilities: what a project without mmcv
writes. The comparison of ``data_loading.py`` needs them.
"""

from collections.abc import Callable
from importlib.util import find_spec
from itertools import cycle, islice

import numpy as np
import torch
from kornia_augmix import kornia_operations
from PIL import Image
from torch import Tensor
from torchvision import transforms
from torchvision.transforms import v2

SIZE = (288, 144)  # height, width
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# Expected operations of AugMix on one image: 3 chains of 1 to 3.
NUM_OPERATIONS = 6


def shuffle_stripes(image: Tensor) -> Tensor:
    """Shuffle six horizontal stripes of ``(3, H, W)``."""
    channels, height, width = image.shape
    stripes = image.view(channels, 6, height // 6, width)
    return stripes[:, torch.randperm(6)].reshape(image.shape)


def torchvision_pipeline(pretrain: bool) -> Callable[[str], Tensor]:
    """Return the pipeline of fine-tuning or of pre-training.

    Args:
        pretrain: With AugMix, erasing and shuffled stripes.

    Returns:
        From a path to a normalised float image ``(3, 288, 144)``.
    """
    steps = [
        transforms.Resize(SIZE, transforms.InterpolationMode.LANCZOS),
        transforms.Pad(10),
        transforms.RandomCrop(SIZE),
        transforms.RandomHorizontalFlip(),
    ]
    if pretrain:
        steps.append(transforms.AugMix(all_ops=False))
    steps += [transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
    if pretrain:
        steps += [
            transforms.RandomErasing(0.5, (0.02, 0.4), (0.3, 3.33)),
            shuffle_stripes,
        ]
    apply = transforms.Compose(steps)

    def load(path: str) -> Tensor:
        with Image.open(path) as image:
            return apply(image.convert('RGB'))

    return load


def augmix_peers(images: list[np.ndarray]) -> dict[str, tuple]:
    """Return AugMix of others, to be called on images or on a batch.

    Args:
        images: uint8 arrays ``(288, 144, 3)``, RGB.

    Returns:
        By name, a function without arguments and how many images one call
        augments.
    """
    pictures = [Image.fromarray(image) for image in images]
    batch = torch.stack(
        [torch.from_numpy(image.transpose(2, 0, 1).copy()) for image in images]
    )
    augment = transforms.AugMix(all_ops=False)
    augment_v2 = v2.AugMix(all_ops=False)
    size = len(images)
    peers = {
        'torchvision, PIL image': (
            lambda: [augment(picture) for picture in pictures],
            size,
        ),
        'torchvision v2, tensor': (
            lambda: [augment_v2(image) for image in batch],
            size,
        ),
        'torchvision v2, one batch (operations shared)': (
            lambda: augment_v2(batch),
            size,
        ),
    }
    if find_spec('kornia'):
        peers['operations of kornia alone, one batch'] = (
            repeat_operations(batch.float() / 255),
            size,
        )
    return peers


def repeat_operations(batch: Tensor) -> Callable[[], None]:
    """Return as many operations of kornia as AugMix draws on average.

    kornia has no AugMix: this is a lower bound of one made of it, without
    drawing, choosing operations image by image, and mixing.

    Args:
        batch: float ``(B, 3, H, W)`` from 0 to 1.

    Returns:
        A function that applies them to the batch.
    """
    strength = torch.rand(len(batch)) * 0.3
    turns = cycle(kornia_operations())

    def apply() -> None:
        # All nine in turn, six a call.
        for operation in islice(turns, NUM_OPERATIONS):
            operation(batch, strength)

    return apply
