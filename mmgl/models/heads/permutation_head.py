"""Head that recovers the shared stripe permutation."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mmgl.registry import HEADS, LOSSES
from mmgl.structures import routing_modality
from mmgl.utils.checks import require

from ..functional.sinkhorn import sinkhorn
from ..layers.modality_norm import ModalityBatchNorm
from ..protocols import Tensors

_NORMS = ('bn', 'modality_bn', 'none')


@HEADS.register_module()
class PermutationHead(nn.Module):
    """Map a global feature to an N x N affinity, Sec. III-B of MMGL.

    One fully-connected layer, shared by the modalities, from the pooled
    feature to N^2 values. The batch norm before it is ours: without it the
    large common part of features behind a ReLU slows the head down several
    times (``docs/pretraining.md``).

    Args:
        norm: 'bn', 'modality_bn' (statistics a modality) or 'none' as
            printed in the paper.
    """

    def __init__(
        self,
        in_channels: int,
        num_stripes: int,
        loss: Mapping[str, Any],
        norm: str = 'bn',
        feature: str = 'pool',
    ) -> None:
        super().__init__()
        require(self, norm in _NORMS, f'norm one of {_NORMS}', norm)
        self.num_stripes = num_stripes
        self.feature = feature
        self.norm = None
        if norm != 'none':
            self.norm = ModalityBatchNorm(in_channels, norm == 'modality_bn')
        self.fc = nn.Linear(in_channels, num_stripes * num_stripes)
        nn.init.normal_(self.fc.weight, std=0.01)
        nn.init.zeros_(self.fc.bias)
        self.loss_module = LOSSES.build(loss)

    def forward(self, feature: Tensor, modality: Tensor) -> Tensor:
        """Logits ``(B, N, N)`` of features ``(B, C)``.

        Entry (i, j) says how well shuffled stripe i fits position j.
        """
        if self.norm is not None:
            feature = self.norm(feature.unsqueeze(1), modality).squeeze(1)
        logits: Tensor = self.fc(feature)
        return logits.view(-1, self.num_stripes, self.num_stripes)

    def loss(self, features: Tensors, targets: Tensors) -> Tensors:
        """Reconstruct ``permutation`` ``(B, N)``.

        ``top1`` is the share of stripes whose position is right, by the
        largest entry and not, as ``PermutationAccuracy``, a slow matching.
        """
        permutation = targets['permutation']
        if permutation.shape[-1] != self.num_stripes:
            raise ValueError(
                f'The images are shuffled in {permutation.shape[-1]} stripes '
                f'(SharedStripeShuffle.num_stripes), the model expects '
                f'PermutationHead.num_stripes={self.num_stripes}.'
            )
        logits = self(features[self.feature], routing_modality(targets))
        with torch.no_grad():
            # Sinkhorn ignores offsets of rows and columns, so raw logits say
            # nothing before a few rounds have removed them.
            position = sinkhorn(logits.detach(), 5).argmax(dim=-1)
            right = (position == permutation).float().mean()
        return dict(loss=self.loss_module(logits, permutation), top1=right)

    @torch.no_grad()
    def predict(
        self, features: Tensors, targets: Tensors, data_samples: Sequence[Any]
    ) -> None:
        """Set ``permutation_logits`` ``(N, N)`` of each sample."""
        logits = self(features[self.feature], routing_modality(targets))
        for sample, matrix in zip(data_samples, logits.float(), strict=True):
            sample.permutation_logits = matrix
