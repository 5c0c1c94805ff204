"""Identity classification loss."""

import torch.nn.functional as F
from torch import Tensor, nn

from mmgl.registry import MODELS
from mmgl.utils.checks import require

from ..functional.pairwise import at_least_fp32


@MODELS.register_module()
class IdentityCrossEntropyLoss(nn.Module):
    """Cross-entropy over training identities, in fp32.

    ``label_smoothing`` in [0, 1) is the share of the target spread over all
    identities; 0 (as in AGW) is the plain cross-entropy.
    """

    def __init__(self, label_smoothing: float = 0.0) -> None:
        super().__init__()
        good = 0 <= label_smoothing < 1
        require(self, good, 'label_smoothing in [0, 1)', label_smoothing)
        self.label_smoothing = label_smoothing

    def forward(
        self, features: Tensor, pids: Tensor, modality: Tensor | None = None
    ) -> Tensor:
        """Average over rows of logits ``(n, classes)``; pids count from 0."""
        return F.cross_entropy(
            at_least_fp32(features), pids, label_smoothing=self.label_smoothing
        )
