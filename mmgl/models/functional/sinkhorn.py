"""Gumbel-Sinkhorn relaxation of permutations, in log space and fp32.

Follows Mena et al., "Learning Latent Permutations with Gumbel-Sinkhorn
Networks" (ICLR 2018) and Eq. 2-4 of the MMGL paper, for B images of N stripes
and S Gumbel draws an image. Stripe ``i`` of the shuffled image is stripe
``permutation[i]`` of the original: row ``i`` of a matrix says to which
position stripe ``i`` belongs, ``P[i, permutation[i]] = 1``.
"""

import torch
from torch import Tensor

from .pairwise import at_least_fp32


def sinkhorn(log_alpha: Tensor, num_iters: int = 20) -> Tensor:
    """Sinkhorn operator, Eq. 2: rows first, then columns, ``num_iters`` times.

    From logits ``(..., N, N)`` to non-negative matrices whose columns sum to
    one exactly and whose rows approach one.
    """
    with torch.autocast(log_alpha.device.type, enabled=False):
        log_alpha = at_least_fp32(log_alpha)
        shape = log_alpha.shape
        # Matrices last: N is far too short a dimension to vectorise over.
        # Eight times as fast on a CPU.
        log_alpha = log_alpha.reshape(-1, *shape[-2:])
        log_alpha = log_alpha.permute(1, 2, 0).contiguous()
        for _ in range(num_iters):
            log_alpha = log_alpha.log_softmax(dim=1)
            log_alpha = log_alpha.log_softmax(dim=0)
        return log_alpha.exp().permute(2, 0, 1).reshape(shape)


def gumbel_noise(
    shape: tuple[int, ...],
    like: Tensor,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Draw standard Gumbel noise in fp32 on the device of ``like``."""
    # The two floors keep both logarithms finite for u = 0 and u -> 1.
    uniform = torch.rand(
        shape, device=like.device, dtype=torch.float32, generator=generator
    )
    return -torch.log(-torch.log(uniform + 1e-20) + 1e-20)


def gumbel_sinkhorn(
    logits: Tensor,
    noise: Tensor | None = None,
    temperature: float = 1.0,
    num_iters: int = 20,
) -> Tensor:
    """Relax permutations, ``Sinkhorn((logits + noise) / temperature)``.

    Eq. 3 as Mena et al. define it; the trace form printed in the paper is a
    scalar over all N! permutations. Logits ``(B, N, N)`` and noise ``(B, S,
    N, N)`` give matrices ``(B, S, N, N)``; without noise S is 1.
    """
    log_alpha = logits.unsqueeze(1)
    if noise is not None:
        log_alpha = log_alpha + noise
    return sinkhorn(log_alpha / temperature, num_iters)


def unshuffle_ranks(matrices: Tensor, ranks: Tensor) -> Tensor:
    """Undo permutations ``(B, S, N, N)`` on ranks ``(B, N)``: (B, S, N)."""
    return torch.einsum('bsij,bi->bsj', matrices, ranks.to(matrices.dtype))
