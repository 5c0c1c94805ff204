"""The feature map itself, and its average."""

from torch import Tensor, nn

from mmgl.registry import MODELS

from ..protocols import Tensors


@MODELS.register_module()
class MapNeck(nn.Module):
    """Hand on the feature map and its average: the neck of the pretexts."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.out_channels = {'map': in_channels, 'pool': in_channels}

    def forward(self, x: Tensor) -> Tensors:
        """``map`` ``(B, C, h, w)`` and ``pool`` ``(B, C)``."""
        return {'map': x, 'pool': x.mean(dim=(2, 3))}
