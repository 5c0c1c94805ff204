"""Contrastive loss between the modalities."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmgl.models.functional.gather import all_gather_labelled
from mmgl.models.functional.pairwise import at_least_fp32, pairwise_sq_dist
from mmgl.registry import MODELS
from mmgl.structures.modality import INFRARED, VISIBLE

MODES = ('discrepancy', 'infonce')


def kernel_discrepancy(
    unit: Tensor, rows: Tensor, columns: Tensor, bandwidths: Sequence[float]
) -> Tensor:
    r"""Squared maximum mean discrepancy between sets of features.

    :math:`D(i, j) = \bar k(V_i, V_i) + \bar k(R_j, R_j) - 2 \bar k(V_i,
    R_j)`, where :math:`\bar k` is the mean over all pairs of the two sets
    and :math:`k(a, b)` the mean over ``s2`` of :math:`\exp(-|a - b|^2 /
    (2 s2))`.

    Args:
        unit: Features ``(n, d)`` of length 1.
        rows: Boolean ``(p, n)``, the members of each set V.
        columns: Boolean ``(q, n)``, the members of each set R.
        bandwidths: Squared bandwidths ``s2``.

    Returns:
        Discrepancies ``(p, q)`` from 0 to 2; of no meaning for empty sets.
    """
    dist = pairwise_sq_dist(unit, unit)
    kernel = torch.stack([(-dist / (2 * s2)).exp() for s2 in bandwidths])
    kernel = kernel.mean(dim=0)
    first, second = _shares(rows, kernel), _shares(columns, kernel)
    across = first @ kernel
    own = (across * first).sum(dim=1)
    other = (second @ kernel * second).sum(dim=1)
    return own[:, None] + other[None, :] - 2 * across @ second.t()


@MODELS.register_module()
class CrossModalityContrastiveLoss(nn.Module):
    r"""Draw the modalities of an identity together, keep others apart.

    For the goals of the contrastive optimisation of NFS (Chen et al., CVPR
    2021): little discrepancy between the modalities, much distance between
    the classes. The formulas are ours, see ``docs/methods/nfs.md``. With the
    L2-normalised features :math:`V_i` and :math:`R_i` of identity ``i``,

    .. math::
        L = mean_i D(i, i) + mean_{i \ne j} [m - D(i, j)]_+

    where ``D`` is :func:`kernel_discrepancy`. With ``mode='infonce'`` every
    image is an anchor among all images of the other modality; the loss is
    the mean of :math:`-\log softmax(\hat a \hat b / T)` over its positives,
    averaged over the anchors.

    The loss is one number over the batch of all ranks, and does not depend
    on the order of the batch. Identities without an image in one modality
    take part where they can: in ``D(i, j)`` with the modality they have, in
    'infonce' as negatives.

    Args:
        mode: 'discrepancy' or 'infonce'.
        bandwidths: Squared bandwidths of the kernel ('discrepancy').
        margin: Discrepancy ``m`` that two identities should have; 'D' is 2
            at most ('discrepancy').
        temperature: Temperature ``T`` ('infonce').

    Raises:
        ValueError: For an unknown mode or a setting out of range.
    """

    def __init__(
        self,
        mode: str = 'discrepancy',
        bandwidths: Sequence[float] = (0.125, 0.25, 0.5, 1.0, 2.0),
        margin: float = 1.0,
        temperature: float = 0.1,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        if mode not in MODES:
            raise ValueError(
                f'{name}.mode must be one of {MODES}, got {mode!r}'
            )
        if not bandwidths or min(bandwidths) <= 0 or temperature <= 0:
            raise ValueError(
                f'{name} needs bandwidths and a temperature above 0, got '
                f'{bandwidths} and {temperature}'
            )
        if margin < 0:
            raise ValueError(f'{name}.margin must be >= 0, got {margin}')
        self.mode = mode
        self.bandwidths = tuple(bandwidths)
        self.margin = margin
        self.temperature = temperature

    def forward(
        self, features: Tensor, pids: Tensor, modality: Tensor | None = None
    ) -> Tensor:
        """Compute the loss in fp32.

        Args:
            features: Features ``(n, d)``, normalised here.
            pids: Identities ``(n,)``.
            modality: Modality numbers ``(n,)``; not optional here.

        Returns:
            Scalar loss, the same on every rank; 0 with gradient 0 where no
            identity of the batch has both modalities and no two identities
            can be compared.

        Raises:
            ValueError: If the modality is missing or the shapes do not fit.
        """
        if (
            modality is None
            or features.ndim != 2
            or (not features.shape[:1] == pids.shape == modality.shape)
        ):
            raise ValueError(
                f'{type(self).__name__} needs features (n, d), pids (n,) and '
                f'modality (n,), got {tuple(features.shape)}, '
                f'{tuple(pids.shape)} and '
                f'{None if modality is None else tuple(modality.shape)}'
            )
        with torch.autocast(features.device.type, enabled=False):
            unit = F.normalize(at_least_fp32(features), dim=1)
            unit, pids, modality = all_gather_labelled(unit, pids, modality)
            same = pids[:, None] == pids[None, :]
            function = (
                self._discrepancy
                if self.mode == 'discrepancy'
                else self._infonce
            )
            return function(unit, same, modality)

    def _discrepancy(
        self, unit: Tensor, same: Tensor, modality: Tensor
    ) -> Tensor:
        # One row for each image and not for each identity, whose number the
        # host does not know; the first image stands for its identity.
        visible = same & (modality == VISIBLE)
        infrared = same & (modality == INFRARED)
        first = ~same.tril(-1).any(dim=1)
        discrepancy = kernel_discrepancy(
            unit, visible, infrared, self.bandwidths
        )
        valid = (first & visible.any(dim=1))[:, None] & (
            first & infrared.any(dim=1)
        )[None, :]
        within = _masked_mean(discrepancy, valid & same)
        apart = F.relu(self.margin - discrepancy)
        return within + _masked_mean(apart, valid & ~same)

    def _infonce(self, unit: Tensor, same: Tensor, modality: Tensor) -> Tensor:
        other = modality[:, None] != modality[None, :]
        # Not -inf: a row without any candidate would become NaN.
        lowest = torch.finfo(unit.dtype).min / 2
        logits = (unit @ unit.t() / self.temperature).masked_fill(
            ~other, lowest
        )
        positive = same & other
        log_prob = logits.log_softmax(dim=1).masked_fill(~positive, 0)
        loss = -(_shares(positive, log_prob) * log_prob).sum(dim=1)
        return _masked_mean(loss, positive.any(dim=1))


def _shares(members: Tensor, like: Tensor) -> Tensor:
    """Weights of sets (p, n) that sum to 1 over each, 0 for empty ones."""
    members = members.to(like.dtype)
    return members / members.sum(dim=1, keepdim=True).clamp(min=1)


def _masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean over the mask, 0 for an empty one."""
    return values.masked_fill(~mask, 0).sum() / mask.sum().clamp(min=1)
