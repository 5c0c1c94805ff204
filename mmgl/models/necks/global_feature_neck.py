"""Global pooling and BNNeck."""

from torch import Tensor, nn

from mmgl.models.layers.bnneck import build_bnneck
from mmgl.registry import MODELS


@MODELS.register_module()
class GlobalFeatureNeck(nn.Module):
    """Pool the feature map and normalise it (BNNeck).

    Follows Luo et al., "Bag of Tricks and a Strong Baseline for Deep Person
    Re-identification", and AGW: metric losses work on the pooled feature,
    classification and retrieval on the normalised one. The BN weight starts
    at N(1, 0.01); the bias is 0 and frozen.

    Args:
        in_channels: Channels C of the feature map.
        pool: Config of the pooling layer: ``dict(type='GeMPooling', p=3)``
            or ``dict(type='AvgPooling')``.

    Attributes:
        out_channels (dict[str, int]): Length of each feature it returns.
    """

    def __init__(self, in_channels: int, pool: dict | None = None) -> None:
        super().__init__()
        self.pool = MODELS.build(pool or dict(type='GeMPooling', p=3))
        self.bn = build_bnneck(in_channels)
        self.out_channels = {'pool': in_channels, 'bn': in_channels}

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Compute the features.

        Args:
            x: Feature map ``(B, C, h, w)``.

        Returns:
            ``pool``, the pooled feature ``(B, C)``, and ``bn``, the same
            after batch norm, both in fp32.
        """
        pooled = self.pool(x)
        return {'pool': pooled, 'bn': self.bn(pooled)}
