"""Consistency of the predictions for two views of an image."""

import torch.nn.functional as F
from torch import Tensor, nn

from mmgl.registry import MODELS
from mmgl.utils.checks import require

from ..functional.pairwise import at_least_fp32


@MODELS.register_module()
class ViewConsistencyLoss(nn.Module):
    r"""Let one view learn from the prediction for another one.

    Follows CAJ+ (Ye et al., TPAMI 2023), where the original visible image
    learns from its channel-augmented view:

    .. math::
        L = -\frac{w}{m} \sum_i \sum_c q_{ic} \log p_{ic}

    with q the softmax of the logits of view ``teacher``, without gradient,
    and p that of view ``student``, over the m images that have both views,
    and ``loss_weight`` w.
    """

    def __init__(
        self, student: int = 0, teacher: int = 1, loss_weight: float = 1.0
    ) -> None:
        super().__init__()
        different = student != teacher
        require(self, different, 'two different views', (student, teacher))
        self.student = student
        self.teacher = teacher
        self.loss_weight = loss_weight

    def forward(self, logits: Tensor, targets: dict[str, Tensor]) -> Tensor:
        """Average over images of logits ``(n, c)`` by ``view``, ``source``."""
        if 'view' not in targets or 'source' not in targets:
            raise ValueError(
                'ViewConsistencyLoss needs images with several views; add '
                'the transform Views to the training pipeline'
            )
        view, source = targets['view'], targets['source']
        same = source[:, None] == source[None, :]
        student, teacher = view == self.student, view == self.teacher
        pairs = student[:, None] & teacher[None, :] & same
        paired = pairs.any(dim=1)
        # Reading a device would stall it; there the mean of nothing is NaN.
        if paired.device.type == 'cpu' and not paired.any():
            raise ValueError(
                f'ViewConsistencyLoss: no image has the views {self.student} '
                f'and {self.teacher}; the pipeline makes {view.max() + 1} '
                'view(s) of an image'
            )
        logits = at_least_fp32(logits)
        taught_by = pairs.int().argmax(dim=1)
        wanted = logits[taught_by].detach().softmax(dim=1)
        entropy = F.cross_entropy(logits, wanted, reduction='none')
        return self.loss_weight * ((entropy * paired).sum() / paired.sum())
