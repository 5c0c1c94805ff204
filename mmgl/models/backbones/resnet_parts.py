"""Parts of the residual backbones, and their initialisation.

The only place that imports residual blocks of mmpretrain.
"""

from mmpretrain.models.backbones.resnet import BasicBlock, Bottleneck, ResLayer
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmgl.structures.resnet_shapes import RESNET_SHAPES

from ..functional.memory_order import in_order_of

# depth: (block, blocks per stage, channels out / channels inside)
ARCHITECTURES = {
    depth: (Bottleneck if expansion > 1 else BasicBlock, blocks, expansion)
    for depth, (blocks, expansion) in RESNET_SHAPES.items()
}


class ResNetStem(nn.Module):
    """First convolution of a ResNet, "Conv1" of Table I of the MMGL paper."""

    def __init__(self, base_channels: int = 64) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(
            3, base_channels, 7, stride=2, padding=3, bias=False
        )
        self.bn1 = nn.BatchNorm2d(base_channels)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Compute ``(B, base_channels, H / 4, W / 4)`` of images."""
        x = self.conv1(in_order_of(self.conv1.weight, x))
        x = self.maxpool(self.relu(self.bn1(x)))
        return x


def build_stages(
    depth: int, base_channels: int, last_stride: int
) -> list[ResLayer]:
    """Build the four residual stages, parameters named as in torchvision."""
    block, num_blocks, expansion = ARCHITECTURES[depth]
    outs = [base_channels * expansion * 2**i for i in range(4)]
    return [
        ResLayer(block, num, before, out, expansion=expansion, stride=stride)
        for num, before, out, stride in zip(
            num_blocks,
            (base_channels, *outs[:-1]),
            outs,
            (1, 2, 2, last_stride),
            strict=True,
        )
    ]


def non_local_places(depth: int) -> list[tuple[str, int]]:
    """Stage and index of the blocks AGW puts a non-local one behind.

    As published for ResNet-50 the last two of layer2 and the last three of
    layer3; all of a stage with fewer.
    """
    _, second, third, _ = ARCHITECTURES[depth][1]
    lasts = ('layer2', second, 2), ('layer3', third, 3)
    return [
        (stage, index)
        for stage, blocks, last in lasts
        for index in range(max(0, blocks - last), blocks)
    ]


def init_residual(module: nn.Module) -> None:
    """Initialise from scratch, as He et al. and torchvision.

    Kaiming normal (fan out) for convolutions and 1 / 0 for norms.
    """
    for child in module.modules():
        if isinstance(child, nn.Conv2d):
            nn.init.kaiming_normal_(
                child.weight, mode='fan_out', nonlinearity='relu'
            )
        elif isinstance(child, _BatchNorm):
            nn.init.ones_(child.weight)
            nn.init.zeros_(child.bias)
