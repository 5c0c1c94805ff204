"""AugMix out of kornia's operations, for comparison.

kornia is needed only to measure it: mmgl augments in the workers.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

SEVERITY, CHAINS, DEPTH = 3, 3, 3
# Strength of an operation at severity 10, as mmgl's transform has it.
MAX_DEGREES, MAX_SHEAR, MAX_SHIFT = 30, 0.3, 1 / 3


def import_kornia():
    """Import kornia.

    Returns:
        module: The package.

    Raises:
        ImportError: If it is not installed.
    """
    try:
        import kornia
    except ImportError as error:
        raise ImportError(
            'this measures kornia, which is not installed: pip install '
            'kornia, or leave it out by --by torchvision'
        ) from error
    return kornia


def kornia_operations() -> list[Callable[[Tensor, Tensor], Tensor]]:
    """List the nine operations of AugMix.

    Returns:
        Functions of images, float ``(k, 3, H, W)`` from 0 to 1, and signed
        strengths, ``(k,)`` from -1 to 1; each gives images of that shape.
    """
    kornia = import_kornia()
    enhance, geometry = kornia.enhance, kornia.geometry

    def autocontrast(images: Tensor, strength: Tensor) -> Tensor:
        low = images.amin((2, 3), keepdim=True)
        high = images.amax((2, 3), keepdim=True)
        return (images - low) / (high - low).clamp_min(1 / 255)

    def pair(first: Tensor, second: Tensor) -> Tensor:
        return torch.stack([first, second], 1)

    def shift(size: int, strength: Tensor) -> Tensor:
        return strength * (MAX_SHIFT * size)

    return [
        autocontrast,
        lambda images, s: enhance.equalize(images),
        lambda images, s: enhance.posterize(images, 4 - (4 * s.abs()).int()),
        lambda images, s: enhance.solarize(images, 1 - s.abs()),
        lambda images, s: geometry.rotate(images, s * MAX_DEGREES),
        lambda images, s: geometry.shear(
            images, pair(s * MAX_SHEAR, torch.zeros_like(s))
        ),
        lambda images, s: geometry.shear(
            images, pair(torch.zeros_like(s), s * MAX_SHEAR)
        ),
        lambda images, s: geometry.translate(
            images, pair(shift(images.shape[3], s), torch.zeros_like(s))
        ),
        lambda images, s: geometry.translate(
            images, pair(torch.zeros_like(s), shift(images.shape[2], s))
        ),
    ]


class KorniaAugMix:
    """AugMix of a batch, with operations of its own for each image.

    Images that drew the same operation go through it together. All that is
    random is drawn on the host and sent at once, so that the device is asked
    for nothing.

    Args:
        seed: Of the generator.
    """

    def __init__(self, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.operations = kornia_operations()

    def __call__(self, batch: Tensor) -> Tensor:
        """Augment.

        Args:
            batch: float ``(B, 3, H, W)`` from 0 to 1.

        Returns:
            Of the same shape.
        """
        size, rng = len(batch), self.rng
        share = rng.beta(1, 1, size)
        weights = np.concatenate(
            [1 - share[None], share * rng.dirichlet([1] * CHAINS, size).T]
        )
        strength = rng.uniform(0.1, SEVERITY, (CHAINS, DEPTH, size)) / 10
        strength *= rng.choice([-1, 1], strength.shape)
        weights, strength = (
            torch.from_numpy(one.astype(np.float32)).to(
                batch.device, non_blocking=True
            )
            for one in (weights, strength)
        )
        order, groups = self._draw_operations(size)
        order = torch.from_numpy(order).to(batch.device, non_blocking=True)
        mixed = batch * _each(weights[0])
        for chain in range(CHAINS):
            images = batch.clone()
            for step in range(DEPTH):
                for number, start, stop in groups[chain][step]:
                    rows = order[chain, step, start:stop]
                    images[rows] = self.operations[number](
                        images[rows], strength[chain, step, rows]
                    )
            mixed += images * _each(weights[chain + 1])
        return mixed

    def _draw_operations(self, size: int) -> tuple[np.ndarray, list]:
        """Draw the operations of all chains.

        Args:
            size: Images.

        Returns:
            Images sorted by their operation, ``(CHAINS, DEPTH, size)``; and
            for each chain and step the operations that occur, with start
            and stop of their images.
        """
        count, shape = len(self.operations), (CHAINS, DEPTH, size)
        choice = self.rng.integers(count, size=shape)
        depth = self.rng.integers(1, DEPTH + 1, (CHAINS, 1, size))
        ended = np.arange(DEPTH)[:, None] >= depth
        choice[ended] = count  # no operation
        ends = np.apply_along_axis(
            np.bincount, 2, choice, minlength=count + 1
        ).cumsum(2)
        groups = [
            [
                [
                    (number, start, stop)
                    for number, (start, stop) in enumerate(
                        zip([0, *stops], stops[:count], strict=False)
                    )
                    if stop > start
                ]
                for stops in chain
            ]
            for chain in ends.tolist()
        ]
        return choice.argsort(axis=2), groups


def _each(weights: Tensor) -> Tensor:
    """Shape ``(B,)`` for images."""
    return weights[:, None, None, None]
