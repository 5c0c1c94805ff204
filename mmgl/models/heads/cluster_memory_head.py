"""A memory of clusters, for training without labels."""

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmgl.registry import MODELS
from mmgl.structures import INFRARED, VISIBLE
from mmgl.utils.checks import require

from ..functional.clusters import moved_centers
from ..functional.discrepancy import masked_mean
from ..functional.gather import all_gather_no_grad
from ..functional.pairwise import at_least_fp32
from ..protocols import Tensors


@MODELS.register_module()
class ClusterMemoryHead(nn.Module):
    """Contrast images with the clusters of both modalities.

    In the line of ADCA (Yang et al., ACM MM 2022) and PGM (Wu and Ye, CVPR
    2023), see ``docs/methods/label_free.md``. An image meets the clusters of
    its own modality, where its own is the positive one, and those of the
    other modality, where the positive one is the partner of its own. Each
    loss is the sum of the means over visible and infrared images. Then the
    centers move to the images of all ranks. ``PseudoLabelHook`` fills the
    memory before each epoch, so a checkpoint has none.

    Args:
        feature: Name of a feature of the neck.
        momentum: Share of a center that a step leaves.
        cross_weight: Weight of the loss against the other modality; times the
            buffer ``ramp``, for ``LossRampHook``.
        loss: Config of a loss ``(features, centers, labels, mask)``;
            ``ClusterContrastiveLoss`` by default.
    """

    ramp: Tensor
    centers: Tensor
    modality: Tensor
    partner: Tensor

    def __init__(
        self,
        in_channels: int,
        feature: str = 'bn',
        momentum: float = 0.1,
        cross_weight: float = 0.25,
        loss: Mapping[str, Any] | None = None,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        require(self, 0 <= momentum < 1, '0 <= momentum < 1', momentum)
        self.feature = feature
        self.momentum = momentum
        self.cross_weight = cross_weight
        self.loss_weight = loss_weight
        self.criterion = MODELS.build(
            loss or dict(type='ClusterContrastiveLoss')
        )
        self.register_buffer('ramp', torch.ones(()))
        none = torch.zeros(0, dtype=torch.long)
        for name, value in (
            ('centers', torch.zeros(0, in_channels)),
            ('modality', none),
            ('partner', none.clone()),
        ):
            self.register_buffer(name, value, persistent=False)

    def fill(self, centers: Tensor, modality: Tensor, partner: Tensor) -> None:
        """Forget all clusters and take these.

        Centers are ``(c, d)`` of length 1; modality and number of the partner
        are ``(c,)`` each. Targets have these numbers as ``pid``.
        """
        have, need = centers.shape[1], self.centers.shape[1]
        if have != need:
            raise ValueError(
                f'ClusterMemoryHead: centers of {have} numbers for the '
                f'feature {self.feature!r}, which has {need}; set '
                f'model.test_feature={self.feature!r}'
            )
        device = self.centers.device
        self.centers, self.modality, self.partner = (
            value.to(device) for value in (centers, modality, partner)
        )

    def loss(self, features: Tensors, targets: Tensors) -> Tensors:
        """Compute ``loss_within`` and ``loss_across``, then move centers."""
        if not len(self.centers):
            raise ValueError(
                'ClusterMemoryHead has no clusters; add PseudoLabelHook to '
                'custom_hooks, and PseudoLabelSampler to train_dataloader'
            )
        rows, pids = features[self.feature], targets['pid']
        modality = targets['modality']
        own = modality[:, None] == self.modality[None, :]
        within = self.criterion(rows, self.centers, pids, own)
        partner = self.partner[pids]
        across = self.criterion(rows, self.centers, partner, ~own)
        weight = self.loss_weight * self.cross_weight * self.ramp
        losses = dict(
            loss_within=self.loss_weight * _by_modality(within, modality),
            loss_across=weight * _by_modality(across, modality),
        )
        unit = F.normalize(at_least_fp32(rows.detach()), dim=1)
        self.centers = moved_centers(
            self.centers,
            all_gather_no_grad(unit),
            all_gather_no_grad(pids),
            self.momentum,
        )
        return losses


def _by_modality(losses: Tensor, modality: Tensor) -> Tensor:
    """Sum of the means over the rows of each modality."""
    visible = masked_mean(losses, modality == VISIBLE)
    return visible + masked_mean(losses, modality == INFRARED)
