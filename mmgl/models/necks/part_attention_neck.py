"""Pooling, BNNeck and a feature of attentive parts."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from mmgl.registry import MODELS
from mmgl.utils.checks import require

from ..functional.graph_attention import part_attention
from ..functional.pairwise import at_least_fp32
from ..layers import build_bnneck
from ..protocols import Tensors
from .global_feature_neck import GlobalFeatureNeck

_INVERSE_ROOT = '1/sqrt(d)'


@MODELS.register_module()
class PartAttentionNeck(GlobalFeatureNeck):
    r"""Intra-modality weighted-part attention (IWPA) of DDAG.

    The averages of ``num_parts`` stripes attend to one another through three
    projections; a learned gate weighs the results, which are added to the
    global feature: :math:`h = BN(\sum_i a_i r_i + g)`,
    :math:`a = softmax(\theta)`. As in the public code g is the feature
    *behind* the BNNeck (see ``docs/methods/ddag.md``).

    Features: ``pool`` and ``bn`` of :class:`GlobalFeatureNeck` and ``part``,
    the attentive feature h, all ``(B, C)`` in fp32.

    ``scale`` is the factor of the dot products in the attention: a number,
    or '1/sqrt(d)' of Vaswani et al. DDAG has none (1).
    """

    def __init__(
        self,
        in_channels: int,
        num_parts: int = 3,
        scale: float | str = 1.0,
        pool: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(in_channels, pool or dict(type='AvgPooling'))
        require(self, num_parts >= 1, 'num_parts >= 1', num_parts)
        if scale == _INVERSE_ROOT:
            scale = 1 / math.sqrt(in_channels)
        if isinstance(scale, str) or scale <= 0:
            raise ValueError(
                f'PartAttentionNeck.scale must be above 0 or {_INVERSE_ROOT!r}'
                f', got {scale!r}'
            )
        self.num_parts = num_parts
        self.scale = scale
        # 1x1 convolutions of the stripes, with PyTorch's initialisation.
        self.query = nn.Linear(in_channels, in_channels)
        # A bias would add the same to all scores of a row of the softmax.
        self.key = nn.Linear(in_channels, in_channels, bias=False)
        self.value = nn.Linear(in_channels, in_channels)
        # Equal weights in the beginning.
        self.gate = nn.Parameter(torch.full((num_parts,), 1 / num_parts))
        self.part_bn = build_bnneck(in_channels)
        self.out_channels['part'] = in_channels

    def stripes(self, x: Tensor) -> Tensor:
        """Average a map ``(B, C, h, w)`` over stripes: ``(B, P, C)``, fp32.

        Stripes of an ``h`` that P does not divide overlap, as in adaptive
        pooling.
        """
        rows, parts = x.shape[2], self.num_parts
        if rows < parts:
            raise ValueError(
                f'PartAttentionNeck: a feature map of {rows} rows has no '
                f'{parts} stripes; lower num_parts or use higher images (16 '
                'pixels a row with last_stride=1).'
            )
        x = at_least_fp32(x)
        # Slices, since the gradient of adaptive_avg_pool2d is summed in no
        # fixed order on a GPU.
        stripes = (
            x[:, :, i * rows // parts : -(-(i + 1) * rows // parts)]
            for i in range(parts)
        )
        return torch.stack([part.mean(dim=(2, 3)) for part in stripes], dim=1)

    def forward(self, x: Tensor) -> Tensors:
        """Compute the features of a map ``(B, C, h, w)``."""
        features = super().forward(x)
        # Without a scale the dot products of 2048 channels are large; half
        # precision would choose other parts.
        with torch.autocast(device_type=x.device.type, enabled=False):
            stripes = self.stripes(x)
            query, key = self.query(stripes), self.key(stripes)
            value = self.value(stripes)
            attended = part_attention(query, key, value, self.scale)
            gate = self.gate.softmax(0)
            weighted = torch.einsum('p,bpc->bc', gate, attended)
            features['part'] = self.part_bn(weighted + features['bn'])
        return features

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *args: Any
    ) -> None:
        """Refuse another number of parts; non-strict loading would not."""
        gate = state_dict.get(f'{prefix}gate')
        if gate is not None and gate.shape != self.gate.shape:
            raise ValueError(
                f'the checkpoint has {len(gate)} parts ({prefix}gate), the '
                f'model {self.num_parts}; set model.neck.num_parts='
                f'{len(gate)}'
            )
        super()._load_from_state_dict(state_dict, prefix, *args)
