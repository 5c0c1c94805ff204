"""Losses of DEEN on the expanded embeddings."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmgl.registry import MODELS
from mmgl.structures.modality import INFRARED, VISIBLE
from mmgl.utils.checks import require

from ..functional.gather import all_gather_labelled
from ..functional.pairwise import at_least_fp32, pairwise_dist, row_dist
from .batch_hard_triplet import BatchHardTripletLoss


@MODELS.register_module()
class DiverseEmbeddingLoss(nn.Module):
    r"""Triplet, center-guided pair mining and orthogonality of DEEN.

    Follows Zhang and Wang, CVPR 2023, as published. Of embeddings
    ``(B, k, C)``, the first of which are the network's own:

    - the batch-hard triplet loss of all ``k B`` rows;
    - ``pair_weight`` times, summed over the expanded ones, the mean over the
      identities of :math:`(P(v, r, v') + P(r, v, r')) / 2` with centers v and
      r of the visible and infrared own embeddings, v' and r' of the expanded,
      :math:`P(a, b, a') = h(b a', a a') + (h(b a', a' \bar a') + h(b a', a
      \bar a)) / 2`, :math:`h(p, n) = \max(0, p - n + m)` of distances,
      :math:`\bar a` the closest center of another identity; no gradient
      through :math:`a a'`;
    - ``orthogonal_weight`` times the sum of the products of two expanded
      embeddings of an image, divided by ``k B``; own ones take no part.

    Identities without images of both modalities in the batch of all ranks
    are left out of the second term.
    """

    def __init__(
        self,
        margin: float = 0.3,
        pair_margin: float = 0.2,
        pair_weight: float = 0.8,
        orthogonal_weight: float = 0.01,
    ) -> None:
        super().__init__()
        require(self, pair_margin >= 0, 'pair_margin >= 0', pair_margin)
        self.triplet = BatchHardTripletLoss(margin)
        self.pair_margin = pair_margin
        self.pair_weight = pair_weight
        self.orthogonal_weight = orthogonal_weight

    def forward(
        self, features: Tensor, pids: Tensor, modality: Tensor
    ) -> Tensor:
        """Add the three terms of embeddings ``(B, k, C)``."""
        if features.ndim != 3 or features.shape[1] < 2:
            raise ValueError(
                'DiverseEmbeddingLoss needs embeddings (B, k, C) with k of 2 '
                f"or more, got {tuple(features.shape)}; set feature='branches'"
            )
        count = features.shape[1]
        with torch.autocast(device_type=features.device.type, enabled=False):
            features = at_least_fp32(features)
            triplet: Tensor = self.triplet(
                features.flatten(0, 1), pids.repeat_interleave(count)
            )
            expanded = features[:, 1:]
            products = (expanded @ expanded.mT).triu(diagonal=1).sum()
            orthogonal = products / (count * len(features))
            return (
                triplet
                + self.pair_weight * self._pairs(features, pids, modality)
                + self.orthogonal_weight * orthogonal
            )

    def _pairs(
        self, features: Tensor, pids: Tensor, modality: Tensor
    ) -> Tensor:
        """Sum over the expanded embeddings; all ranks compute the same."""
        everyone, ids, modes = all_gather_labelled(features, pids, modality)
        same = ids[:, None] == ids[None, :]
        # Each row has the centers of its identity: the host does not know how
        # many there are. A product with 0 and 1 sums in a fixed order on GPUs.
        centers = []
        whole = torch.ones_like(ids, dtype=torch.bool)
        for one in (VISIBLE, INFRARED):
            member = (same & (modes == one)).to(features.dtype)
            number = member.sum(dim=1, keepdim=True)
            whole = whole & (number[:, 0] > 0)
            mean = member / number.clamp(min=1)
            centers.append((mean @ everyone.flatten(1)).view_as(everyone))
        # Rows of an identity count as one.
        share = whole / same.sum(dim=1).to(features.dtype)
        share = share / share.sum().clamp(min=1)
        other = ~same & whole
        total = features.new_zeros(())
        for index in range(1, features.shape[1]):
            own, new = [[c[:, i] for c in centers] for i in (0, index)]
            for near, far, target in (
                (own[1], own[0], new[0]),
                (own[0], own[1], new[1]),
            ):
                rows = self._mine(near, far, target, other)
                total = total + (share * rows).sum() / 2
        return total

    def _mine(
        self, near: Tensor, far: Tensor, target: Tensor, other: Tensor
    ) -> Tensor:
        """P of each row, of ``far`` a, ``near`` b and ``target`` a'."""
        pull = row_dist(near, target)
        push = row_dist(far, target).detach()
        rows = F.relu(pull - push + self.pair_margin)
        for centers in (target, far):
            closest = pairwise_dist(centers, centers)
            closest = closest.masked_fill(~other, float('inf')).amin(dim=1)
            rows = rows + F.relu(pull - closest + self.pair_margin) / 2
        return rows
