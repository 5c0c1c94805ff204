"""Batches of P identities x K images per modality for fine-tuning."""

import numpy as np

from mmgl.registry import DATA_SAMPLERS
from mmgl.structures import INFRARED, VISIBLE

from ..randomness import keyed_generator
from ..reid_dataset import ReIDDataset
from .base import EpochSampler, check_positive, identity_groups


@DATA_SAMPLERS.register_module()
class IdentitySampler(EpochSampler):
    """P identities with K visible and K infrared images each.

    Follows the sampler of AGW and its successors: per iteration the
    identities are drawn uniformly without replacement from all of them, and
    K visible and K infrared images of each independently with replacement.
    An epoch has ``floor(N / (P * K * world_size)) + 1`` iterations, N being
    the size of the larger modality: 696 for SYSU-MM01, 65 for RegDB with the
    default values on one process. It is a number of iterations only; not
    every identity need appear in it.

    Each rank gets P identities, and no identity is on two ranks in the same
    iteration. Rows are grouped by identity: K visible, then K infrared. The
    k-th visible and k-th infrared image of an identity share a pair number.

    Args:
        dataset: Training data set with both modalities.
        num_ids: Identities P per rank and iteration.
        num_instances: Images K per identity and modality.
        seed: Seed; None lets mmengine agree on one over all ranks.
        num_iters: Iterations of an epoch; None is the rule above.
        rank: Rank of this process; None asks mmengine.
        world_size: Number of processes; None asks mmengine.

    Raises:
        ValueError: If there are too few identities, or one lacks a modality.
    """

    def __init__(self,
                 dataset: ReIDDataset,
                 num_ids: int = 8,
                 num_instances: int = 4,
                 seed: int | None = None,
                 num_iters: int | None = None,
                 rank: int | None = None,
                 world_size: int | None = None) -> None:
        check_positive(
            'IdentitySampler',
            num_ids=num_ids,
            num_instances=num_instances,
            num_iters=num_iters)
        super().__init__(dataset, num_ids * num_instances * 2, seed, rank,
                         world_size)
        self.num_ids = num_ids
        self.num_instances = num_instances
        self._groups = identity_groups('IdentitySampler', dataset,
                                       num_ids, self.world_size)
        self.num_classes = len(self._groups[VISIBLE].counts)
        larger = max(len(g.members) for g in self._groups.values())
        per_iter = num_ids * num_instances * self.world_size
        self._num_iters = num_iters or larger // per_iter + 1

    @property
    def num_iters(self) -> int:
        """Iterations in an epoch."""
        return self._num_iters

    def plan(self) -> tuple[np.ndarray, np.ndarray]:
        """Plan the current epoch; see the base class."""
        rng = keyed_generator((self.seed, self.epoch), 'identities')
        ids_per_iter = self.num_ids * self.world_size
        # The first columns of a random order are a draw without replacement.
        order = rng.random((self._num_iters, self.num_classes))
        ids = order.argsort(axis=1)[:, :ids_per_iter]
        shape = (self._num_iters, ids_per_iter, self.num_instances)
        drawn = []
        for modality in (VISIBLE, INFRARED):
            members, starts, counts = self._groups[modality]
            offsets = rng.integers(counts[ids][..., None], size=shape)
            drawn.append(members[starts[ids][..., None] + offsets])
        indices = np.stack(drawn, axis=2)  # (iterations, ids, modality, K)
        pairs = np.arange(np.prod(shape)).reshape(shape)
        pairs = np.stack([pairs, pairs], axis=2)
        return (indices.reshape(self._num_iters, -1),
                pairs.reshape(self._num_iters, -1))
