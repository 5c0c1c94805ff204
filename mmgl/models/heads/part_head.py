"""Part projection head with position and cycle-contrastive losses."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from mmgl.registry import HEADS, LOSSES
from mmgl.structures import routing_modality
from mmgl.utils.checks import require

from ..functional.memory_order import stripe_means
from ..functional.monitors import accuracy, part_consistency
from ..layers.modality_norm import ModalityBatchNorm
from ..protocols import Tensors

_NORMS = ('bn', 'modality_bn', 'ln', 'none')


@HEADS.register_module()
class PartHead(nn.Module):
    """PCB-style projection of stripes to part vectors, Sec. III-C of MMGL.

    Stripes of the feature map are average-pooled, projected and normalised.
    Projection and position classifier are shared by all stripes and
    modalities: only then do equal body parts meet in one space.

    Args:
        out_channels: Embedding size D (256 in Sec. III-C).
        norm: Normalisation behind the projection: 'bn' as in PCB,
            'modality_bn' (statistics a modality, which hides their gap from
            the losses, see ``docs/pretraining.md``), 'ln' or 'none'.
        position: Use the position cross-entropy L_cls of Eq. 7.
        contrast: Config of the PCC loss; None leaves it out.
    """

    def __init__(
        self,
        in_channels: int,
        num_stripes: int,
        out_channels: int = 256,
        norm: str = 'bn',
        position: bool = True,
        contrast: Mapping[str, Any] | None = None,
        feature: str = 'map',
    ) -> None:
        super().__init__()
        require(self, norm in _NORMS, f'norm one of {_NORMS}', norm)
        if not position and contrast is None:
            raise ValueError(
                'PartHead has no loss: set position=True or '
                'contrast=dict(...), or leave the head out (None).'
            )
        self.num_stripes = num_stripes
        self.feature = feature
        self.projection = nn.Linear(in_channels, out_channels, bias=False)
        nn.init.kaiming_normal_(self.projection.weight, nonlinearity='linear')
        self.norm: nn.Module = nn.Identity()
        if norm == 'ln':
            self.norm = nn.LayerNorm(out_channels)
        elif norm != 'none':
            self.norm = ModalityBatchNorm(out_channels, norm == 'modality_bn')
        self.classifier = None
        if position:
            self.classifier = nn.Linear(out_channels, num_stripes)
            nn.init.normal_(self.classifier.weight, std=0.01)
            nn.init.zeros_(self.classifier.bias)
        self.contrast = None if contrast is None else LOSSES.build(contrast)

    def forward(self, feature_map: Tensor, modality: Tensor) -> Tensor:
        """Part vectors ``(B, N, D)``, before L2 norm, of ``(B, C, h, w)``."""
        rows = feature_map.shape[2]
        if rows % self.num_stripes:
            raise ValueError(
                f'A feature map of {rows} rows does not '
                f'divide into num_stripes={self.num_stripes}; change '
                'num_stripes or the image height (16 pixels a row).'
            )
        parts = self.projection(stripe_means(feature_map, self.num_stripes))
        by_modality = isinstance(self.norm, ModalityBatchNorm)
        labels = (modality,) if by_modality else ()
        normed: Tensor = self.norm(parts, *labels)
        return normed

    def loss(self, features: Tensors, targets: Tensors) -> Tensors:
        """Compute ``loss_position`` and ``loss_pcc``, where used.

        ``targets``: ``permutation`` ``(B, N)`` and, for ``bank='pair'``,
        ``pair`` ``(B,)``. ``top1`` is the share of stripes whose position
        is named.
        """
        modality = routing_modality(targets)
        positions = targets['permutation']
        parts = self(features[self.feature], modality)
        output = {}
        if self.classifier is not None:
            logits = self.classifier(parts).flatten(0, 1).float()
            labels = positions.flatten()
            output['loss_position'] = F.cross_entropy(logits, labels)
            output['top1'] = accuracy(logits, labels)
        unit = F.normalize(parts.float(), dim=-1)
        if self.contrast is not None:
            pairs = targets.get('pair')
            output['loss_pcc'] = self.contrast(unit, modality, pairs)
        output['consistency'] = part_consistency(unit, modality, positions)
        return output
