"""Batches of streamed cross-modal pairs."""

from collections.abc import Iterator

from mmgl.registry import DATA_SAMPLERS

from ..randomness import Draw
from ..streamed_pairs import StreamedPairs, StreamPlan
from .base import RankSampler, check_pairs


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
