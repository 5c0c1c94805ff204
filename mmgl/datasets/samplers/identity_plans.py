"""Three ways to draw P identities x K images per modality, in numpy.

A plan knows how many iterations its epoch has and draws them from a
generator. Ranks, seeds and pair numbers are the sampler's.
"""

from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple, TypeAlias

import numpy as np

from mmgl.structures import INFRARED, MODALITY_NAMES, VISIBLE
from mmgl.utils.errors import ConfigError

from ..randomness import keyed_generator
from ..types import Ints

Groups: TypeAlias = 'tuple[IdentityGroups, ...]'
# Rounds averaged for the length of an epoch over the images.
NUM_ROUNDS = 8


class IdentityGroups(NamedTuple):
    """Indices of images by identity; where each starts, how many it has."""

    members: Ints
    starts: Ints
    counts: Ints


def group_images(members: Ints, labels: Ints, number: int) -> IdentityGroups:
    """Sort images ``(n,)`` by their labels ``(n,)``, 0 to ``number - 1``."""
    counts = np.bincount(labels, minlength=number)
    members = members[labels.argsort(kind='stable')]
    return IdentityGroups(members, np.cumsum(counts) - counts, counts)


def identity_groups(pids: Ints, modalities: Ints) -> Groups:
    """Sort images (N, ) by identity; ValueError without a modality."""
    classes, labels = np.unique(pids, return_inverse=True)
    groups = []
    for modality in (VISIBLE, INFRARED):
        members = np.flatnonzero(modalities == modality)
        group = group_images(members, labels[members], len(classes))
        if not group.counts.all():
            lacking = classes[group.counts == 0]
            raise ConfigError(
                f'IdentitySampler: {len(lacking)} identities have no '
                f'{MODALITY_NAMES[modality]} image, such as '
                f'{lacking[:5].tolist()}; build the data set with modality='
                "'both', check it with tools/misc/verify_dataset.py."
            )
        groups.append(group)
    return tuple(groups)


class IdentityPlan(ABC):
    """What an epoch of P x K batches draws.

    ``num_ids`` counts the identities of an iteration over all ranks,
    ``world_size * P``, and ``num_instances`` the images K per identity and
    modality.
    """

    # Purpose the generator of an epoch is keyed by.
    stream: ClassVar[str]

    def __init__(
        self, groups: Groups, num_ids: int, num_instances: int
    ) -> None:
        self.groups = groups
        self.num_ids = num_ids
        self.num_instances = num_instances
        self.num_classes = len(groups[0].counts)

    @abstractmethod
    def length(self) -> int:
        """Return the number of iterations of an epoch."""

    @abstractmethod
    def draw(self, rng: np.random.Generator, num_iters: int) -> Ints:
        """Draw images, (num_iters, world_size * P, 2, K), visible first."""


class UniformPlan(IdentityPlan):
    """Draw identities uniformly and images with replacement, as AGW."""

    stream = 'identities'

    def length(self) -> int:
        """Return floor(size of the larger modality / (P K world)) + 1."""
        larger = max(len(g.members) for g in self.groups)
        return larger // (self.num_ids * self.num_instances) + 1

    def draw(self, rng: np.random.Generator, num_iters: int) -> Ints:
        """Draw the images of an epoch; see the base class."""
        # The first columns of a random order are a draw without replacement.
        order = rng.random((num_iters, self.num_classes))
        ids = order.argsort(axis=1)[:, : self.num_ids]
        size = *ids.shape, self.num_instances
        drawn = []
        for members, starts, counts in self.groups:
            offsets = rng.integers(counts[ids][..., None], size=size)
            drawn.append(members[starts[ids][..., None] + offsets])
        return np.stack(drawn, axis=2)


