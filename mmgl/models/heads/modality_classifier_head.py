"""Modality classifiers and mutual mean learning of MPANet."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmgl.registry import MODELS
from mmgl.structures.modality import VISIBLE
from mmgl.utils.checks import require

from ..functional.distillation import kl_divergence
from ..functional.gather import all_gather_no_grad
from ..functional.monitors import accuracy
from ..functional.pairwise import at_least_fp32
from ..protocols import Tensors

DIRECTIONS = ('student_first', 'teacher_first')
# Training steps without an update of the copies before it is an error.
PATIENCE = 1000


@MODELS.register_module()
class ModalityClassifierHead(nn.Module):
    r"""One identity classifier a modality, taught by the other's average.

    Follows MPANet (Wu et al., CVPR 2021). Each image is
    classified by the classifier of its own modality (prediction p) and by
    the moving average of the other modality's (prediction q, no gradient,
    neither to the classifier nor to the feature):

    .. math::
        L = \lambda_{id} (L_{id}^v + L_{id}^r) + \lambda_{kl} mean_b KL(p, q)

    The identity losses are means over the images of their modality, of all
    ranks; 0 if there is none. ``ClassifierEmaHook`` moves the averages once
    an optimizer step; the head refuses to train on without it.

    Args:
        id_weight: Factor of each identity loss. 1 is what the published code
            amounts to: it adds a term of weight 0.5 twice.
        kl_weight: Factor of the divergence.
        kl_direction: 'student_first' for KL(p || q) as published,
            'teacher_first' for KL(q || p), usual in distillation.
    """

    visible_average: Tensor
    infrared_average: Tensor

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        feature: str = 'bn',
        id_weight: float = 1.0,
        kl_weight: float = 2.5,
        kl_direction: str = 'student_first',
    ) -> None:
        super().__init__()
        require(self, num_classes >= 1, 'num_classes >= 1', num_classes)
        rule = f'kl_direction one of {DIRECTIONS}'
        require(self, kl_direction in DIRECTIONS, rule, kl_direction)
        self.num_classes = num_classes
        self.feature = feature
        self.id_weight = id_weight
        self.kl_weight = kl_weight
        self.kl_direction = kl_direction
        self.visible = nn.Linear(in_channels, num_classes, bias=False)
        self.infrared = nn.Linear(in_channels, num_classes, bias=False)
        # Buffers: saved and resumed, but unknown to the optimizer.
        for name in ('visible', 'infrared'):
            weight = self.get_parameter(f'{name}.weight').detach().clone()
            self.register_buffer(f'{name}_average', weight)
        self._steps_without_update = 0

    @torch.no_grad()
    def update_average(self, rate: float) -> None:
        """Move the averages towards the classifiers by a share of 0 to 1."""
        require(self, 0 <= rate <= 1, 'rate from 0 to 1', rate)
        self.visible_average.lerp_(self.visible.weight, rate)
        self.infrared_average.lerp_(self.infrared.weight, rate)
        self._steps_without_update = 0

    def loss(self, features: Tensors, targets: Tensors) -> Tensors:
        """Compute ``loss_visible``, ``loss_infrared`` and ``loss_kl``.

        ``accuracy`` (percent) is that of the own modality's classifier.
        """
        self._check_updates()
        feature, pids = features[self.feature], targets['pid']
        visible = targets['modality'] == VISIBLE
        side = visible[:, None]
        # All images through both, then a choice: shapes do not depend on the
        # batch, and a classifier without images still has gradient 0.
        own = at_least_fp32(
            torch.where(side, self.visible(feature), self.infrared(feature))
        )
        with torch.no_grad():
            by_visible = F.linear(feature, self.visible_average)
            by_infrared = F.linear(feature, self.infrared_average)
            other = at_least_fp32(torch.where(side, by_infrared, by_visible))
        rows = F.cross_entropy(own, pids, reduction='none')
        of_visible, of_infrared = _global_means(rows, visible)
        first = self.kl_direction == 'student_first'
        pair = (own, other) if first else (other, own)
        return {
            'loss_visible': self.id_weight * of_visible,
            'loss_infrared': self.id_weight * of_infrared,
            'loss_kl': self.kl_weight * kl_divergence(*pair),
            'accuracy': 100 * accuracy(own, pids),
        }

    def _check_updates(self) -> None:
        """Complain about a training without the hook."""
        self._steps_without_update += self.training
        if self._steps_without_update > PATIENCE:
            raise RuntimeError(
                f'ModalityClassifierHead: {PATIENCE} training steps without '
                'an update of the averaged classifiers; add '
                "dict(type='ClassifierEmaHook') to custom_hooks"
            )


def _global_means(rows: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Means of the masked and of the other rows, as seen by one rank.

    Averaged over the ranks they are those of the whole batch; 0, with
    gradient 0, if there is none.
    """
    everyone = all_gather_no_grad(mask)
    ranks = len(everyone) // len(mask)
    masked, others = (
        ranks * (rows * own).sum() / whole.sum().clamp(min=1)
        for own, whole in ((mask, everyone), (~mask, ~everyone))
    )
    return masked, others
