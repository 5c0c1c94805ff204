"""Batches for which an epoch goes over the identities once."""

import numpy as np

from mmgl.registry import DATA_SAMPLERS
from mmgl.structures import INFRARED, VISIBLE

from ..randomness import keyed_generator
from ..reid_dataset import ReIDDataset
from .base import (
    EpochSampler,
    IdentityGroups,
    check_positive,
    identity_groups,
)


@DATA_SAMPLERS.register_module()
class EpochIdentitySampler(EpochSampler):
    """P identities x K images per modality; every identity once an epoch.

    Follows the sampler of MutualInfo (Tian et al., CVPR 2021): an epoch is
    one pass over the identities in random order, cut into batches, the rest
    dropped. It has ``floor(identities / (P * world_size))`` iterations: 24
    for SYSU-MM01 with P = 16 and 25 for RegDB with P = 8 on one process,
    about a thirtieth of an epoch of :class:`IdentitySampler`, so numbers of
    epochs must not be carried over from one to the other. The K images are
    drawn without replacement if an identity has as many of that modality,
    else with replacement.

    Each rank gets P identities, and no identity is on two ranks in the same
    iteration. Rows are grouped by identity: K visible, then K infrared. The
    k-th visible and k-th infrared image of an identity share a pair number.

    Args:
        dataset: Training data set with both modalities.
        num_ids: Identities P per rank and iteration.
        num_instances: Images K per identity and modality.
        seed: Seed; None lets mmengine agree on one over all ranks.
        num_iters: Iterations of an epoch; None is the rule above. More than
            that makes several passes an epoch, each in an order of its own.
        rank: Rank of this process; None asks mmengine.
        world_size: Number of processes; None asks mmengine.

    Raises:
        ValueError: If there are too few identities, or one lacks a modality.
    """

    def __init__(self,
                 dataset: ReIDDataset,
                 num_ids: int = 16,
                 num_instances: int = 4,
                 seed: int | None = None,
                 num_iters: int | None = None,
                 rank: int | None = None,
                 world_size: int | None = None) -> None:
        name = 'EpochIdentitySampler'
        check_positive(
            name,
            num_ids=num_ids,
            num_instances=num_instances,
            num_iters=num_iters)
        super().__init__(dataset, num_ids * num_instances * 2, seed, rank,
                         world_size)
        self.num_ids = num_ids
        self.num_instances = num_instances
        self._images = identity_groups(name, dataset, num_ids,
                                       self.world_size)
        self.num_classes = len(self._images[VISIBLE].counts)
        self._per_pass = self.num_classes // (num_ids * self.world_size)
        self._num_iters = num_iters or self._per_pass

    @property
    def num_iters(self) -> int:
        """Iterations in an epoch."""
        return self._num_iters

    def plan(self) -> tuple[np.ndarray, np.ndarray]:
        """Plan the current epoch; see the base class."""
        rng = keyed_generator((self.seed, self.epoch), 'identities in turn')
        per_iter = self.num_ids * self.world_size
        passes = -(-self._num_iters // self._per_pass)
        ids = np.concatenate([
            rng.permutation(self.num_classes)[:self._per_pass * per_iter]
            for _ in range(passes)
        ])[:self._num_iters * per_iter]
        indices = np.stack(
            [self._draw(self._images[m], ids, rng)
             for m in (VISIBLE, INFRARED)],
            axis=1)  # (identities, modality, K)
        pairs = np.arange(len(ids) * self.num_instances)
        pairs = pairs.reshape(len(ids), 1, -1).repeat(2, axis=1)
        return (indices.reshape(self._num_iters, -1),
                pairs.reshape(self._num_iters, -1))

    def _draw(self, images: IdentityGroups, ids: np.ndarray,
              rng: np.random.Generator) -> np.ndarray:
        """Draw the K images of one modality of each identity, ``(n, K)``."""
        size = self.num_instances
        drawn = [
            start + rng.choice(count, size, replace=count < size)
            for start, count in zip(
                images.starts[ids], images.counts[ids], strict=True)
        ]
        return images.members[np.stack(drawn)]
