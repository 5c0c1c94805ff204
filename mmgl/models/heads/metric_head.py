"""A metric loss on a feature, without parameters."""

from torch import Tensor, nn

from mmgl.registry import MODELS


@MODELS.register_module()
class MetricHead(nn.Module):
    """Apply a metric loss to one feature of the neck.

    Args:
        feature: Name of the feature of the neck it works on.
        loss: Config of a metric loss; AGW's weighted regularised triplet by
            default.
        loss_weight: Factor of the loss.
    """

    def __init__(self,
                 feature: str = 'pool',
                 loss: dict | None = None,
                 loss_weight: float = 1.0) -> None:
        super().__init__()
        self.feature = feature
        self.loss_weight = loss_weight
        self.criterion = MODELS.build(
            loss or dict(type='WeightedRegularizedTripletLoss'))

    def loss(self, features: dict[str, Tensor],
             targets: dict[str, Tensor]) -> dict[str, Tensor]:
        """Compute the loss.

        Args:
            features: Features of the neck, each ``(B, C)``.
            targets: ``pid`` ``(B,)`` and ``modality`` ``(B,)``.

        Returns:
            ``loss``, a scalar.
        """
        loss = self.criterion(features[self.feature], targets['pid'],
                              targets.get('modality'))
        return {'loss': self.loss_weight * loss}
