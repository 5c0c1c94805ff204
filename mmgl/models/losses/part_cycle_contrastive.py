"""Part-aware cycle-contrastive loss of MMGL."""

import torch
from torch import Tensor, nn

from mmgl.registry import MODELS
from mmgl.utils.checks import require

from ..functional.modality_groups import Groups, ModalityGroups, side_by_side
from ..functional.pairwise import at_least_fp32
from ..functional.soft_neighbours import (
    cycle_retrieve,
    info_nce,
    similarities,
    spread,
    spread_places,
)

_BANKS = ('universal', 'pair')
_NEGATIVES = ('retrieved', 'patches')


@MODELS.register_module()
class PartCycleContrastiveLoss(nn.Module):
    """Contrast of cycle-retrieved RGB-IR parts (PCC), Eq. 5-6 of MMGL.

    Every part ("patch" in the paper) retrieves its soft nearest neighbour
    among the parts of the other modality, which in turn retrieves its own
    among the parts of the query's image. The two are a positive pair, both
    anchors; what all queries of the same direction retrieved are the
    negatives. Bank and negatives are those of all ranks, with gradient.

    Args:
        temperature: tau of Eq. 5 and 6.
        bank: 'universal': all parts of the other modality in the batch;
            'pair': those of the paired image only, negatives likewise.
        negatives: 'retrieved': the retrieved vectors {V_ir, V_rgb};
            'patches': the parts themselves.
        include_anchor: Keep the anchor itself in the denominator, as Eq. 6
            reads, which bounds the loss from below by log 2.
        detach_bank: Stop gradients through retrieved entries.
        loss_weight: lambda of Eq. 7.
    """

    ramp: Tensor

    def __init__(
        self,
        temperature: float = 0.07,
        bank: str = 'universal',
        negatives: str = 'retrieved',
        include_anchor: bool = False,
        detach_bank: bool = False,
        loss_weight: float = 0.2,
    ) -> None:
        super().__init__()
        require(self, temperature > 0, 'temperature > 0', temperature)
        require(self, bank in _BANKS, f'bank in {_BANKS}', bank)
        rule = f'negatives in {_NEGATIVES}'
        require(self, negatives in _NEGATIVES, rule, negatives)
        self.temperature = temperature
        self.bank = bank
        self.negatives = negatives
        self.include_anchor = include_anchor
        self.detach_bank = detach_bank
        self.loss_weight = loss_weight
        self.register_buffer('ramp', torch.ones(()), persistent=False)

    def forward(
        self, parts: Tensor, modality: Tensor, pairs: Tensor | None = None
    ) -> Tensor:
        """Compute the loss of unit part vectors ``(B, N, D)``.

        Both modalities must occur in the batch of all ranks. A modality
        ``(B,)`` on the host costs no synchronisation with the device.
        """
        labels = self._labels(pairs)
        groups = ModalityGroups(modality, parts.device)
        if not all(map(len, groups.all)):
            raise ValueError(
                'PartCycleContrastiveLoss needs images of both modalities in '
                'a batch; use CrossModalPairSampler.'
            )
        mine = [groups.split(x) for x in labels]
        theirs = [groups.gather(x) for x in mine]
        with torch.autocast(parts.device.type, enabled=False):
            queries = groups.split(at_least_fp32(parts))
            bank = groups.gather(queries)
            retrieved = self._retrieve(
                queries, bank[::-1], *mine, *(x[::-1] for x in theirs)
            )
            if self.negatives == 'patches':
                candidates, *theirs = map(_both, (bank, *theirs))
            else:
                candidates = groups.gather(retrieved)
            loss = self._contrast(
                retrieved, candidates, groups.places(), *mine, *theirs
            )
            mean = loss / sum(found[..., 0].numel() for found in retrieved)
            return self.loss_weight * self.ramp * mean

    def _labels(self, pairs: Tensor | None) -> list[Tensor]:
        if self.bank == 'universal':
            return []
        if pairs is None:
            raise ValueError(
                "PartCycleContrastiveLoss: bank='pair' needs the pair number "
                'of every image (targets["pair"]); use CrossModalPairSampler.'
            )
        return [pairs]

    def _retrieve(self, *columns: Groups) -> Groups:
        """Both neighbours ``(n, 2, N, D)`` of the parts of each modality."""
        retrieved: list[Tensor] = []
        for queries, bank, *labels in side_by_side(*columns):
            found = cycle_retrieve(
                queries,
                bank,
                self.temperature,
                _related(*labels),
                self.detach_bank,
            )
            retrieved.extend(torch.stack(found, dim=2))
        return tuple(retrieved)

    def _contrast(self, *columns: Groups) -> Tensor:
        """Sum over the anchors, which are all that was retrieved."""
        one_another = columns[0] is columns[1]
        losses = []
        for found, candidates, places, *labels in side_by_side(*columns):
            # Vectors of an image among the anchors and the candidates.
            sizes = found.shape[2:-1].numel(), candidates.shape[2:-1].numel()
            mask = _related(*labels)
            logits = similarities(
                found.flatten(1, 3),
                None if one_another else candidates.flatten(1, -2),
                self.temperature,
                None if mask is None else spread(mask, *sizes),
            )
            if self.negatives == 'patches':
                losses.append(self._against_patches(found, logits))
                continue
            own = spread_places(places, sizes[1])
            positives = own.view(found.shape[:-1]).flip(2)
            left_out = None if self.include_anchor else own
            losses.append(info_nce(logits, positives, left_out))
        return torch.stack(losses).sum()

    def _against_patches(self, found: Tensor, logits: Tensor) -> Tensor:
        """InfoNCE whose positive is no candidate, but stands before them."""
        positive = (found * found.flip(2)).sum(dim=-1) / self.temperature
        logits = torch.cat([positive.flatten(1).unsqueeze(-1), logits], -1)
        return info_nce(logits, positive.new_zeros(positive.shape).long())


def _both(groups: Groups) -> Groups:
    """Images of both modalities, for the queries of either."""
    return (torch.cat(groups),) * 2


def _related(*labels: Tensor) -> Tensor | None:
    """Pairs of images with the same number, None (all) without numbers."""
    if not labels:
        return None
    mine, theirs = labels
    return mine[..., :, None] == theirs[..., None, :]
