"""Part projection head with position and cycle-contrastive losses."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmgl.registry import HEADS, LOSSES

from ..functional.monitors import part_consistency
from ..layers.modality_norm import ModalityBatchNorm

_NORMS = ('bn', 'modality_bn', 'ln', 'none')


@HEADS.register_module()
class PartHead(nn.Module):
    """PCB-style projection of stripes to part vectors, Sec. III-C of MMGL.

    Stripes of the feature map are average-pooled, projected to
    ``out_channels`` and normalised. The projection and the position
    classifier are shared by all stripes and modalities, because the stripes
    are shuffled: only then do equal body parts meet in one space.

    Args:
        in_channels (int): Channels C of the feature map.
        num_stripes (int): Number of stripes N.
        out_channels (int): Embedding size D. Defaults to 256 (Sec. III-C).
        norm (str): Normalisation behind the projection: 'bn' as in PCB,
            'modality_bn' (statistics a modality, which hides their gap from
            the losses, see ``docs/pretraining.md``), 'ln' or 'none'.
            Defaults to 'bn'.
        position (bool): Use the position cross-entropy L_cls of Eq. 7.
            Defaults to True.
        position_weight (float): Its weight. Defaults to 1.0.
        contrast (dict, optional): Config of the PCC loss; None leaves it
            out. Defaults to None.

    Raises:
        ValueError: If ``norm`` is unknown or no loss is left.
    """

    def __init__(
        self,
        in_channels: int,
        num_stripes: int,
        out_channels: int = 256,
        norm: str = 'bn',
        position: bool = True,
        position_weight: float = 1.0,
        contrast: dict | None = None,
    ) -> None:
        super().__init__()
        if norm not in _NORMS:
            raise ValueError(
                f'PartHead: norm={norm!r} is not one of {_NORMS}.'
            )
        if not position and contrast is None:
            raise ValueError(
                'PartHead has no loss: set position=True or '
                'contrast=dict(...), or part_head=None.'
            )
        self.num_stripes = num_stripes
        self.position_weight = position_weight
        self.projection = nn.Linear(in_channels, out_channels, bias=False)
        nn.init.kaiming_normal_(self.projection.weight, nonlinearity='linear')
        self.norm = self._build_norm(norm, out_channels)
        self.classifier = None
        if position:
            self.classifier = nn.Linear(out_channels, num_stripes)
            nn.init.normal_(self.classifier.weight, std=0.01)
            nn.init.zeros_(self.classifier.bias)
        self.contrast = None if contrast is None else LOSSES.build(contrast)

    @staticmethod
    def _build_norm(norm: str, channels: int) -> nn.Module:
        if norm in ('modality_bn', 'bn'):
            return ModalityBatchNorm(channels, norm == 'modality_bn')
        return nn.LayerNorm(channels) if norm == 'ln' else nn.Identity()

    def forward(self, feature_map: Tensor, modality: Tensor) -> Tensor:
        """Compute part vectors.

        Args:
            feature_map (Tensor): Backbone output of shape (B, C, h, w).
            modality (Tensor): 0 visible, 1 infrared, shape (B, ).

        Returns:
            Tensor: Part vectors before L2 normalisation, (B, N, D).

        Raises:
            ValueError: If the rows do not divide into N stripes.
        """
        rows, columns = feature_map.shape[2:]
        if rows % self.num_stripes:
            raise ValueError(
                f'A feature map of {rows} rows does not '
                f'divide into num_stripes={self.num_stripes}; change '
                'num_stripes or the image height (16 pixels a row).'
            )
        # The gradient of adaptive_avg_pool2d is summed in no fixed order on a
        # GPU, which randomness.deterministic forbids.
        stripes = F.avg_pool2d(
            feature_map, (rows // self.num_stripes, columns)
        )
        parts = self.projection(stripes.squeeze(-1).transpose(1, 2))
        if isinstance(self.norm, ModalityBatchNorm):
            return self.norm(parts, modality)
        return self.norm(parts)

    def loss(
        self, feature_map: Tensor, targets: dict[str, Tensor]
    ) -> dict[str, Tensor]:
        """Compute the part losses and what is monitored about them.

        Args:
            feature_map (Tensor): Backbone output of shape (B, C, h, w).
            targets (dict[str, Tensor]): ``modality`` (B, ), ``permutation``
                (B, N) and, for ``bank='pair'``, ``pair`` (B, ).

        Returns:
            dict[str, Tensor]: ``loss_position`` and ``loss_pcc`` where used;
            ``position_top1`` and ``part_consistency``.
        """
        modality, positions = targets['modality'], targets['permutation']
        parts = self(feature_map, modality)
        output = {}
        if self.classifier is not None:
            logits = self.classifier(parts).flatten(0, 1).float()
            labels = positions.flatten()
            output['loss_position'] = self.position_weight * F.cross_entropy(
                logits, labels
            )
            output['position_top1'] = (
                (logits.argmax(-1) == labels).float().mean()
            )
        unit = F.normalize(parts.float(), dim=-1)
        if self.contrast is not None:
            output['loss_pcc'] = self.contrast(
                unit, modality, targets.get('pair')
            )
        with torch.no_grad():
            output['part_consistency'] = part_consistency(
                unit, modality, positions
            )
        return output
