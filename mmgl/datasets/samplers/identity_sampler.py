"""Batches of P identities x K images per modality for fine-tuning."""

import numpy as np

from mmgl.registry import DATA_SAMPLERS
from mmgl.utils.errors import ConfigError

from ..checks import check, check_positive
from ..randomness import keyed_generator
from ..reid_dataset import ReIDDataset
from ..types import Ints
from .base import EpochSampler
from .identity_plans import IDENTITY_PLANS, identity_groups


@DATA_SAMPLERS.register_module()
class IdentitySampler(EpochSampler):
    """P identities with K visible and K infrared images each.

    What an epoch is differs between methods by a factor of thirty, so their
    numbers of epochs do not compare; :mod:`.identity_plans` says how each
    draws and how long it is.

    - ``'iterations'``, AGW and its successors: identities drawn uniformly in
      each iteration, images with replacement. By default 696 iterations for
      SYSU-MM01, 65 for RegDB.
    - ``'ids'``, MutualInfo: one pass over the identities. 24 for SYSU-MM01
      with P = 16, 25 for RegDB with P = 8 and 51 with P = 4.
    - ``'images'``, MPANet: about one pass over the images. 182 for SYSU-MM01
      with 16 x (4 + 4), 34 for RegDB with 12 x (5 + 5).

    No identity is on two ranks in the same iteration. Rows are grouped by
    identity: K visible, then K infrared, of which the k-th ones share a pair
    number.

    Args:
        dataset: Training data set with both modalities.
        num_ids: Identities P per rank and iteration.
        num_instances: Images K per identity and modality.
        epoch: What an epoch goes over.
        seed: mmengine knows it, rank and world size unless given.
        num_iters: Iterations of an epoch; None is the rule above, more are
            several passes with 'ids' and 'images'.
        rank: Rank.
        world_size: Number of processes.
    """

    def __init__(
        self,
        dataset: ReIDDataset,
        num_ids: int = 8,
        num_instances: int = 4,
        epoch: str = 'iterations',
        seed: int | None = None,
        num_iters: int | None = None,
        rank: int | None = None,
        world_size: int | None = None,
    ) -> None:
        sizes = dict(num_ids=num_ids, num_instances=num_instances)
        check_positive('IdentitySampler', num_iters=num_iters, **sizes)
        fits = epoch in IDENTITY_PLANS
        rule = f'one of {", ".join(map(repr, IDENTITY_PLANS))}'
        check('IdentitySampler.epoch', epoch, fits, rule)
        batch_size = num_ids * num_instances * 2
        super().__init__(dataset, batch_size, seed, rank, world_size)
        pids = dataset.field('pid')
        per_iter = num_ids * self.world_size
        num_classes = len(np.unique(pids))
        if num_classes < per_iter:
            raise ConfigError(
                f'IdentitySampler: num_ids={num_ids} x {self.world_size} '
                f'process(es) needs {per_iter} identities, the data set has '
                f'{num_classes}; lower num_ids.'
            )
        groups = identity_groups(pids, dataset.field('modality'))
        # ``self.epoch`` is the number of the current epoch.
        plan = IDENTITY_PLANS[epoch]
        self.identities = plan(groups, per_iter, num_instances)
        self.num_iters = num_iters or self.identities.length()

    def plan(self) -> tuple[Ints, Ints]:
        """Plan the current epoch; see the base class."""
        rng = keyed_generator((self.seed, self.epoch), self.identities.stream)
        indices = self.identities.draw(rng, self.num_iters)
        # One number for the k-th image of both modalities.
        visible = indices[:, :, :1]
        pairs = np.arange(visible.size).reshape(visible.shape)
        shape = self.num_iters, -1
        return indices.reshape(shape), pairs.repeat(2, axis=2).reshape(shape)
