"""A metric loss on features, without parameters."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from mmgl.registry import MODELS

from ..functional.monitors import feature_spread
from ..protocols import Tensors
from .feature_weights import feature_weights, loss_key


@MODELS.register_module()
class MetricHead(nn.Module):
    """Apply a metric loss to features of the neck.

    Args:
        feature: Name of a feature of the neck, or names and weights of
            several, each of which gets the loss on its own.
        loss: Config of a metric loss; AGW's weighted regularised triplet by
            default.
    """

    def __init__(
        self,
        feature: str | Mapping[str, float] = 'pool',
        loss: Mapping[str, Any] | None = None,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        self.features = feature_weights('MetricHead', feature)
        self.loss_weight = loss_weight
        self.criterion = MODELS.build(
            loss or dict(type='WeightedRegularizedTripletLoss')
        )

    def loss(self, features: Tensors, targets: Tensors) -> Tensors:
        """Compute ``loss``, of several features ``loss_FEATURE`` of each.

        ``spread`` is that of the first, if it holds vectors.
        """
        labels = targets['pid'], targets.get('modality')
        losses = {}
        for name, weight in self.features.items():
            loss = self.criterion(features[name], *labels)
            key = loss_key(name, self.features)
            losses[key] = self.loss_weight * weight * loss
        first = features[next(iter(self.features))]
        if first.ndim == 2:
            losses['spread'] = feature_spread(first)
        return losses
