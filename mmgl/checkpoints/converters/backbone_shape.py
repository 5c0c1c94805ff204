"""Depth and width of a ResNet, read off its tensors."""

from collections.abc import Mapping

from torch import Tensor

from mmgl.structures.resnet_shapes import RESNET_SHAPES

from .methods import STAGES


def resnet_settings(state: Mapping[str, Tensor]) -> dict[str, int]:
    """Find ``depth`` and ``base_channels`` for torchvision's tensor names.

    ValueError if it is none of the ResNets known here.
    """
    numbers = {tuple(name.split('.')[:2]) for name in state}
    blocks = tuple(sum(s == stage for s, *_ in numbers) for stage in STAGES)
    expansion = 4 if 'layer1.0.conv3.weight' in state else 1
    for depth, (known, known_expansion) in RESNET_SHAPES.items():
        if (blocks, expansion) == (known, known_expansion):
            if 'conv1.weight' not in state:
                raise ValueError('no tensor conv1.weight')
            return dict(depth=depth, base_channels=len(state['conv1.weight']))
    raise ValueError(
        f'{blocks} blocks in layer1 to layer4 and an expansion of '
        f'{expansion} are no ResNet of depth {tuple(RESNET_SHAPES)}'
    )
