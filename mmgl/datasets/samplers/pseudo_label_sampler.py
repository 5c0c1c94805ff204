"""Batches of P clusters x K images of each modality."""

from collections.abc import Iterator

import numpy as np

from mmgl.registry import DATA_SAMPLERS
from mmgl.structures import MODALITY_NAMES
from mmgl.utils.errors import ConfigError

from ..checks import check_positive
from ..randomness import Draw, keyed_generator
from ..reid_dataset import ReIDDataset
from ..types import Ints
from .base import EpochSampler, rows_of_modalities
from .identity_plans import UniformPlan, group_images


@DATA_SAMPLERS.register_module()
class PseudoLabelSampler(EpochSampler):
    """P visible and P infrared clusters with K images each.

    Clusters are drawn uniformly in each iteration, images with replacement;
    those of the two modalities have nothing to do with one another. Each draw
    carries the number of its cluster, which stands for the pid; no pid of the
    data set is read. ``PseudoLabelHook`` assigns the clusters.

    Args:
        dataset: Training data set with both modalities.
        num_ids: Clusters P per modality, rank and iteration.
        num_instances: Images K per cluster.
        seed: mmengine knows it, rank and world size unless given.
        num_iters: Iterations of an epoch; None is floor(size of the larger
            modality / (P K world)) + 1.
        rank: Rank.
        world_size: Number of processes.
    """

    def __init__(
        self,
        dataset: ReIDDataset,
        num_ids: int = 8,
        num_instances: int = 16,
        seed: int | None = None,
        num_iters: int | None = None,
        rank: int | None = None,
        world_size: int | None = None,
    ) -> None:
        check_positive(
            'PseudoLabelSampler',
            num_ids=num_ids,
            num_instances=num_instances,
            num_iters=num_iters,
        )
        batch_size = num_ids * num_instances * 2
        super().__init__(dataset, batch_size, seed, rank, world_size)
        self.num_ids = num_ids * self.world_size
        self.num_instances = num_instances
        self.modality = dataset.field('modality')
        larger = max(map(len, rows_of_modalities(self, dataset)))
        length = larger // (self.num_ids * num_instances) + 1
        self.num_iters = num_iters or length
        self._labels = np.full(len(dataset), -1)

    def assign(self, labels: Ints) -> None:
        """Take the numbers ``(n,)`` of the clusters; -1 leaves an image out.

        No cluster has images of both modalities.
        """
        self._labels = labels

    def plan(self) -> tuple[Ints, Ints]:
        """Plan the current epoch; see the base class."""
        drawn = []
        for number, name in enumerate(MODALITY_NAMES):
            rows = (self.modality == number) & (self._labels >= 0)
            members = np.flatnonzero(rows)
            found, labels = np.unique(
                self._labels[members], return_inverse=True
            )
            if len(found) < self.num_ids:
                raise ConfigError(
                    f'PseudoLabelSampler: {len(found)} clusters of {name} '
                    f'images, but a batch needs {self.num_ids}; add '
                    'PseudoLabelHook to custom_hooks, or lower num_ids.'
                )
            group = group_images(members, labels, len(found))
            plan = UniformPlan((group,), self.num_ids, self.num_instances)
            rng = keyed_generator((self.seed, self.epoch), f'{name} clusters')
            drawn.append(plan.draw(rng, self.num_iters))
        indices = np.concatenate(drawn, axis=2).reshape(self.num_iters, -1)
        # No image belongs to another one.
        return indices, np.arange(indices.size).reshape(indices.shape)

    def __iter__(self) -> Iterator[Draw]:
        """Yield draws with the number of the cluster."""
        for draw in super().__iter__():
            yield draw._replace(label=int(self._labels[draw.index]))
