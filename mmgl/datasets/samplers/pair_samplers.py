"""Random cross-modal pairs for pre-training, by number or streamed."""

from collections.abc import Iterator

import numpy as np

from mmgl.registry import DATA_SAMPLERS
from mmgl.structures import INFRARED, MODALITY_NAMES, VISIBLE
from mmgl.utils.errors import ConfigError

from ..randomness import Draw, keyed_generator
from ..reid_dataset import ReIDDataset
from ..streamed_pairs import StreamedPairs, StreamPlan
from ..types import Ints
from .base import EpochSampler, RankSampler, check_pairs, rows_of_modalities


@DATA_SAMPLERS.register_module()
class CrossModalPairSampler(EpochSampler):
    """Pair visible with infrared images at random (MMGL, Sec. IV-B).

    No label is read: the two images of a pair show any two persons. In an
    epoch each image of the larger modality is drawn once; the images of the
    smaller one are repeated, in a fresh shuffle each time. Yields visible,
    infrared, visible, infrared...

    ``batch_size`` counts images, not pairs, per rank and iteration; the paper
    uses 96 (48 + 48). ``num_pairs_per_epoch`` counts over all ranks; None is
    the size of the larger modality, more repeats its images too.
    ``round_up`` completes the last global batch with further pairs instead of
    dropping it; ``num_pairs`` and ``len()`` give the true length. For the
    rest see :class:`.RankSampler`.
    """

    def __init__(
        self,
        dataset: ReIDDataset,
        batch_size: int = 96,
        seed: int | None = None,
        num_pairs_per_epoch: int | None = None,
        round_up: bool = True,
        rank: int | None = None,
        world_size: int | None = None,
    ) -> None:
        check_pairs('CrossModalPairSampler', batch_size, num_pairs_per_epoch)
        super().__init__(dataset, batch_size, seed, rank, world_size)
        self.members = rows_of_modalities(self, dataset)
        wanted = num_pairs_per_epoch or max(map(len, self.members))
        per_iter = self.world_size * batch_size // 2
        rest = per_iter - 1 if round_up else 0
        self.num_iters = (wanted + rest) // per_iter
        if not self.num_iters:
            raise ConfigError(
                f'CrossModalPairSampler: {wanted} pairs are fewer than one '
                f'global batch of {per_iter}; set round_up=True or a smaller '
                'batch_size.'
            )

    @property
    def num_pairs(self) -> int:
        """Pairs in an epoch over all ranks, after rounding."""
        return self.num_iters * self.world_size * self.batch_size // 2

    def plan(self) -> tuple[Ints, Ints]:
        """Plan the current epoch; see the base class."""
        sequences = [self._shuffles(m) for m in (VISIBLE, INFRARED)]
        indices = np.stack(sequences, axis=1).reshape(self.num_iters, -1)
        pairs = np.repeat(np.arange(self.num_pairs), 2)
        return indices, pairs.reshape(indices.shape)

    def _shuffles(self, modality: int) -> Ints:
        """Return fresh shuffles of one modality, cut to ``num_pairs``."""
        members = self.members[modality]
        rng = keyed_generator(
            (self.seed, self.epoch), f'pairs of {MODALITY_NAMES[modality]}'
        )
        rounds = -(-self.num_pairs // len(members))
        shuffles = [rng.permutation(members) for _ in range(rounds)]
        return np.concatenate(shuffles)[: self.num_pairs]


@DATA_SAMPLERS.register_module()
class StreamSampler(RankSampler):
    """Say how much of a stream each rank and worker reads in an epoch.

    The counterpart of :class:`CrossModalPairSampler` for images that cannot
    be asked for by number: it yields the keys of the augmentation and the
    number of the batch; which images come is the business of
    :class:`~mmgl.datasets.StreamedPairs`. Takes no memory per image.

    ``batch_size`` counts images, not pairs, per rank and iteration.
    ``num_pairs_per_epoch`` counts over all ranks and is completed to whole
    batches; None is the size of the larger modality. An epoch is what lies
    between two checkpoints; choose fewer pairs for very large sets. The next
    one goes on where the last stopped. For the rest see
    :class:`.RankSampler`.
    """

    DATASET = StreamedPairs
    REMEDY = 'other data sets have CrossModalPairSampler.'

    def __init__(
        self,
        dataset: StreamedPairs,
        batch_size: int = 96,
        seed: int | None = None,
        num_pairs_per_epoch: int | None = None,
        rank: int | None = None,
        world_size: int | None = None,
    ) -> None:
        check_pairs('StreamSampler', batch_size, num_pairs_per_epoch)
        super().__init__(dataset, batch_size, seed, rank, world_size)
        wanted = num_pairs_per_epoch or max(map(len, dataset.lists))
        self.num_iters = -(-wanted // (self.world_size * batch_size // 2))
        dataset.plan = StreamPlan(
            batch_size, self.num_iters, self.rank, self.world_size
        )

    def __iter__(self) -> Iterator[Draw]:
        """Yield the draws of this rank; ``index`` is the batch's number."""
        half = self.batch_size // 2
        for number in range(self.num_iters):
            first = (number * self.world_size + self.rank) * half
            for position in range(2 * first, 2 * (first + half)):
                key = self.seed, self.epoch, position, position // 2
                yield Draw(number, *key)
