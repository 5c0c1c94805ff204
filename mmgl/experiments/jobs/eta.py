"""Remaining time of a chain of stages of very different cost."""

from collections.abc import Sequence
from statistics import mean
from typing import NamedTuple

from .stage import Stage


class Outlook(NamedTuple):
    """Share done of the whole job in [0, 1], and seconds that remain."""

    fraction: float
    stage_left: float
    total_left: float


class Estimator:
    """Predicts durations from expectations and from what was measured.

    A stage not yet begun takes as long as measured stages of its kind and
    config; where none was measured, its expected time is scaled by how this
    machine compares with the expectations so far.

    Args:
        stages: All stages in order.
        after: Seconds of work that follows the last stage.
        parallel: Stages that run at a time.
    """

    def __init__(
        self, stages: Sequence[Stage], after: float = 0.0, parallel: int = 1
    ):
        self.stages = list(stages)
        self.after = after
        self.parallel = parallel
        self.measured: dict[str, float] = {}

    def finish(self, name: str, seconds: float) -> None:
        """Note how long a stage took.

        Args:
            name: Its name.
            seconds: Its duration, over all its starts.
        """
        self.measured[name] = seconds

    def _predict(
        self, stage: Stage, now: tuple[float, float] | None = None
    ) -> float:
        same = [
            self.measured[s.name]
            for s in self.stages
            if s.pace == stage.pace and s.name in self.measured
        ]
        if same:
            return mean(same)
        pairs = [
            (self.measured[s.name], s.seconds)
            for s in self.stages
            if s.name in self.measured
        ]
        if now is not None:
            pairs.append(now)
        # A tenth of the whole job counts as done at the expected speed, so
        # that a short first stage does not sway the rest.
        prior = 0.1 * sum(s.seconds for s in self.stages)
        measured, expected = (
            sum(column) for column in zip(*pairs, (0, 0), strict=True)
        )
        return stage.seconds * (measured + prior) / (expected + prior)

    def outlook(
        self, current: str, elapsed: float, fraction: float
    ) -> Outlook:
        """Estimate what remains while a stage runs.

        Args:
            current: Name of the running stage.
            elapsed: Seconds it has run.
            fraction: Share of it that is done, in [0, 1].

        Returns:
            The outlook.
        """
        stage = next(s for s in self.stages if s.name == current)
        total = self._predict(stage)
        # What the stage itself shows counts fully from a fifth of it on; the
        # first seconds are start-up and would mislead.
        trust = min(1.0, 5 * fraction)
        if fraction > 0:
            total = (1 - trust) * total + trust * elapsed / fraction
        left = max(total - elapsed, 0.0)
        now = (total, stage.seconds) if trust == 1 else None
        later = (
            self.after
            + sum(
                self._predict(s, now)
                for s in self.stages
                if s.name not in self.measured and s.name != current
            )
            / self.parallel
        )
        spent = elapsed + sum(
            v for k, v in self.measured.items() if k != current
        )
        whole = spent + left + later
        return Outlook(spent / whole if whole else 0.0, left, left + later)
