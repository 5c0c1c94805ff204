"""What the samplers share: seed, epoch, sharding and exact length."""

from abc import abstractmethod
from collections.abc import Iterator

import numpy as np
from mmengine.dist import get_dist_info, sync_random_seed
from torch.utils.data import Sampler

from ..randomness import Draw, check_seed
from ..reid_dataset import ReIDDataset


class EpochSampler(Sampler):
    """Sampler that plans an epoch for all ranks and yields its own share.

    Every rank computes the same plan from (seed, epoch): for each iteration
    one global batch. Rank ``r`` takes the ``r``-th of ``world_size`` equal
    pieces of each global batch, so no two ranks share a draw, and the ranks'
    batches put together are the batch one process would see with a batch
    size ``world_size`` times as large.

    Args:
        dataset: Data set to draw from.
        batch_size: Images per rank and iteration; must equal the
            ``batch_size`` of the data loader.
        seed: Seed; None lets mmengine agree on one over all ranks.
        rank: Rank of this process; None asks mmengine.
        world_size: Number of processes; None asks mmengine.

    Raises:
        TypeError: If the data set is no :class:`ReIDDataset`.
        ValueError: For a bad seed or rank.
    """

    def __init__(
        self,
        dataset: ReIDDataset,
        batch_size: int,
        seed: int | None = None,
        rank: int | None = None,
        world_size: int | None = None,
    ) -> None:
        if not isinstance(dataset, ReIDDataset):
            raise TypeError(
                f'{type(self).__name__} needs a ReIDDataset, got '
                f'{type(dataset).__name__}; wrappers such as RepeatDataset '
                'are not needed, the sampler decides the length of an epoch.'
            )
        self.rank, self.world_size = resolve_rank(
            type(self).__name__, rank, world_size
        )
        self.seed = check_seed(sync_random_seed() if seed is None else seed)
        self.batch_size = batch_size
        self.epoch = 0

    @property
    @abstractmethod
    def num_iters(self) -> int:
        """Iterations, that is batches of this rank, in an epoch."""

    @abstractmethod
    def plan(self) -> tuple[np.ndarray, np.ndarray]:
        """Plan the current epoch.

        Returns:
            Indices into the data set and pair numbers, both of shape
            ``(num_iters, world_size * batch_size)``.
        """

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch; called by mmengine before each one.

        Args:
            epoch: Epoch, from 0.
        """
        self.epoch = epoch

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

    def __len__(self) -> int:
        """Return how many draws this rank yields per epoch, exactly."""
        return self.num_iters * self.batch_size


def check_positive(owner: str, **values: int | None) -> None:
    """Raise ValueError for a value that is no whole number above 0.

    Args:
        owner: Class named in the message.
        **values: Values by name; None is let through.
    """
    for name, value in values.items():
        if value is not None and (not isinstance(value, int) or value < 1):
            raise ValueError(
                f'{owner}.{name} must be a whole number above 0, got {value!r}'
            )


def resolve_rank(
    owner: str, rank: int | None, world_size: int | None
) -> tuple[int, int]:
    """Return rank and number of processes.

    Args:
        owner: Class named in the message.
        rank: Rank of this process; None asks mmengine.
        world_size: Number of processes; None asks mmengine.

    Returns:
        Both.

    Raises:
        ValueError: If they do not fit together.
    """
    dist_rank, dist_world_size = get_dist_info()
    rank = dist_rank if rank is None else rank
    world_size = dist_world_size if world_size is None else world_size
    if not 0 <= rank < world_size:
        raise ValueError(
            f'{owner}: rank must be from 0 to world_size - 1, '
            f'got rank={rank}, world_size={world_size}'
        )
    return rank, world_size
