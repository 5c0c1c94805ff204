"""Pooling and BNNeck of the expanded embeddings of DEEN."""

import torch
import torch.nn.functional as F
from torch import nn

from mmgl.registry import MODELS

from ..layers import AvgPooling, build_bnneck
from ..protocols import Tensors


@MODELS.register_module()
class DiverseEmbeddingNeck(nn.Module):
    """Features of the k maps that a backbone makes of an image.

    Follows DEEN (Zhang and Wang, CVPR 2023): average pooling, and one BNNeck
    whose statistics are those of all maps. Features: ``branches``
    ``(B, k, C)``, pooled; ``bn_0`` to ``bn_{k-1}`` ``(B, C)``; and for
    retrieval ``concat`` ``(B, 2 k C)``, all of these with length 1, one behind
    the other: their products sum up, as published.
    """

    def __init__(self, in_channels: int, branches: int = 3) -> None:
        super().__init__()
        self.pool = AvgPooling()
        self.bn = build_bnneck(in_channels)
        self.out_channels = {
            'branches': in_channels,
            **{f'bn_{i}': in_channels for i in range(branches)},
            'concat': 2 * branches * in_channels,
        }

    def forward(self, maps: Tensors) -> Tensors:
        """Compute the features of a map ``(B, C, h, w)`` of each branch."""
        needed = sum(name.startswith('bn_') for name in self.out_channels)
        if not isinstance(maps, dict) or len(maps) != needed:
            raise ValueError(
                f'DiverseEmbeddingNeck.branches={needed}, but the backbone '
                'makes another number of maps; set expansions of '
                f'MultistageAggregation to {needed - 1}'
            )
        pooled = [self.pool(one) for one in maps.values()]
        rows = self.bn(torch.cat(pooled))
        normed = rows.reshape(needed, -1, rows.shape[1]).unbind()
        unit = [F.normalize(one.float(), dim=1) for one in (*pooled, *normed)]
        return {
            'branches': torch.stack(pooled, dim=1),
            **{f'bn_{i}': one for i, one in enumerate(normed)},
            'concat': torch.cat(unit, dim=1),
        }
