"""Relaxed selection variables and what they look at."""

import torch
import torch.nn.functional as F
from torch import Tensor

from .pairwise import at_least_fp32

# Values of the phase of a search, in the order in which they are run.
PHASES = ('warm-up', 'search', 'hard')
WARM_UP, SEARCH, HARD = range(len(PHASES))


def logistic_noise(like: Tensor) -> Tensor:
    """Draw ``log u - log(1 - u)`` for uniform u, of the shape of ``like``."""
    # Both logarithms must stay finite.
    u = torch.rand_like(like).clamp(1e-6, 1 - 1e-6)
    return u.log() - (-u).log1p()


def selection_gates(
    logits: Tensor,
    phase: Tensor,
    temperature: Tensor,
    noise: Tensor | None = None,
) -> Tensor:
    """Gates, from 0 to 1, of selection variables; a positive logit selects.

    1 in the phase 'warm-up', a binary concrete variable (Maddison et al.,
    "The Concrete Distribution") in 'search', and whether the logit is
    positive in 'hard'. The phase, an index into :data:`PHASES`, is read on the
    device, without a stall of the host; the gradient is 0 outside 'search'.
    """
    logits = at_least_fp32(logits)
    noisy = logits if noise is None else logits + noise
    soft = (noisy / temperature).sigmoid()
    hard = (logits > 0).to(soft.dtype)
    fixed = torch.where(phase == HARD, hard, torch.ones_like(hard))
    return torch.where(phase == SEARCH, soft, fixed)


def pixel_statistics(x: Tensor, num_channels: int) -> Tensor:
    """Describe each pixel by its mean and its largest activation.

    ``(B, C, h, w)``, not negative, becomes ``(B, 2, h, w)`` of mean 0 and
    variance 1 over an image, so that stages of different scale look alike.
    Channels that are 0 may be left out: the mean is over ``num_channels``.
    """
    dtype = torch.promote_types(x.dtype, torch.float32)
    mean = x.sum(dim=1, keepdim=True, dtype=dtype) / num_channels
    maps = torch.cat([mean, x.amax(dim=1, keepdim=True).to(dtype)], dim=1)
    maps = maps - maps.mean(dim=(2, 3), keepdim=True)
    variance = maps.square().mean(dim=(2, 3), keepdim=True)
    return maps * (variance + 1e-5).rsqrt()


def pixel_logits(
    x: Tensor, num_channels: int, weight: Tensor, bias: Tensor
) -> Tensor:
    """Selection logits ``(B, 1, h, w)`` of the pixels of a feature map.

    ``x`` and ``num_channels`` are those of :func:`pixel_statistics`, on which
    the kernel ``(1, 2, k, k)``, k odd, works; the bias is ``(B,)`` or 1 long.
    """
    maps = pixel_statistics(x, num_channels)
    logits = F.conv2d(
        maps, weight.to(maps.dtype), padding=weight.shape[-1] // 2
    )
    return logits + bias.to(maps.dtype)[:, None, None, None]
