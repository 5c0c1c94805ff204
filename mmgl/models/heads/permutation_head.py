"""Head that recovers the shared stripe permutation."""

import torch
from torch import Tensor, nn

from mmgl.registry import HEADS, LOSSES

from ..functional.sinkhorn import sinkhorn
from ..layers.modality_norm import ModalityBatchNorm

_NORMS = ('bn', 'modality_bn', 'none')


@HEADS.register_module()
class PermutationHead(nn.Module):
    """Map a global feature to an N x N affinity, Sec. III-B of MMGL.

    One fully-connected layer, shared by the modalities, from the globally
    average-pooled feature to N^2 values. The paper names nothing else; the
    batch norm before it is ours. Pooled features behind a ReLU have a large
    common part, and without removing it the head learns several times more
    slowly (``docs/pretraining.md``).

    Args:
        in_channels (int): Channels C of the feature map.
        num_stripes (int): Number of stripes N.
        loss (dict): Config of the reconstruction loss.
        norm (str): 'bn', 'modality_bn' (statistics a modality) or 'none' as
            printed in the paper. Defaults to 'bn'.

    Raises:
        ValueError: If ``norm`` is unknown.
    """

    def __init__(
        self, in_channels: int, num_stripes: int, loss: dict, norm: str = 'bn'
    ) -> None:
        super().__init__()
        if norm not in _NORMS:
            raise ValueError(
                f'PermutationHead: norm={norm!r} is not one of {_NORMS}.'
            )
        self.num_stripes = num_stripes
        self.norm = (
            None
            if norm == 'none'
            else ModalityBatchNorm(in_channels, norm == 'modality_bn')
        )
        self.fc = nn.Linear(in_channels, num_stripes * num_stripes)
        nn.init.normal_(self.fc.weight, std=0.01)
        nn.init.zeros_(self.fc.bias)
        self.loss_module = LOSSES.build(loss)

    def forward(self, feature: Tensor, modality: Tensor) -> Tensor:
        """Compute affinities.

        Args:
            feature (Tensor): Global features of shape (B, C).
            modality (Tensor): 0 visible, 1 infrared, shape (B, ).

        Returns:
            Tensor: Logits of shape (B, N, N); entry (i, j) says how well
            shuffled patch i fits place j.
        """
        if self.norm is not None:
            feature = self.norm(feature.unsqueeze(1), modality).squeeze(1)
        return self.fc(feature).view(-1, self.num_stripes, self.num_stripes)

    def loss(
        self, feature: Tensor, targets: dict[str, Tensor]
    ) -> dict[str, Tensor]:
        """Compute the reconstruction loss and the stripe accuracy.

        Args:
            feature (Tensor): Global features of shape (B, C).
            targets (dict[str, Tensor]): ``modality`` (B, ) and
                ``permutation`` (B, N).

        Returns:
            dict[str, Tensor]: ``loss_permutation`` and ``stripe_top1``, the
            share of stripes whose place is right, by the largest entry of the
            noise-free relaxed matrix (training has no time for the Hungarian
            matching of :class:`PermutationAccuracy`).

        Raises:
            ValueError: If N differs between head and data.
        """
        permutation = targets['permutation']
        if permutation.shape[-1] != self.num_stripes:
            raise ValueError(
                f'The images are shuffled in {permutation.shape[-1]} stripes '
                f'(SharedStripeShuffle.num_stripes), the model expects '
                f'permutation_head.num_stripes={self.num_stripes}.'
            )
        logits = self(feature, targets['modality'])
        with torch.no_grad():
            # Sinkhorn ignores offsets of rows and columns, so raw logits say
            # nothing before a few rounds have removed them.
            place = sinkhorn(logits.detach(), 5).argmax(dim=-1)
            right = (place == permutation).float().mean()
        return dict(
            loss_permutation=self.loss_module(logits, permutation),
            stripe_top1=right,
        )
