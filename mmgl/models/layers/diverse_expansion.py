"""Diverse embedding expansion of DEEN."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

DILATIONS = (1, 2, 3)


class DilatedBranch(nn.Module):
    """Mean of three dilated convolutions, ReLU, and a pointwise one."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        inside = max(1, channels // 4)
        self.convs = nn.ModuleList(
            nn.Conv2d(channels, inside, 3, padding=d, dilation=d, bias=False)
            for d in DILATIONS
        )
        self.mix = nn.Conv2d(inside, channels, 1)
        layers: list[Any] = [*self.convs, self.mix]
        for layer in layers:
            nn.init.kaiming_normal_(layer.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Compute another map ``(B, C, h, w)`` of the same images."""
        inner = sum(conv(x) for conv in self.convs) / len(DILATIONS)
        mixed: Tensor = self.mix(F.relu(inner))
        return mixed


class DiverseExpansion(nn.Module):
    """Put maps of learnt branches behind those of the images.

    Follows DEEN (Zhang and Wang, "Diverse Embedding Expansion Network and
    Low-Light Cross-Modality Benchmark for Visible-Infrared Person
    Re-identification", CVPR 2023).
    """

    def __init__(
        self, channels: int, expansions: int = 2, dropout: float = 0.01
    ) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            DilatedBranch(channels) for _ in range(expansions)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Make ``((1 + expansions) B, C, h, w)`` of ``(B, C, h, w)``."""
        expanded: Tensor = self.dropout(
            torch.cat([x, *(branch(x) for branch in self.branches)])
        )
        return expanded
