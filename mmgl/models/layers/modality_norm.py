"""Batch normalisation over all ranks, by modality or over both."""

import torch
from torch import Tensor, nn

from ..functional.gather import all_gather_with_grad


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
        """Normalise vectors ``(B, N, D)`` of modalities ``(B,)``, in fp32."""
        group = modality if self.groups == 2 else torch.zeros_like(modality)
        # Statistics reach their vectors by a product with 0 and 1: the
        # gradient of indexing is summed in no fixed order on several threads.
        group = nn.functional.one_hot(group, self.groups)
        with torch.autocast(x.device.type, enabled=False):
            if x.dtype in (torch.float16, torch.bfloat16):
                x = x.float()
            if self.training:
                mean, var = self._batch_statistics(x, group.to(x.dtype))
            else:
                mean, var = self.running_mean, self.running_var
            group, mean, var = (t.to(x.dtype) for t in (group, mean, var))
            scale = (group @ (var + self.eps).rsqrt()).unsqueeze(1)
            x = (x - (group @ mean).unsqueeze(1)) * scale
            return x * self.weight + self.bias

    def _batch_statistics(
        self, x: Tensor, group: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Mean and variance (G, D) of all ranks, groups as one-hot (B, G)."""
        count = group.sum(dim=0) * x.shape[1]
        safe = count.clamp(min=1).unsqueeze(1)
        mean = group.t() @ x.sum(dim=1) / safe
        residual = (x - (group @ mean).unsqueeze(1)).square()
        scatter = group.t() @ residual.sum(dim=1)
        # Pairwise combination of the ranks' moments: no cancellation, one
        # small message.
        packed = torch.cat(
            [count.unsqueeze(1).expand_as(mean), mean, scatter], dim=1
        )
        counts, means, scatters = all_gather_with_grad(
            packed.unsqueeze(0)
        ).chunk(3, dim=-1)
        total = counts.sum(dim=0).clamp(min=1)
        mean = (counts * means).sum(dim=0) / total
        spread = scatters + counts * (means - mean).square()
        var = spread.sum(dim=0) / total
        self._update_running(mean, var, total, counts.sum(dim=0) > 0)
        return mean, var

    @torch.no_grad()
    def _update_running(
        self, mean: Tensor, var: Tensor, total: Tensor, present: Tensor
    ) -> None:
        """Move the running statistics of the modalities in the batch."""
        unbiased = var * total / (total - 1).clamp(min=1)
        for running, value in (
            (self.running_mean, mean),
            (self.running_var, unbiased),
        ):
            step = self.momentum * (value.to(running.dtype) - running)
            running += step * present