class IdentityPassPlan(IdentityPlan):
    """Go over the identities once, as MutualInfo (Tian et al., CVPR 2021).

    The identities in random order are cut into batches, the rest is dropped.
    More iterations than that are several passes, each in its own order. The K
    images are drawn without replacement if an identity has as many of that
    modality, else with replacement.
    """

    stream = 'identities in turn'

    def length(self) -> int:
        """Return floor(identities / (P world))."""
        return self.num_classes // self.num_ids

    def draw(self, rng: np.random.Generator, num_iters: int) -> Ints:
        """Draw the images of an epoch; see the base class."""
        used = self.length() * self.num_ids
        passes = -(-num_iters // self.length())
        orders = [rng.permutation(self.num_classes) for _ in range(passes)]
        ids = np.concatenate([order[:used] for order in orders])
        ids = ids[: num_iters * self.num_ids]
        images = [self._images(group, ids, rng) for group in self.groups]
        shape = num_iters, self.num_ids, 2, self.num_instances
        return np.stack(images, axis=1).reshape(shape)

    def _images(
        self, group: IdentityGroups, ids: Ints, rng: np.random.Generator
    ) -> Ints:
        """Draw the K images of one modality of each identity, ``(n, K)``."""
        size = self.num_instances
        drawn = [
            group.starts[i] + rng.choice(count, size, replace=count < size)
            for i, count in zip(ids, group.counts[ids], strict=True)
        ]
        images: Ints = group.members[np.stack(drawn)]
        return images


class ImagePassPlan(IdentityPlan):
    """Go over the images without repeating, as MPANet (Wu et al., CVPR 2021).

    In a round, of each identity with n visible and m infrared images,
    min(n, m) random ones of each modality are cut into groups of K + K;
    then, again and again, P random identities give one of their groups,
    until fewer than P have one left. An identity with fewer than K images of
    a modality has one group, with repeated images.

    The number of batches of a round is random, but a trainer plans its
    schedule in advance, with one length for all epochs: the average over a
    fixed set of draws. A longer round is cut; a shorter one is followed by
    the first batches of another.
    """

    stream = 'balanced identities'

    def __init__(
        self, groups: Groups, num_ids: int, num_instances: int
    ) -> None:
        super().__init__(groups, num_ids, num_instances)
        fewer = np.minimum(*(g.counts for g in groups))
        self._num_groups = np.maximum(fewer // num_instances, 1)

    def length(self) -> int:
        """Return the average length of rounds, the same for all seeds."""
        rng = keyed_generator((0,), 'length of a round')
        lengths = [len(self.draw_round(rng)[0]) for _ in range(NUM_ROUNDS)]
        return round(sum(lengths) / NUM_ROUNDS)

    def draw(self, rng: np.random.Generator, num_iters: int) -> Ints:
        """Draw the images of an epoch; see the base class."""
        rounds, planned = [], 0
        while planned < num_iters:
            ids, turns = self.draw_round(rng)
            # (identities, groups, modality, K)
            cut = np.stack([self._cut(g, rng) for g in self.groups], axis=2)
            rounds.append(cut[ids, turns])
            planned += len(ids)
        return np.concatenate(rounds)[:num_iters]

    def draw_round(self, rng: np.random.Generator) -> tuple[Ints, Ints]:
        """Draw identities, and which group each gives, (n, world P)."""
        left = self._num_groups.copy()
        ids, turns = [], []
        while len(having := np.flatnonzero(left)) >= self.num_ids:
            chosen = rng.choice(having, self.num_ids, replace=False)
            left[chosen] -= 1
            ids.append(chosen)
            turns.append(left[chosen])
        return np.stack(ids), np.stack(turns)

    def _cut(self, group: IdentityGroups, rng: np.random.Generator) -> Ints:
        """Cut into random groups, ``(identities, groups, K)``; rest is 0."""
        size = self.num_instances
        most = self._num_groups.max()
        cut = np.zeros((self.num_classes, most * size), dtype=np.int64)
        for row, start, count, groups in zip(
            cut, group.starts, group.counts, self._num_groups, strict=True
        ):
            members = group.members[start : start + count]
            wanted = groups * size
            row[:wanted] = rng.choice(members, wanted, replace=count < wanted)
        return cut.reshape(len(cut), -1, size)


# What an epoch goes over, by the name in configs.
IDENTITY_PLANS: dict[str, type[IdentityPlan]] = dict(
    iterations=UniformPlan, ids=IdentityPassPlan, images=ImagePassPlan
)
