"""A run whose loss is no number any more should not go on."""

import math

import torch
from mmengine.hooks import Hook

from mmgl.registry import HOOKS


class TrainingDivergedError(RuntimeError):
    """The loss became infinite or NaN."""


@HOOKS.register_module()
class StopOnNonFiniteHook(Hook):
    """Stop with a clear verdict when a loss is infinite or NaN.

    Checked every ``interval`` iterations and at the end of each epoch,
    before the checkpoint is saved.

    Args:
        interval: Iterations between two checks; reading a loss waits for
            the GPU.

    Raises:
        ValueError: If ``interval`` is below 1.
    """

    # Before CheckpointHook (VERY_LOW) and the log of the iteration.
    priority = 'NORMAL'

    def __init__(self, interval: int = 10) -> None:
        if interval < 1:
            raise ValueError(
                f'StopOnNonFiniteHook.interval must be at least 1, got '
                f'{interval}')
        self.interval = interval

    def after_train_iter(self,
                         runner,
                         batch_idx: int,
                         data_batch=None,
                         outputs: dict | None = None) -> None:
        """Check the losses of this iteration.

        Args:
            runner: The Runner.
            batch_idx: Number of the batch in the epoch.
            data_batch: The batch, not read.
            outputs: Logged values by name.

        Raises:
            TrainingDivergedError: Naming iteration and loss terms.
        """
        last = self.end_of_epoch(runner.train_dataloader, batch_idx)
        if not last and not self.every_n_inner_iters(batch_idx, self.interval):
            return
        terms = {
            name: _to_float(value)
            for name, value in (outputs or {}).items() if 'loss' in name
        }
        bad = [k for k, v in terms.items() if not math.isfinite(v)]
        if bad:
            listing = ', '.join(f'{k}={v:g}' for k, v in terms.items())
            raise TrainingDivergedError(
                f'training diverged: {", ".join(bad)} not finite at '
                f'iteration {runner.iter + 1} (epoch {runner.epoch + 1}); '
                f'all terms: {listing}. Lower the learning rate, lengthen '
                'the warm-up or clip the gradient '
                '(optim_wrapper.clip_grad).')


def _to_float(value) -> float:
    """Return a logged value as a float; the mean if it has several."""
    if isinstance(value, torch.Tensor):
        return float(value.detach().float().mean())
    return float(value)
