"""What the samplers share: seed, epoch, sharding and exact length."""

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
from mmengine.dist import get_dist_info, sync_random_seed
from torch.utils.data import Sampler

from mmgl.structures import INFRARED, MODALITY_NAMES, VISIBLE
from mmgl.utils.errors import ConfigError

from ..checks import check, check_positive
from ..randomness import Draw, check_seed
from ..reid_dataset import ReIDDataset
from ..types import Ints


class RankSampler(Sampler[Draw]):
    """Sampler of one rank that knows epoch and seed, and its exact length.

    ``batch_size`` counts images per rank and iteration and must equal that
    of the data loader. mmengine knows seed, rank and number of processes
    unless given. Subclasses set ``num_iters``, this rank's batches an epoch.
    """

    DATASET: ClassVar[type] = ReIDDataset
    # What to do with another data set.
    REMEDY: ClassVar[str]
    num_iters: int

    def __init__(
        self,
        dataset: Any,
        batch_size: int,
        seed: int | None = None,
        rank: int | None = None,
        world_size: int | None = None,
    ) -> None:
        name = type(self).__name__
        if not isinstance(dataset, self.DATASET):
            raise TypeError(
                f'{name} needs {self.DATASET.__name__}, got '
                f'{type(dataset).__name__}; {self.REMEDY}'
            )
        dist_rank, dist_world_size = get_dist_info()
        self.rank = dist_rank if rank is None else rank
        self.world_size = dist_world_size if world_size is None else world_size
        fits = 0 <= self.rank < self.world_size
        rule = f'from 0 to world_size - 1 = {self.world_size - 1}'
        check(f'{name}.rank', self.rank, fits, rule)
        self.seed = check_seed(sync_random_seed() if seed is None else seed)
        self.batch_size = batch_size
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch, from 0; called by mmengine before each one."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Return how many draws this rank yields per epoch, exactly."""
        return self.num_iters * self.batch_size


class EpochSampler(RankSampler):
    """Sampler that plans an epoch for all ranks and yields its own share.

    Every rank computes the same plan from (seed, epoch) and takes the
    ``rank``-th of ``world_size`` equal pieces of each global batch: no two
    ranks share a draw, and together they see the batch of one process with a
    batch size ``world_size`` times as large.
    """

    REMEDY = (
        'wrappers such as RepeatDataset are not needed, the sampler decides '
        'the length of an epoch.'
    )

    @abstractmethod
    def plan(self) -> tuple[Ints, Ints]:
        """Return indices into the data set and pair numbers of the epoch.

        Both have shape ``(num_iters, world_size * batch_size)``.
        """

    def __iter__(self) -> Iterator[Draw]:
        """Yield this rank's draws of the current epoch, batch after batch."""
        indices, pairs = self.plan()
        positions = np.arange(indices.size).reshape(indices.shape)
        first = self.rank * self.batch_size
        share = slice(first, first + self.batch_size)
        columns = (
            a[:, share].ravel().tolist() for a in (indices, positions, pairs)
        )
        for index, position, pair in zip(*columns, strict=True):
            yield Draw(index, self.seed, self.epoch, position, pair)


def rows_of_modalities(sampler: EpochSampler, dataset: Any) -> list[Ints]:
    """Rows of visible, and of infrared, images; ValueError without any."""
    modality = dataset.field('modality')
    rows = [np.flatnonzero(modality == m) for m in (VISIBLE, INFRARED)]
    for name, members in zip(MODALITY_NAMES, rows, strict=True):
        if not len(members):
            raise ConfigError(
                f'{type(sampler).__name__}: no {name} image, but it needs '
                'both modalities; add some to the split, and leave the data '
                "set's modality at 'both'."
            )
    return rows


def check_pairs(owner: str, batch_size: int, num_pairs: int | None) -> None:
    """Raise ValueError unless batches of whole pairs can be made."""
    check_positive(owner, batch_size=batch_size, num_pairs_per_epoch=num_pairs)
    rule = 'even, as it counts images, half visible and half infrared'
    check(f'{owner}.batch_size', batch_size, batch_size % 2 == 0, rule)
