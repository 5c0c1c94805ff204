"""Part-aware cycle-contrastive loss of MMGL."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmgl.registry import MODELS
from mmgl.utils.checks import require

from ..functional.gather import (
    all_gather_labelled,
    all_gather_with_grad,
    own_columns,
)
from ..functional.pairwise import at_least_fp32
from ..functional.soft_neighbours import (
    cycle_retrieve,
    masked_info_nce,
    stripe_mask,
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

        Both modalities must occur in the batch of all ranks.
        """
        labels = [modality]
        if self.bank == 'pair':
            if pairs is None:
                raise ValueError(
                    "PartCycleContrastiveLoss: bank='pair' needs the pair "
                    'number of every image (targets["pair"]); use '
                    'CrossModalPairSampler.'
                )
            labels.append(pairs)
        with torch.autocast(parts.device.type, enabled=False):
            parts = at_least_fp32(parts)
            bank, *others = all_gather_labelled(parts, *labels)
            # Which images (B, M) a query reaches and is contrasted with.
            same_side, *same_pair = (
                own[:, None] == other[None, :]
                for own, other in zip(labels, others, strict=True)
            )
            reach = ~same_side
            for mask in same_pair:
                reach, same_side = reach & mask, same_side & mask
            there, back = cycle_retrieve(
                parts, bank, reach, self.temperature, self.detach_bank
            )
            if self.negatives == 'patches':
                images = reach | same_side
                loss = self._against_patches(there, back, bank, images)
            else:
                loss = self._against_retrieved(there, back, same_side)
            return self.loss_weight * self.ramp * loss

    def _against_retrieved(
        self, there: Tensor, back: Tensor, same_side: Tensor
    ) -> Tensor:
        stripes, dim = there.shape[1:]
        anchors = torch.stack([there, back]).reshape(-1, dim)
        positives = torch.stack([back, there]).reshape(-1, dim)
        # Both in one message.
        candidates = all_gather_with_grad(torch.stack([there, back], dim=1))
        candidates = candidates.transpose(0, 1).reshape(-1, dim)
        pairs = stripe_mask(same_side, stripes)
        others = pairs if self.include_anchor else pairs & ~own_columns(pairs)
        mask = torch.cat(
            [torch.cat([others, pairs], 1), torch.cat([pairs, others], 1)]
        )
        return masked_info_nce(
            anchors, positives, candidates, mask, self.temperature
        ).mean()

    def _against_patches(
        self, there: Tensor, back: Tensor, bank: Tensor, images: Tensor
    ) -> Tensor:
        mask = stripe_mask(images, bank.shape[1])
        one, two, parts = (x.flatten(0, 1) for x in (there, back, bank))
        losses = [
            masked_info_nce(*pair, parts, mask, self.temperature)
            for pair in ((one, two), (two, one))
        ]
        # The positive is no part: log(1 + exp(x)) adds it to the
        # denominator of x = logsumexp(parts) - positive.
        return F.softplus(torch.stack(losses)).mean()
