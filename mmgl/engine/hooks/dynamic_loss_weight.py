"""A loss whose weight follows the other losses."""

from typing import Any

import torch
from mmengine.dist import all_reduce
from mmengine.hooks import Hook
from mmengine.runner import IterBasedTrainLoop, Runner
from torch import Tensor

from mmgl.engine.bare_model import part_at
from mmgl.engine.logged import Outputs, losses_of
from mmgl.models.protocols import is_ramped
from mmgl.registry import HOOKS


@HOOKS.register_module()
class DynamicLossWeightHook(Hook):  # type: ignore[misc]
    r"""Let one head in as the losses of the others fall.

    The dynamic dual aggregation learning of DDAG. The weight of the head is
    0 in the first epoch and :math:`\lambda_e = 1 / (1 + \bar L_{e-1})` in
    epoch e, where :math:`\bar L` is the mean over the iterations of an epoch,
    and over the ranks, of the sum of all *other* losses.

    The weight is the buffer ``ramp`` of the head, so a resumed run goes on
    with it (the public code starts again at 0). ``head`` is its name among
    ``model.heads``; its losses are logged as ``HEAD/...``.
    """

    # Before CheckpointHook (VERY_LOW), which must save the new weight.
    priority = 'NORMAL'

    _ramp: Tensor
    _sum: Tensor

    def __init__(self, head: str = 'graph') -> None:
        self.head = head
        self._count = 0

    def before_train(self, runner: Runner) -> None:
        """Find the head, and set its weight to 0 unless the run goes on."""
        words = f'head {self.head!r} with a ramp'
        path = f'heads.{self.head}'
        self._ramp = part_at(runner, self, path, is_ramped, words).ramp
        if isinstance(runner.train_loop, IterBasedTrainLoop):
            raise ValueError(
                'DynamicLossWeightHook changes the weight after each epoch; '
                'use train_cfg=dict(by_epoch=True) or remove the hook.'
            )
        if runner.epoch == 0:
            # The weights may come from the end of another run.
            self._ramp.zero_()

    def before_train_epoch(self, runner: Runner) -> None:
        """Begin a new mean."""
        self._sum = torch.zeros_like(self._ramp)
        self._count = 0

    def after_train_iter(
        self, runner: Runner, batch_idx: int, outputs: Outputs = None, **_: Any
    ) -> None:
        """Add up the losses of the other heads and of plugins."""
        for name, value in losses_of(outputs or {}).items():
            if name != 'loss' and not name.startswith(f'{self.head}/'):
                self._sum += value.detach()
        self._count += 1

    def after_train_epoch(self, runner: Runner) -> None:
        """Set the weight of the next epoch."""
        mean = self._sum / max(self._count, 1)
        all_reduce(mean, op='mean')
        self._ramp.copy_(1 / (1 + mean))
