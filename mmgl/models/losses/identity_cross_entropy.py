"""Identity classification loss."""

import torch.nn.functional as F
from torch import Tensor, nn

from mmgl.models.functional.pairwise import at_least_fp32
from mmgl.registry import MODELS


@MODELS.register_module()
class IdentityCrossEntropyLoss(nn.Module):
    """Cross-entropy over training identities, in fp32.

    Args:
        label_smoothing: Share of the target spread over all identities, in
            [0, 1). 0 (as in AGW) is the plain cross-entropy.

    Raises:
        ValueError: If ``label_smoothing`` is outside [0, 1).
    """

    def __init__(self, label_smoothing: float = 0.0) -> None:
        super().__init__()
        if not 0 <= label_smoothing < 1:
            raise ValueError(
                'IdentityCrossEntropyLoss.label_smoothing must be in [0, 1), '
                f'got {label_smoothing}'
            )
        self.label_smoothing = label_smoothing

    def forward(
        self, features: Tensor, pids: Tensor, modality: Tensor | None = None
    ) -> Tensor:
        """Compute the loss.

        Args:
            features: Logits ``(n, num_classes)``.
            pids: Contiguous identity labels ``(n,)``.
            modality: Ignored; part of the common signature.

        Returns:
            Scalar loss, the mean over rows.
        """
        return F.cross_entropy(
            at_least_fp32(features), pids, label_smoothing=self.label_smoothing
        )
