"""BNNecks and information bottlenecks of three networks."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import nn

from mmgl.registry import MODELS

from ..functional.distillation import BRANCHES, NETWORKS
from ..layers import build_bnneck
from ..protocols import Tensors


def build_bottleneck(widths: Sequence[int]) -> nn.Sequential:
    """Fully-connected layers with batch norm and ReLU between them.

    Initialised as published: weights Kaiming-normal by fan-out, biases 0,
    batch norm weights N(1, 0.02). The last layer is linear.
    """
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        linear = nn.Linear(before, after)
        nn.init.kaiming_normal_(linear.weight, mode='fan_out')
        nn.init.zeros_(linear.bias)
        norm = nn.BatchNorm1d(after)
        nn.init.normal_(norm.weight, mean=1.0, std=0.02)
        layers += [linear, norm, nn.ReLU(inplace=True)]
    return nn.Sequential(*layers[:-2])


@MODELS.register_module()
class MutualBottleneckNeck(nn.Module):
    """Observations and representations of the branches of MutualInfo.

    Each network has a BNNeck, whose output is the observation v, and a
    bottleneck from there to the shorter representation z. Although called
    variational, the published bottleneck is a perceptron: nothing is sampled.

    Features: ``obs_BRANCH`` ``(B, C)`` and ``rep_BRANCH`` ``(B, Z)`` of each
    branch, and ``concat`` ``(B, 4 C)``, the observations of infrared,
    shared_gray, visible and shared one behind the other.

    Args:
        hidden_channels: Widths of the inner layers of a bottleneck.
        representation_channels: Length Z of a representation.
        pool: Config of the pooling layer; average pooling by default.
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: Sequence[int] = (1000, 500),
        representation_channels: int = 512,
        pool: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        widths = (in_channels, *hidden_channels, representation_channels)
        self.pool = MODELS.build(pool or dict(type='AvgPooling'))
        self.bn = nn.ModuleDict()
        self.bottleneck = nn.ModuleDict()
        for name in NETWORKS:
            self.bn[name] = build_bnneck(in_channels, weight_std=0)
            self.bottleneck[name] = build_bottleneck(widths)
        self.out_channels = {
            **{f'obs_{branch}': in_channels for branch in BRANCHES},
            **{f'rep_{branch}': widths[-1] for branch in BRANCHES},
            'concat': len(BRANCHES) * in_channels,
        }

    def forward(self, maps: Tensors) -> Tensors:
        """Compute the features of a map ``(B, C, h, w)`` of each branch."""
        observed, represented = {}, {}
        for branch, network in BRANCHES.items():
            v = self.bn[network](self.pool(maps[branch]))
            observed[f'obs_{branch}'] = v
            represented[f'rep_{branch}'] = self.bottleneck[network](v)
        concat = torch.cat(tuple(observed.values()), dim=1)
        return {**observed, **represented, 'concat': concat}
