"""Linear ramp of a loss weight."""

from mmengine.hooks import Hook

from mmgl.engine.bare_model import bare_model
from mmgl.registry import HOOKS


@HOOKS.register_module()
class LossRampHook(Hook):
    """Raise a loss from 0 to its full weight over the first epochs.

    The loss is a module with a ``ramp`` buffer that scales it, such as
    :class:`PartCycleContrastiveLoss`. The factor depends on the iteration
    alone, so resuming needs no state.

    Args:
        loss (str): Dotted path of the loss module below the model, for
            example 'part_head.contrast'.
        end (float): Epoch at which the full weight is reached.
        begin (float): Epoch up to which the loss is off. Defaults to 0.

    Raises:
        ValueError: If ``end`` does not lie behind ``begin``.
    """

    priority = 'NORMAL'

    def __init__(self, loss: str, end: float, begin: float = 0) -> None:
        if not 0 <= begin < end:
            raise ValueError(
                'LossRampHook needs 0 <= begin < end, got '
                f'begin={begin}, end={end}.'
            )
        self.loss = loss
        self.begin = begin
        self.end = end
        self._ramp = None

    def before_train(self, runner) -> None:
        """Find the loss module.

        Args:
            runner (Runner): The runner.

        Raises:
            ValueError: If there is no such loss with a ramp.
        """
        module = dict(bare_model(runner).named_modules()).get(self.loss)
        self._ramp = getattr(module, 'ramp', None)
        if self._ramp is None:
            raise ValueError(
                f'LossRampHook: the model has no loss {self.loss!r} with a '
                'ramp; correct custom_hooks or remove the hook.'
            )

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        """Set the factor of this iteration.

        Args:
            runner (Runner): The runner.
            batch_idx (int): Iteration inside the epoch.
            data_batch (dict, optional): Unused.
        """
        epoch = runner.iter / len(runner.train_dataloader)
        factor = (epoch - self.begin) / (self.end - self.begin)
        self._ramp.fill_(min(1.0, max(0.0, factor)))
