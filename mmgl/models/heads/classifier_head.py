"""Identity classifier."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from mmgl.registry import MODELS
from mmgl.utils.checks import require

from ..functional.monitors import accuracy
from ..protocols import Tensors
from .feature_weights import feature_weights, loss_key


@MODELS.register_module()
class ClassifierHead(nn.Module):
    """Linear classifier over training identities, without bias.

    Follows BNNeck and AGW.

    Args:
        feature: Name of a feature of the neck, or names and weights of
            several of the same length, which train the one classifier.
        loss: Config of a loss on logits; plain cross-entropy by default.
        consistency: Config of a loss ``(logits, targets)`` between the views
            of an image, such as ``ViewConsistencyLoss``; None, or a
            ``loss_weight`` of 0 in it, for none.
        init_std: Standard deviation of the initial weights, around 0; None
            for the default initialisation of PyTorch.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        feature: str | Mapping[str, float] = 'bn',
        loss: Mapping[str, Any] | None = None,
        loss_weight: float = 1.0,
        consistency: Mapping[str, Any] | None = None,
        init_std: float | None = 0.001,
    ) -> None:
        super().__init__()
        require(self, num_classes >= 1, 'num_classes >= 1', num_classes)
        self.num_classes = num_classes
        self.features = feature_weights('ClassifierHead', feature)
        self.loss_weight = loss_weight
        self.fc = nn.Linear(in_channels, num_classes, bias=False)
        if init_std is not None:
            nn.init.normal_(self.fc.weight, std=init_std)
        self.criterion = MODELS.build(
            loss or dict(type='IdentityCrossEntropyLoss')
        )
        self.consistency = None
        if consistency and consistency.get('loss_weight') != 0:
            self.consistency = MODELS.build(consistency)

    def forward(self, features: Tensors) -> Tensor:
        """Logits ``(B, num_classes)`` of the first feature ``(B, C)``."""
        logits: Tensor = self.fc(features[next(iter(self.features))])
        return logits

    def loss(self, features: Tensors, targets: Tensors) -> Tensors:
        """Compute ``loss``, of several features ``loss_FEATURE`` of each.

        ``accuracy`` (percent) and ``loss_consistency``, if there is one, are
        of the first.
        """
        pids, losses = targets['pid'], {}
        for name, weight in self.features.items():
            logits = self.fc(features[name])
            loss = self.criterion(logits, pids, targets.get('modality'))
            key = loss_key(name, self.features)
            losses[key] = self.loss_weight * weight * loss
            if 'accuracy' not in losses:
                losses['accuracy'] = 100 * accuracy(logits, pids)
                if self.consistency:
                    consistency = self.consistency(logits, targets)
                    losses['loss_consistency'] = consistency
        return losses
