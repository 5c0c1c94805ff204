"""Batch normalisation over all ranks, by modality or over both."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..functional.gather import all_gather_with_grad, world_size
from ..functional.modality_groups import (
    join_rows,
    modality_indices,
    split_rows,
)
from ..functional.pairwise import at_least_fp32


class ModalityBatchNorm(nn.Module):
    """Normalise vectors by batch statistics of their modality or of all.

    A shared batch norm turns the mean difference of two modalities into the
    leading direction of the output; with statistics a modality (scale and
    shift are shared) such a split cannot arise. ``per_modality=False`` is a
    plain synchronised batch norm. Statistics are those of all ranks, in fp32.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(
        self,
        num_features: int,
        per_modality: bool = True,
        eps: float = 1e-5,
        momentum: float = 0.1,
    ) -> None:
        super().__init__()
        self.groups = 2 if per_modality else 1
        self.eps = eps
        self.momentum = momentum
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))
        shape = self.groups, num_features
        self.register_buffer('running_mean', torch.zeros(shape))
        self.register_buffer('running_var', torch.ones(shape))

    def forward(self, x: Tensor, modality: Tensor) -> Tensor:
        """Normalise vectors ``(B, N, D)`` of modalities ``(B,)``, in fp32.

        A modality on the host costs no synchronisation with the device.
        """
        with torch.autocast(x.device.type, enabled=False):
            x = at_least_fp32(x)
            if self.groups == 1:
                return self._normalise(x, 0)
            rows = modality_indices(modality, x.device)
            groups = enumerate(split_rows(x, rows))
            normed = [self._normalise(own, group) for group, own in groups]
            return join_rows(normed, rows)

    def _normalise(self, x: Tensor, group: int) -> Tensor:
        """Normalise vectors ``(b, N, D)`` by the statistics of their group."""
        values = x.flatten(0, 1)
        if self.training and (world_size() > 1 or len(values) < 2):
            normed = self._normalise_over_ranks(values, group)
        else:
            normed = F.batch_norm(
                values,
                self.running_mean[group],
                self.running_var[group],
                self.weight,
                self.bias,
                self.training,
                self.momentum,
                self.eps,
            )
        return normed.view_as(x)

    def _normalise_over_ranks(self, values: Tensor, group: int) -> Tensor:
        """Do so with values ``(n, D)`` of each rank; n may be 0.

        As ``SyncBatchNorm``, which there is for GPUs only.
        """
        count = values.new_full(values.shape[1:], len(values))
        mean = values.sum(dim=0) / count.clamp(min=1)
        scatter = (values - mean).square().sum(dim=0)
        # Pairwise combination of the ranks' moments: no cancellation, one
        # small message.
        packed = torch.stack([count, mean, scatter]).unsqueeze(0)
        counts, means, scatters = all_gather_with_grad(packed).unbind(dim=1)
        count = counts.sum(dim=0)
        mean = (counts * means).sum(dim=0) / count.clamp(min=1)
        spread = scatters + counts * (means - mean).square()
        scatter = spread.sum(dim=0)
        var = scatter / count.clamp(min=1)
        self._update_running(group, mean, scatter, count)
        scale = (var + self.eps).rsqrt()
        return (values - mean) * scale * self.weight + self.bias

    @torch.no_grad()
    def _update_running(
        self, group: int, mean: Tensor, scatter: Tensor, count: Tensor
    ) -> None:
        """Move the running statistics of a group that is in the batch."""
        unbiased = scatter / (count - 1).clamp(min=1)
        momentum = self.momentum * (count > 0).to(count.dtype)
        self.running_mean[group].lerp_(mean, momentum)
        self.running_var[group].lerp_(unbiased, momentum)
