"""Relaxed selection variables and what they look at."""

import torch
import torch.nn.functional as F
from torch import Tensor

from .pairwise import at_least_fp32

# Values of the phase of a search, in the order in which they are run.
PHASES = ('warm-up', 'search', 'hard')
WARM_UP, SEARCH, HARD = range(len(PHASES))


def logistic_noise(like: Tensor, eps: float = 1e-6) -> Tensor:
    """Draw logistic noise from torch's global generator.

    Args:
        like: Tensor whose shape, type and device the noise gets.
        eps: The uniform draw is clamped to ``[eps, 1 - eps]``, since both
            logarithms below must stay finite.

    Returns:
        ``log u - log(1 - u)`` for uniform ``u``.
    """
    u = torch.rand_like(like).clamp(eps, 1 - eps)
    return u.log() - (-u).log1p()


def selection_gates(
    logits: Tensor,
    phase: Tensor,
    temperature: Tensor,
    noise: Tensor | None = None,
) -> Tensor:
    """Gates of selection variables with given logits.

    1 in the phase 'warm-up', a binary concrete variable (Maddison et al.,
    "The Concrete Distribution") in 'search', and whether the logit is
    positive in 'hard'. The phase is read on the device, without a stall of
    the host, and the gradient with respect to the logits exists in all
    phases; it is 0 outside 'search'.

    Args:
        logits: Logits of any shape; a positive one selects.
        phase: Scalar index into :data:`PHASES`.
        temperature: Scalar temperature of the relaxation.
        noise: Logistic noise of the shape of ``logits``; None for the gates
            without noise.

    Returns:
        Gates from 0 to 1, of the shape of ``logits``, at least in fp32.
    """
    logits = at_least_fp32(logits)
    noisy = logits if noise is None else logits + noise
    soft = (noisy / temperature).sigmoid()
    hard = (logits > 0).to(soft.dtype)
    fixed = torch.where(phase == HARD, hard, torch.ones_like(hard))
    return torch.where(phase == SEARCH, soft, fixed)


def pixel_statistics(x: Tensor, num_channels: int) -> Tensor:
    """Describe each pixel by its mean and its largest activation.

    Both maps are standardised over the pixels of an image, so that stages
    of different activation scale look alike. Channels that are 0 may be left
    out of ``x``: the mean is over ``num_channels`` and activations are not
    negative.

    Args:
        x: Non-negative feature map ``(B, C, h, w)`` with ``C`` of 1 or more.
        num_channels: Number of channels including those left out.

    Returns:
        Maps ``(B, 2, h, w)``, at least in fp32, of mean 0 and variance 1 (0
        where a map is constant).
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
    """Selection logits of the pixels of a feature map.

    Args:
        x: Non-negative feature map ``(B, C, h, w)``.
        num_channels: Number of channels including absent, all-zero ones.
        weight: Kernel ``(1, 2, k, k)``, ``k`` odd, on
            :func:`pixel_statistics`.
        bias: Offset ``(B,)`` of each image, or ``(1,)``.

    Returns:
        Logits ``(B, 1, h, w)``.
    """
    maps = pixel_statistics(x, num_channels)
    logits = F.conv2d(
        maps, weight.to(maps.dtype), padding=weight.shape[-1] // 2
    )
    return logits + bias.to(maps.dtype)[:, None, None, None]
