"""Classification of images from the other images of their identity."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmgl.registry import MODELS
from mmgl.utils.checks import require

from ..functional.gather import all_gather_no_grad
from ..functional.monitors import accuracy
from ..functional.pairwise import at_least_fp32
from ..layers import GraphAttentionLayer
from ..protocols import Tensors


@MODELS.register_module()
class GraphAttentionHead(nn.Module):
    """Cross-modality graph structured attention (CGSA) of DDAG.

    The images of all ranks are the nodes of a graph in which those of the
    same identity are connected, in both modalities and with themselves. Two
    layers of graph attention gather context along the edges, the second of
    them classifies the nodes. Identities decide who attends to whom, so the
    head exists in training only.

    ``ramp``, a dynamic factor of the loss, is saved in checkpoints;
    :class:`~mmgl.engine.hooks.DynamicLossWeightHook` sets it.

    Args:
        num_heads: Heads of the first layer.
        hidden_channels: Embedding size of a head; None shares
            ``in_channels`` out among the heads, 512 each in DDAG.
        dropout: Probability of dropping an input, a coefficient or a hidden
            value.
    """

    ramp: Tensor

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        feature: str = 'pool',
        num_heads: int = 4,
        hidden_channels: int | None = None,
        dropout: float = 0.2,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        require(self, num_classes >= 1, 'num_classes >= 1', num_classes)
        require(self, num_heads >= 1, 'num_heads >= 1', num_heads)
        require(self, 0 <= dropout < 1, 'dropout in [0, 1)', dropout)
        if hidden_channels is None:
            hidden_channels = in_channels // num_heads
        rule = f'hidden_channels >= 1 (or {in_channels} >= num_heads)'
        require(self, hidden_channels >= 1, rule, hidden_channels)
        self.num_classes = num_classes
        self.feature = feature
        self.dropout = dropout
        self.loss_weight = loss_weight
        self.register_buffer('ramp', torch.ones(()))
        self.hidden = GraphAttentionLayer(
            in_channels, hidden_channels, num_heads, dropout
        )
        self.output = GraphAttentionLayer(
            hidden_channels * num_heads, num_classes, 1, dropout
        )

    def forward(self, x: Tensor, pids: Tensor) -> Tensor:
        """Classify the local nodes ``(n, in_channels)`` of identities (n,)."""
        mask = pids[:, None] == all_gather_no_grad(pids)[None, :]
        with torch.autocast(device_type=x.device.type, enabled=False):
            x = F.dropout(at_least_fp32(x), self.dropout, self.training)
            x = self.hidden(x, mask)
            x = F.dropout(x, self.dropout, self.training)
            logits: Tensor = self.output(x, mask)
        return logits

    def loss(self, features: Tensors, targets: Tensors) -> Tensors:
        """Compute ``loss``, ``weight`` times ``nll``, and ``accuracy`` (%)."""
        pids = targets['pid']
        logits = self(features[self.feature], pids)
        nll = F.cross_entropy(logits, pids)
        weight = self.loss_weight * self.ramp
        return dict(
            loss=weight * nll,
            nll=nll.detach(),
            weight=weight,
            accuracy=100 * accuracy(logits, pids),
        )
