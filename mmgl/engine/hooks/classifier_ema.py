"""Moving averages of MPANet's modality classifiers."""

from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmgl.engine.bare_model import part_at
from mmgl.models.protocols import averages_classifiers
from mmgl.registry import HOOKS
from mmgl.utils.checks import require


@HOOKS.register_module()
class ClassifierEmaHook(Hook):  # type: ignore[misc]
    r"""Move averaged classifiers once an optimizer step.

    Follows MPANet: in epoch e, counted from 1, the averages take over the
    share :math:`\rho = rate \cdot \min(1, hold / (e + 1))` of the
    classifiers: 0.2 up to epoch 99, 0.142 in epoch 140. The published code
    does it at the start of every forward pass; after the step before, as
    here, the averages are the same (but for the step between two epochs),
    they are saved up to date, and gradient accumulation does not count twice.
    Averages are buffers of the model, so resuming needs no state.

    ``head`` is the dotted path, below the model, of a module with a method
    ``update_average(rate)``, such as ``ModalityClassifierHead``.
    """

    # Before checkpoints are written.
    priority = 'NORMAL'

    def __init__(
        self, head: str = 'heads.modality', rate: float = 0.2, hold: int = 100
    ) -> None:
        require(self, 0 < rate <= 1, '0 < rate <= 1', rate)
        require(self, hold >= 1, 'hold >= 1', hold)
        self.head = head
        self.rate = rate
        self.hold = hold

    def rate_in_epoch(self, epoch: int) -> float:
        """Share that the averages take over in an epoch, counted from 1."""
        return self.rate * min(1.0, self.hold / (epoch + 1))

    def before_train(self, runner: Runner) -> None:
        """Find the head."""
        words = f'head {self.head!r} with averaged classifiers'
        self._averages = part_at(
            runner, self, self.head, averages_classifiers, words
        )

    def after_train_iter(self, runner: Runner, *_: Any, **__: Any) -> None:
        """Update after an iteration in which the optimizer took a step."""
        if runner.optim_wrapper.should_update():
            self._averages.update_average(self.rate_in_epoch(runner.epoch + 1))
