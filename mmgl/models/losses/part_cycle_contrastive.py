"""Part-aware cycle-contrastive loss of MMGL."""

import torch
from mmengine.dist import get_rank
from torch import Tensor, nn
from torch.nn import functional as F

from mmgl.registry import LOSSES

from ..functional.gather import all_gather_labelled, all_gather_with_grad
from ..functional.soft_neighbours import cycle_retrieve, masked_info_nce

_BANKS = ('universal', 'pair')
_NEGATIVES = ('retrieved', 'patches')


@LOSSES.register_module()
class PartCycleContrastiveLoss(nn.Module):
    """Contrast of cycle-retrieved RGB-IR patches (PCC), Eq. 5-6 of MMGL.

    Every patch retrieves its soft nearest neighbour among the patches of the
    other modality, which in turn retrieves its own among the patches of the
    query's image. The two retrieved vectors are a positive pair; the vectors
    retrieved by all queries of the same direction are the negatives. Both
    directions and both members of a pair serve as anchors. On several ranks
    the bank and the negatives are those of all ranks, with gradient.

    Args:
        temperature (float): tau of Eq. 5 and 6. Defaults to 0.07.
        bank (str): 'universal': all patches of the other modality in the
            batch; 'pair': the N patches of the paired image only, negatives
            restricted likewise. Defaults to 'universal'.
        negatives (str): 'retrieved': the retrieved vectors {V_ir, V_rgb};
            'patches': the patches themselves. Defaults to 'retrieved'.
        include_anchor (bool): Keep the anchor itself in the denominator, the
            literal reading of Eq. 6, which bounds the loss from below by
            log 2. Defaults to False.
        detach_bank (bool): Stop gradients through retrieved entries.
            Defaults to False.
        loss_weight (float): lambda of Eq. 7. Defaults to 0.2.

    Raises:
        ValueError: If an argument is out of range.
    """

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
        if temperature <= 0:
            raise ValueError(
                'PartCycleContrastiveLoss needs temperature > 0, '
                f'got {temperature}.'
            )
        for name, value, known in (
            ('bank', bank, _BANKS),
            ('negatives', negatives, _NEGATIVES),
        ):
            if value not in known:
                raise ValueError(
                    f'PartCycleContrastiveLoss: {name}={value!r} '
                    f'is not one of {known}.'
                )
        self.temperature = temperature
        self.bank = bank
        self.negatives = negatives
        self.include_anchor = include_anchor
        self.detach_bank = detach_bank
        self.loss_weight = loss_weight
        # Grows from 0 to 1 under LossRampHook; a tensor, so that compiled
        # steps need no recompilation when it changes.
        self.register_buffer('ramp', torch.ones(()), persistent=False)

    def forward(
        self, parts: Tensor, modality: Tensor, pairs: Tensor | None = None
    ) -> Tensor:
        """Compute the loss.

        Args:
            parts (Tensor): Unit part vectors of shape (B, N, D).
            modality (Tensor): 0 visible, 1 infrared, shape (B, ). Both must
                occur in the (global) batch.
            pairs (Tensor, optional): Pair number of every image, shape
                (B, ); needed for ``bank='pair'`` only.

        Returns:
            Tensor: Scalar loss.

        Raises:
            ValueError: If ``bank='pair'`` and ``pairs`` is None.
        """
        with torch.autocast(parts.device.type, enabled=False):
            if parts.dtype in (torch.float16, torch.bfloat16):
                parts = parts.float()
            labels = self._labels(modality, pairs)
            bank, *others = all_gather_labelled(parts, *labels)
            reach, same_side = self._masks(labels, others)
            there, back = cycle_retrieve(
                parts, bank, reach, self.temperature, self.detach_bank
            )
            if self.negatives == 'patches':
                loss = self._against_patches(
                    there, back, bank, reach | same_side
                )
            else:
                loss = self._against_retrieved(there, back, same_side)
            return self.loss_weight * self.ramp * loss

    def _labels(self, modality: Tensor, pairs: Tensor | None) -> list[Tensor]:
        """What decides between whom there is a contrast."""
        if self.bank == 'universal':
            return [modality]
        if pairs is None:
            raise ValueError(
                "PartCycleContrastiveLoss: bank='pair' needs the pair "
                'number of every image (targets["pair"]); use '
                'CrossModalPairSampler.'
            )
        return [modality, pairs]

    @staticmethod
    def _masks(
        labels: list[Tensor], others: list[Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Which images (B, M) a query reaches and is contrasted with."""
        same_side, *same_pair = (
            own[:, None] == other[None, :]
            for own, other in zip(labels, others, strict=True)
        )
        reach = ~same_side
        for mask in same_pair:
            reach, same_side = reach & mask, same_side & mask
        return reach, same_side

    def _against_retrieved(
        self, there: Tensor, back: Tensor, same_side: Tensor
    ) -> Tensor:
        stripes, dim = there.shape[1:]
        anchors = torch.stack([there, back]).reshape(-1, dim)
        positives = torch.stack([back, there]).reshape(-1, dim)
        # Both in one message.
        candidates = all_gather_with_grad(torch.stack([there, back], dim=1))
        candidates = candidates.transpose(0, 1).reshape(-1, dim)
        mask = same_side.repeat_interleave(stripes, 0)
        mask = mask.repeat_interleave(stripes, 1).repeat(2, 2)
        if not self.include_anchor:
            mask = mask & ~self._self_mask(there, len(candidates) // 2)
        return masked_info_nce(
            anchors, positives, candidates, mask, self.temperature
        ).mean()

    @staticmethod
    def _self_mask(there: Tensor, half: int) -> Tensor:
        """True where a candidate is the anchor itself, (2BN, 2MN)."""
        local = there.shape[0] * there.shape[1]
        own = torch.arange(local, device=there.device) + get_rank() * local
        own = torch.cat([own, own + half])
        columns = torch.arange(2 * half, device=there.device)
        return own[:, None] == columns[None, :]

    def _against_patches(
        self, there: Tensor, back: Tensor, bank: Tensor, images: Tensor
    ) -> Tensor:
        stripes, dim = bank.shape[1:]
        mask = images.repeat_interleave(stripes, 0).repeat_interleave(
            stripes, 1
        )
        losses = [
            masked_info_nce(
                anchors.reshape(-1, dim),
                positives.reshape(-1, dim),
                bank.reshape(-1, dim),
                mask,
                self.temperature,
            )
            for anchors, positives in ((there, back), (back, there))
        ]
        # The positive is no patch: log(1 + exp(x)) adds it to the
        # denominator of x = logsumexp(patches) - positive.
        return F.softplus(torch.stack(losses)).mean()
