"""Contrastive loss between the modalities."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmgl.registry import MODELS
from mmgl.structures.modality import INFRARED, VISIBLE
from mmgl.utils.checks import require

from ..functional.discrepancy import kernel_discrepancy, masked_mean, shares
from ..functional.gather import all_gather_labelled
from ..functional.pairwise import at_least_fp32, check_rows, leave_out

MODES = ('discrepancy', 'infonce')


@MODELS.register_module()
class CrossModalityContrastiveLoss(nn.Module):
    r"""Draw the modalities of an identity together, keep others apart.

    For the goals of the contrastive optimisation of NFS (Chen et al., CVPR
    2021); the formulas are ours, see ``docs/methods/nfs.md``. With the
    L2-normalised features :math:`V_i` and :math:`R_i` of identity ``i``,

    .. math::
        L = mean_i D(i, i) + mean_{i \ne j} [m - D(i, j)]_+

    where ``D`` is
    :func:`~mmgl.models.functional.discrepancy.kernel_discrepancy`, 2 at most,
    with squared ``bandwidths``, and m the ``margin``. With
    ``mode='infonce'`` every image is an anchor among all images of the other
    modality; the loss is the mean of :math:`-\log softmax(\hat a \hat b / T)`
    over its positives, averaged over the anchors, with ``temperature`` T.

    The loss is one number over the batch of all ranks. Identities without an
    image in one modality take part in ``D(i, j)`` with the other one, in
    'infonce' as negatives. The modality is not optional.
    """

    def __init__(
        self,
        mode: str = 'discrepancy',
        bandwidths: Sequence[float] = (0.125, 0.25, 0.5, 1.0, 2.0),
        margin: float = 1.0,
        temperature: float = 0.1,
    ) -> None:
        super().__init__()
        require(self, mode in MODES, f'mode in {MODES}', mode)
        good = bool(bandwidths) and min((*bandwidths, temperature)) > 0
        rule = 'bandwidths and a temperature above 0'
        require(self, good, rule, (bandwidths, temperature))
        require(self, margin >= 0, 'margin >= 0', margin)
        self.mode = mode
        self.bandwidths = tuple(bandwidths)
        self.margin = margin
        self.temperature = temperature

    def forward(
        self, features: Tensor, pids: Tensor, modality: Tensor | None = None
    ) -> Tensor:
        """Return the loss, the same on every rank; 0 if nothing compares."""
        if modality is None:
            raise ValueError(
                'CrossModalityContrastiveLoss needs the modality of every row'
            )
        check_rows(features, pids, modality)
        with torch.autocast(features.device.type, enabled=False):
            unit = F.normalize(at_least_fp32(features), dim=1)
            unit, pids, modality = all_gather_labelled(unit, pids, modality)
            same = pids[:, None] == pids[None, :]
            if self.mode == 'infonce':
                return self._infonce(unit, same, modality)
            return self._discrepancy(unit, same, modality)

    def _discrepancy(
        self, unit: Tensor, same: Tensor, modality: Tensor
    ) -> Tensor:
        # The first image stands for its identity: the host does not know how
        # many identities there are.
        sides = same & (modality == VISIBLE), same & (modality == INFRARED)
        first = ~same.tril(-1).any(dim=1)
        discrepancy = kernel_discrepancy(unit, *sides, self.bandwidths)
        rows, columns = (first & side.any(dim=1) for side in sides)
        valid = rows[:, None] & columns[None, :]
        within = masked_mean(discrepancy, valid & same)
        apart = F.relu(self.margin - discrepancy)
        return within + masked_mean(apart, valid & ~same)

    def _infonce(self, unit: Tensor, same: Tensor, modality: Tensor) -> Tensor:
        other = modality[:, None] != modality[None, :]
        logits = leave_out(unit @ unit.t() / self.temperature, ~other)
        positive = same & other
        log_prob = logits.log_softmax(dim=1).masked_fill(~positive, 0)
        loss = -(shares(positive, log_prob) * log_prob).sum(dim=1)
        return masked_mean(loss, positive.any(dim=1))
