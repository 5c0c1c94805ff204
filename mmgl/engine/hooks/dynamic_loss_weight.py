"""A loss whose weight follows the other losses."""

import torch
from mmengine.dist import all_reduce
from mmengine.hooks import Hook
from mmengine.runner import IterBasedTrainLoop

from mmgl.engine.bare_model import bare_model
from mmgl.registry import HOOKS


@HOOKS.register_module()
class DynamicLossWeightHook(Hook):
    r"""Let one head in as the losses of the others fall.

    The dynamic dual aggregation learning of DDAG. The weight of the head is
    0 in the first epoch and :math:`\lambda_e = 1 / (1 + \bar L_{e-1})` in
    epoch e, where :math:`\bar L` is the mean over the iterations of an epoch,
    and over the ranks, of the sum of all *other* losses.

    The weight is the buffer ``ramp`` of the head, so a checkpoint has it and
    a resumed run goes on with it (the public code starts again at 0).

    Args:
        head (str): Name of the head among ``model.heads``; its losses are
            logged as ``HEAD/...``. Defaults to 'graph'.
    """

    # Before CheckpointHook (VERY_LOW), which must save the new weight.
    priority = 'NORMAL'

    def __init__(self, head: str = 'graph') -> None:
        self.head = head
        self._ramp = None
        self._sum = None
        self._count = 0

    def before_train(self, runner) -> None:
        """Find the head, and set its weight to 0 unless the run goes on.

        Args:
            runner (Runner): The runner.

        Raises:
            ValueError: If there is no such head with a ``ramp``, or the
                training has no epochs.
        """
        heads = dict(getattr(bare_model(runner), 'heads', {}))
        self._ramp = getattr(heads.get(self.head), 'ramp', None)
        if self._ramp is None:
            raise ValueError(
                f'DynamicLossWeightHook: the model has no head {self.head!r} '
                f'with a ramp, only {sorted(heads)}; correct custom_hooks or '
                'remove the hook.'
            )
        if isinstance(runner.train_loop, IterBasedTrainLoop):
            raise ValueError(
                'DynamicLossWeightHook changes the weight after each epoch; '
                'use train_cfg=dict(by_epoch=True) or remove the hook.'
            )
        if runner.epoch == 0:
            # The weights may come from the end of another run.
            self._ramp.zero_()

    def before_train_epoch(self, runner) -> None:
        """Begin a new mean.

        Args:
            runner (Runner): The runner.
        """
        self._sum = torch.zeros_like(self._ramp)
        self._count = 0

    def after_train_iter(
        self,
        runner,
        batch_idx: int,
        data_batch=None,
        outputs: dict | None = None,
    ) -> None:
        """Add up the losses of the other heads and of plugins.

        Args:
            runner (Runner): The runner.
            batch_idx (int): Iteration inside the epoch.
            data_batch (dict, optional): Unused.
            outputs (dict, optional): Logged values by name.
        """
        for name, value in (outputs or {}).items():
            # 'loss' itself is the sum of all.
            if (
                'loss' in name
                and name != 'loss'
                and not name.startswith(f'{self.head}/')
            ):
                self._sum += value.detach()
        self._count += 1

    def after_train_epoch(self, runner) -> None:
        """Set the weight of the next epoch.

        Args:
            runner (Runner): The runner.
        """
        mean = self._sum / max(self._count, 1)
        all_reduce(mean, op='mean')
        self._ramp.copy_(1 / (1 + mean))
