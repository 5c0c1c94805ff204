"""Lab colours, their bins, and what colorization does with them.

Follows Zhang, Isola and Efros, "Colorful Image Colorization" (ECCV 2016).
``ab`` are the two colour coordinates of CIE Lab, L its lightness 0-100; there
are Q colour bins, of which a soft target names the K nearest.
"""

from functools import lru_cache

import torch
from torch import Tensor

from .pairwise import at_least_fp32

# sRGB (linear) to XYZ for the white point D65, rows divided by that of white
# so that greys have X = Y = Z.
_RGB_TO_XYZ = (
    (0.412453, 0.357580, 0.180423),
    (0.212671, 0.715160, 0.072169),
    (0.019334, 0.119193, 0.950227),
)
_LINEAR_BELOW = 0.008856
# Denominator of sums over pixels.
_FIXED_POINT = 2**20


def rgb_to_lab(rgb: Tensor) -> Tensor:
    """Convert sRGB to CIE Lab, as ``cv2.cvtColor`` does with floats.

    From red, green and blue in [0, 1], ``(..., 3, H, W)``, to L in 0-100 and
    a, b in about -110 to 100 of the same shape.
    """
    with torch.autocast(rgb.device.type, enabled=False):
        rgb = at_least_fp32(rgb)
        linear = torch.where(
            rgb > 0.04045, ((rgb + 0.055) / 1.055) ** 2.4, rgb / 12.92
        )
        matrix = linear.new_tensor(_RGB_TO_XYZ)
        matrix = matrix / matrix.sum(dim=1, keepdim=True)
        xyz = torch.einsum('ij,...jhw->...ihw', matrix, linear)
        f = torch.where(
            xyz > _LINEAR_BELOW,
            xyz.clamp(min=_LINEAR_BELOW) ** (1 / 3),
            7.787 * xyz + 16 / 116,
        )
        x, y, z = f.unbind(dim=-3)
        return torch.stack(
            [116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=-3
        )


@lru_cache(maxsize=8)
def _gamut(grid: int) -> tuple[tuple[int, int], ...]:
    """Grid points to which some sRGB colour is nearest.

    With a and b held, every colour can be made lighter until it lies on the
    surface of the RGB cube; so its six faces, at 256 levels, suffice.
    """
    level = torch.linspace(0, 1, 256)
    face = torch.stack(torch.meshgrid(level, level, indexing='ij'))
    faces = [
        torch.cat(
            [face[:place], torch.full_like(face[:1], side), face[place:]]
        )
        for side in (0.0, 1.0)
        for place in range(3)
    ]
    cells = (rgb_to_lab(torch.stack(faces))[:, 1:] / grid).round().int()
    points = torch.unique(cells.transpose(0, 1).flatten(1), dim=1)
    return tuple(zip(*points.tolist(), strict=True))


def ab_bins(grid: int = 10) -> Tensor:
    """Points ``(Q, 2)`` of a square grid in the ab plane that sRGB reaches.

    In ascending order. A grid of 10 has 261 here and not the 313 of the
    paper's table; their number is known to matter little.
    """
    with torch.device('cpu'):  # also for a model without memory
        points = _gamut(grid)
    return torch.tensor(points, dtype=torch.float32) * grid


def soft_encode(
    ab: Tensor, bins: Tensor, num_neighbours: int = 5, sigma: float = 5.0
) -> tuple[Tensor, Tensor]:
    """Spread colours ``(n, 2)`` over their nearest bins with Gaussian weights.

    Returns the numbers ``(n, K)`` of the bins ``(Q, 2)``, nearest first, and
    weights ``(n, K)`` that sum to 1.
    """
    # |ab|^2 is the same for all bins and left out. Half precision would not
    # tell the bins apart.
    with torch.autocast(ab.device.type, enabled=False):
        square = bins.square().sum(dim=1) - 2 * ab @ bins.t()
    square, index = square.topk(num_neighbours, dim=1, largest=False)
    # Differences to the nearest one: exp of all of them could be 0.
    weight = torch.exp((square[:, :1] - square) / (2 * sigma**2))
    return index, weight / weight.sum(dim=1, keepdim=True)


def soft_histogram(index: Tensor, weight: Tensor, num_bins: int) -> Tensor:
    """Add up n soft encodings ``(n, K)`` to ``(Q,)``, to about six digits."""
    # Whole numbers: floats added in no fixed order, as on GPUs, would give
    # another last digit each time.
    counts = torch.zeros(num_bins, dtype=torch.int64, device=index.device)
    counts.scatter_add_(
        0, index.flatten(), (weight.flatten() * _FIXED_POINT).round().long()
    )
    return counts.to(weight.dtype) / _FIXED_POINT


def rebalancing_weights(prior: Tensor, uniform_share: float = 0.5) -> Tensor:
    r"""Weights ``(Q,)`` that lift rare colours of probabilities ``(Q,)``.

    :math:`w_q \propto ((1 - \lambda) p_q + \lambda / Q)^{-1}` with
    :math:`\sum_q p_q w_q = 1` and :math:`\lambda` the ``uniform_share``.
    """
    mixed = (1 - uniform_share) * prior + uniform_share / len(prior)
    weight = mixed.reciprocal()
    return weight / (prior * weight).sum()
