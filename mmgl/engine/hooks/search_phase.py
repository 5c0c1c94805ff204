"""Phases of a feature search."""

import logging
from typing import Any

from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner

from mmgl.engine.bare_model import bare_model
from mmgl.models.functional.feature_search import HARD, PHASES, SEARCH, WARM_UP
from mmgl.models.layers import FeatureSearchCell
from mmgl.registry import HOOKS
from mmgl.utils.checks import require


@HOOKS.register_module()
class SearchPhaseHook(Hook):  # type: ignore[misc]
    r"""Lead the :class:`FeatureSearchCell` layers through their phases.

    Up to epoch ``warmup_end`` all gates are 1; then they are searched while
    the temperature falls exponentially, :math:`T = T_0 (T_1 / T_0)^t`, from
    ``begin_temperature`` to ``end_temperature``; from ``search_end`` on they
    are hard. Outside the search the optimizer does not see the gradient of
    the search parameters (which is 0) and so moves them by neither momentum
    nor weight decay. They keep ``requires_grad``, since distributed training
    fixes at its start which parameters it exchanges.

    Buffers of the cells hold phase and temperature, so resuming and testing
    need no more. Epochs may be fractions. No drop of the learning rate should
    come before ``search_end``, because the search would lose its pace.
    """

    def __init__(
        self,
        warmup_end: float,
        search_end: float,
        begin_temperature: float = 1.0,
        end_temperature: float = 0.1,
    ) -> None:
        good = 0 <= warmup_end < search_end
        rule = '0 <= warmup_end < search_end'
        require(self, good, rule, (warmup_end, search_end))
        temperatures = (begin_temperature, end_temperature)
        require(self, min(temperatures) > 0, 'temperatures > 0', temperatures)
        self.warmup_end = warmup_end
        self.search_end = search_end
        self.begin_temperature = begin_temperature
        self.end_temperature = end_temperature
        self.phase: str | None = None
        self._cells: list[FeatureSearchCell] = []

    def state_at(self, epoch: float) -> tuple[str, float]:
        """Phase and temperature after so many epochs, fractions included."""
        done = (epoch - self.warmup_end) / (self.search_end - self.warmup_end)
        ratio = self.end_temperature / self.begin_temperature
        clipped = min(1.0, max(0.0, done))
        phase = WARM_UP if done < 0 else SEARCH if done < 1 else HARD
        return PHASES[phase], self.begin_temperature * ratio**clipped

    def before_train(self, runner: Runner) -> None:
        """Find the cells and watch over the steps of the optimizer."""
        self._cells = [
            m
            for m in bare_model(runner).modules()
            if isinstance(m, FeatureSearchCell)
        ]
        if not self._cells:
            raise ValueError(
                'SearchPhaseHook: the model has no FeatureSearchCell; add '
                'cells to model.backbone.plugins or remove the hook from '
                'custom_hooks.'
            )
        if self.search_end >= runner.max_epochs:
            print_log(
                f'SearchPhaseHook: search_end={self.search_end} is not '
                f'reached before train_cfg.max_epochs={runner.max_epochs}; '
                'the gates will not be hard and cannot be exported.',
                'current',
                logging.WARNING,
            )
        optimizer = runner.optim_wrapper.optimizer
        self._handle = optimizer.register_step_pre_hook(self._forget_gradients)

    def before_train_iter(self, runner: Runner, *_: Any, **__: Any) -> None:
        """Set phase and temperature of this iteration."""
        epoch = runner.iter / len(runner.train_dataloader)
        phase, temperature = self.state_at(epoch)
        if phase != self.phase:
            text = f'feature search: phase {phase!r} from epoch {epoch:g}'
            print_log(text, 'current')
        self.phase = phase
        for cell in self._cells:
            cell.set_phase(phase, temperature)

    def after_train(self, runner: Runner) -> None:
        """Let go of the optimizer."""
        self._handle.remove()

    def _forget_gradients(self, *_: object) -> None:
        """Drop gradients before a step outside the search."""
        if self.phase == PHASES[SEARCH]:
            return
        for cell in self._cells:
            for parameter in cell.parameters():
                parameter.grad = None
