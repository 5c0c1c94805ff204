"""Batches for which an epoch goes over the images once, as in MPANet."""

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

# Rounds averaged for the length of an epoch.
NUM_ROUNDS = 8


@DATA_SAMPLERS.register_module()
class BalancedIdentitySampler(EpochSampler):
    """P identities x K images per modality, without repeating images.

    Follows the sampler of MPANet (Wu et al., CVPR 2021). A round works as
    follows: of each identity with n visible and m infrared images, min(n, m)
    random ones of each modality are cut into groups of K + K; then, again
    and again, P random identities give one of their groups, until fewer than
    P have one left. An identity with fewer than K images of a modality has
    one group, with repeated images where there are too few.

    The number of batches of a round is random, and a trainer that plans
    schedule, gradient accumulation and remaining time in advance needs one
    length for all epochs. An epoch therefore has as many iterations as
    rounds have on average over a fixed set of draws. Where an epoch's round
    is longer it is cut; where it is shorter, the first batches of another
    round follow. ``len()`` is exact in every epoch.

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
                 num_ids: int = 16,
                 num_instances: int = 4,
                 seed: int | None = None,
                 num_iters: int | None = None,
                 rank: int | None = None,
                 world_size: int | None = None) -> None:
        name = 'BalancedIdentitySampler'
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
        fewer = np.minimum(*(g.counts for g in self._images.values()))
        self._num_groups = np.maximum(fewer // num_instances, 1)
        self._num_iters = num_iters or self._mean_length()

    @property
    def num_iters(self) -> int:
        """Iterations in an epoch."""
        return self._num_iters

    def plan(self) -> tuple[np.ndarray, np.ndarray]:
        """Plan the current epoch; see the base class."""
        rng = keyed_generator((self.seed, self.epoch), 'balanced identities')
        rounds, planned = [], 0
        while planned < self._num_iters:
            ids, turns = self._round(rng)
            # (identities, groups, modality, K)
            groups = np.stack(
                [self._cut(self._images[m], rng)
                 for m in (VISIBLE, INFRARED)],
                axis=2)
            rounds.append(groups[ids, turns])
            planned += len(ids)
        indices = np.concatenate(rounds)[:self._num_iters]
        num_groups = self._num_iters * indices.shape[1]
        pairs = np.arange(num_groups * self.num_instances)
        pairs = pairs.reshape(num_groups, 1, -1).repeat(2, axis=1)
        return (indices.reshape(self._num_iters, -1),
                pairs.reshape(self._num_iters, -1))

    def _round(self,
               rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draw identities as long as enough of them have a group left.

        Returns:
            Identities and the number of the group each of them gives, both
            of shape ``(iterations, world_size * P)``.
        """
        per_iter = self.num_ids * self.world_size
        left = self._num_groups.copy()
        ids, turns = [], []
        while len(having := np.flatnonzero(left)) >= per_iter:
            chosen = rng.choice(having, per_iter, replace=False)
            left[chosen] -= 1
            ids.append(chosen)
            turns.append(left[chosen])
        return np.stack(ids), np.stack(turns)

    def _cut(self, images: IdentityGroups,
             rng: np.random.Generator) -> np.ndarray:
        """Cut the images of one modality into random groups.

        Returns:
            Indices of shape ``(identities, most groups, K)``; places behind
            an identity's last group are never read.
        """
        size = self.num_instances
        cut = np.zeros((len(self._num_groups), self._num_groups.max() * size),
                       dtype=np.int64)
        for row, start, count, groups in zip(
                cut, images.starts, images.counts, self._num_groups,
                strict=True):
            members = images.members[start:start + count]
            wanted = groups * size
            row[:wanted] = rng.choice(members, wanted, replace=count < wanted)
        return cut.reshape(len(cut), -1, size)

    def _mean_length(self) -> int:
        """Average length of rounds drawn by a seed of their own.

        The seed of the run plays no part: all runs have the same schedule.
        """
        rng = keyed_generator((0, ), 'length of a round')
        lengths = [len(self._round(rng)[0]) for _ in range(NUM_ROUNDS)]
        return round(sum(lengths) / NUM_ROUNDS)
