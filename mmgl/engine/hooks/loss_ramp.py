"""Linear ramp of a loss weight."""

from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmgl.engine.bare_model import part_at
from mmgl.models.protocols import is_ramped
from mmgl.registry import HOOKS
from mmgl.utils.checks import require


@HOOKS.register_module()
class LossRampHook(Hook):  # type: ignore[misc]
    """Raise a loss from 0 to its full weight over the first epochs.

    ``loss`` is the dotted path, below the model, of a module with a ``ramp``
    buffer that scales it, for example 'heads.part.contrast'. It is off up to
    epoch ``begin`` and full from epoch ``end`` on, whatever came before.
    """

    def __init__(self, loss: str, end: float, begin: float = 0) -> None:
        good = 0 <= begin < end
        require(self, good, '0 <= begin < end', (begin, end))
        self.loss = loss
        self.begin = begin
        self.end = end

    def before_train(self, runner: Runner) -> None:
        """Find the loss."""
        words = f'loss {self.loss!r} with a ramp'
        self._ramp = part_at(runner, self, self.loss, is_ramped, words).ramp

    def before_train_iter(self, runner: Runner, *_: Any, **__: Any) -> None:
        """Set the factor of this iteration."""
        epoch = runner.iter / len(runner.train_dataloader)
        factor = (epoch - self.begin) / (self.end - self.begin)
        self._ramp.fill_(min(1.0, max(0.0, factor)))
