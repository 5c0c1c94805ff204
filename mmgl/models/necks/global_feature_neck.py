"""Global pooling and BNNeck."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from mmgl.registry import MODELS

from ..layers import build_bnneck
from ..protocols import Tensors


@MODELS.register_module()
class GlobalFeatureNeck(nn.Module):
    """Pool the feature map and normalise it (BNNeck).

    Follows Luo et al., "Bag of Tricks and a Strong Baseline for Deep Person
    Re-identification", and AGW. Features: ``pool``, for metric losses, and
    ``bn``, for classification and retrieval, both ``(B, C)`` in fp32.

    ``pool`` is ``dict(type='GeMPooling', p=3)``, the default, or
    ``dict(type='AvgPooling')``.
    """

    def __init__(
        self, in_channels: int, pool: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__()
        self.pool = MODELS.build(pool or dict(type='GeMPooling', p=3))
        self.bn = build_bnneck(in_channels)
        self.out_channels = {'pool': in_channels, 'bn': in_channels}

    def forward(self, x: Tensor) -> Tensors:
        """Pool and normalise a feature map ``(B, C, h, w)``."""
        pooled = self.pool(x)
        return {'pool': pooled, 'bn': self.bn(pooled)}
