"""Permutation reconstruction loss of MMGL."""

import torch
from mmengine.dist import get_rank, get_world_size
from torch import Tensor, nn

from mmgl.registry import MODELS
from mmgl.utils.checks import require

from ..functional.pairwise import at_least_fp32
from ..functional.sinkhorn import (
    gumbel_noise,
    gumbel_sinkhorn,
    unshuffle_ranks,
)

_REDUCTIONS = ('mean', 'sum_n', 'sum')


@MODELS.register_module()
class PermutationReconstructionLoss(nn.Module):
    """Squared error of the recovered rank vector, Eq. 2-4 of MMGL.

    Each of ``num_samples`` Gumbel-Sinkhorn relaxations of the affinity undoes
    the shuffling of the rank vector. ``num_samples`` and the rounds
    ``num_iters`` are those of Sec. IV-B; the paper's temperature of 0.07
    belongs to Eq. 5 and 6, see ``docs/pretraining.md``.

    The ``reduction`` 'mean' is over images, samples and ranks, as in the
    original Gumbel-Sinkhorn code; 'sum_n' sums over the N ranks, 'sum' over
    ranks and images as printed, which for 96 images starts at 2,000 against
    1.8 of the position loss.
    """

    def __init__(
        self,
        num_samples: int = 10,
        num_iters: int = 20,
        temperature: float = 1.0,
        noise_factor: float = 1.0,
        reduction: str = 'mean',
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        require(self, num_samples >= 1, 'num_samples >= 1', num_samples)
        require(self, num_iters >= 1, 'num_iters >= 1', num_iters)
        require(self, temperature > 0, 'temperature > 0', temperature)
        rule = f'reduction in {_REDUCTIONS}'
        require(self, reduction in _REDUCTIONS, rule, reduction)
        self.num_samples = num_samples
        self.num_iters = num_iters
        self.temperature = temperature
        self.noise_factor = noise_factor
        self.reduction = reduction
        self.loss_weight = loss_weight

    def forward(self, logits: Tensor, permutation: Tensor) -> Tensor:
        """Compute the loss of affinities ``(B, N, N)``.

        Entry (i, j) says how well shuffled stripe i, the original stripe
        ``permutation[:, i]``, fits position j.
        """
        with torch.autocast(logits.device.type, enabled=False):
            logits = at_least_fp32(logits)
            matrices = gumbel_sinkhorn(
                logits, self._noise(logits), self.temperature, self.num_iters
            )
            shuffled = permutation.to(matrices.dtype) + 1
            target = torch.arange(shuffled.shape[-1], device=logits.device) + 1
            error = (unshuffle_ranks(matrices, shuffled) - target).square()
            return self.loss_weight * self._reduce(error)

    def _noise(self, logits: Tensor) -> Tensor | None:
        if self.noise_factor == 0:
            return None
        # Drawn for the images of all ranks and cut, so that the same batch
        # gets the same noise on any number of processes.
        batch, stripes = logits.shape[:2]
        shape = (batch * get_world_size(), self.num_samples, stripes, stripes)
        noise = gumbel_noise(shape, logits)
        return self.noise_factor * noise.narrow(0, batch * get_rank(), batch)

    def _reduce(self, error: Tensor) -> Tensor:
        if self.reduction == 'mean':
            return error.mean()
        per_image = error.sum(dim=-1).mean(dim=1)
        by_rank = self.reduction == 'sum_n'
        return per_image.mean() if by_rank else per_image.sum()
