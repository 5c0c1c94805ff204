"""Parts of the residual backbones, and their initialisation.

The only place that imports residual blocks of mmpretrain.
"""

from mmpretrain.models.backbones.resnet import BasicBlock, Bottleneck, ResLayer
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmgl.structures.resnet_shapes import RESNET_SHAPES

# depth: (block, blocks per stage, channels out / channels inside)
ARCHITECTURES = {
    depth: (Bottleneck if expansion > 1 else BasicBlock, blocks, expansion)
    for depth, (blocks, expansion) in RESNET_SHAPES.items()
}


class ResNetStem(nn.Module):
    """First convolution of a ResNet: conv1, bn1, ReLU and max pooling.

    Only conv1 and bn1 have parameters ("Conv1" of Table I of the MMGL
    paper); the output is a quarter of the image size.
    """

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
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        return x


def build_stages(
    depth: int, base_channels: int, last_stride: int
) -> list[ResLayer]:
    """Build the four residual stages, parameters named as in torchvision."""
    block, num_blocks, expansion = ARCHITECTURES[depth]
    stages = []
    in_channels = base_channels
    for i, (num, stride) in enumerate(
        zip(num_blocks, (1, 2, 2, last_stride), strict=True)
    ):
        out_channels = base_channels * 2**i * expansion
        stages.append(
            ResLayer(
                block,
                num,
                in_channels,
                out_channels,
                expansion=expansion,
                stride=stride,
            )
        )
        in_channels = out_channels
    return stages


def non_local_places(depth: int) -> list[tuple[str, int]]:
    """Stage and index of the residual blocks AGW puts a non-local one behind.

    They are the last two of layer2 and the last three of layer3, as
    published for ResNet-50; a stage with fewer (ResNet-18) gets one after
    each of them.
    """
    _, second, third, _ = ARCHITECTURES[depth][1]
    return [
        (stage, index)
        for stage, blocks, last in (
            ('layer2', second, 2),
            ('layer3', third, 3),
        )
        for index in range(max(0, blocks - last), blocks)
    ]


def init_residual(module: nn.Module, zero_init_residual: bool) -> None:
    """Initialise convolutions and norms for training from scratch.

    Kaiming normal (fan out) for convolutions and 1 / 0 for norms, as He et
    al. and torchvision; every call draws anew from the global generator.
    ``zero_init_residual`` sets the last norm of each block to weight 0, so
    that each block starts as its shortcut.
    """
    for child in module.modules():
        if isinstance(child, nn.Conv2d):
            nn.init.kaiming_normal_(
                child.weight, mode='fan_out', nonlinearity='relu'
            )
        elif isinstance(child, _BatchNorm):
            nn.init.ones_(child.weight)
            nn.init.zeros_(child.bias)
    if zero_init_residual:
        for child in module.modules():
            if isinstance(child, Bottleneck):
                nn.init.zeros_(child.norm3.weight)
            elif isinstance(child, BasicBlock):
                nn.init.zeros_(child.norm2.weight)
