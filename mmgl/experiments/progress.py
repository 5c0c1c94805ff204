"""Progress of a job: its remaining time, and how that is shown."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean
from typing import NamedTuple, TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

from mmgl.utils.progress import duration

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
    machine compares with the expectations so far. ``after`` are seconds of
    work that follows the last stage, ``parallel`` stages run at a time.
    """

    def __init__(
        self, stages: Sequence[Stage], after: float = 0.0, parallel: int = 1
    ) -> None:
        self.stages = {stage.name: stage for stage in stages}
        self.after = after
        self.parallel = parallel
        # Seconds by name of the stage, over all its starts.
        self.measured: dict[str, float] = {}

    def _predictor(
        self, now: tuple[float, float] = (0.0, 0.0)
    ) -> Callable[[Stage], float]:
        """Return what guesses durations.

        ``now`` are the measured and expected seconds of the current stage.
        """
        paces: dict[tuple[str, Path], list[float]] = {}
        expected, measured = now[1], now[0]
        for name, seconds in self.measured.items():
            stage = self.stages[name]
            paces.setdefault((stage.kind, stage.config), []).append(seconds)
            expected += stage.seconds
            measured += seconds
        # A tenth of the whole job counts as done at the expected speed, so
        # that a short first stage does not sway the rest.
        prior = 0.1 * sum(s.seconds for s in self.stages.values())
        ratio = (prior + measured) / (prior + expected)
        known = {pace: mean(values) for pace, values in paces.items()}
        return lambda s: known.get((s.kind, s.config), s.seconds * ratio)

    def outlook(
        self, current: str, elapsed: float, fraction: float
    ) -> Outlook:
        """Estimate what remains while a stage runs.

        It has run for ``elapsed`` seconds and is ``fraction`` of it done.
        """
        stage = self.stages[current]
        total = self._predictor()(stage)
        # What the stage itself shows counts fully from a fifth of it on; the
        # first seconds are start-up and would mislead.
        trust = min(1.0, 5 * fraction)
        if fraction > 0:
            total = (1 - trust) * total + trust * elapsed / fraction
        left = max(total - elapsed, 0.0)
        now = (total, stage.seconds) if trust == 1 else (0.0, 0.0)
        known = {**self.measured, current: elapsed}
        later = [s for name, s in self.stages.items() if name not in known]
        ahead = sum(map(self._predictor(now), later))
        left_all = left + ahead / self.parallel + self.after
        spent = sum(known.values())
        whole = spent + left_all
        return Outlook(spent / whole if whole else 0.0, left, left_all)


class Display:
    """Prints messages, and progress as one living line on a terminal.

    Elsewhere a line is printed every ``interval`` seconds.
    """

    def __init__(
        self, stream: TextIO | None = None, interval: float = 10.0
    ) -> None:
        self.console = Console(
            file=stream, highlight=False, markup=False, emoji=False
        )
        self.interval = interval
        self._living = Live(
            console=self.console, auto_refresh=False, transient=True
        )
        self.begin()

    def say(self, text: str = '') -> None:
        """Print a message on lines of its own."""
        self.console.print(text, soft_wrap=True)

    def begin(self) -> None:
        """Let the next progress line appear at once."""
        self._last = float('-inf')

    def progress(
        self,
        place: str,
        title: str,
        fraction: float,
        outlook: Outlook,
        text: str = '',
    ) -> None:
        """Show how far a stage and the whole job are.

        ``place`` is its number of how many, ``text`` words of its own.
        """
        line = (
            f'[{place}] {title}: {100 * fraction:3.0f} %, '
            f'{duration(outlook.stage_left)} left | '
            f'whole job {100 * outlook.fraction:3.0f} %, '
            f'{duration(outlook.total_left)} left'
        )
        line += f' | {text}' if text else ''
        now = time.monotonic()
        if self.console.is_terminal:
            self._living.start()
            shown = Text(line, no_wrap=True, overflow='crop')
            self._living.update(shown, refresh=True)
        elif now - self._last >= self.interval:
            self._last = now
            self.say(line)

    def close(self) -> None:
        """Take the living line off the terminal."""
        self._living.stop()
