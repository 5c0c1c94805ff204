"""Progress and remaining time of a run, for people and for programs."""

import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TextIO

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmgl.engine.logged import Outputs, to_float
from mmgl.registry import HOOKS
from mmgl.utils.checks import require
from mmgl.utils.progress import PROGRESS_VARIABLE, duration, write_progress


@HOOKS.register_module()
class ProgressHook(Hook):  # type: ignore[misc]
    """Show one line of progress with the remaining time.

    On a terminal the line is renewed in place; elsewhere one is written
    every ``interval`` seconds, to standard error unless a stream is given. If
    ``MMGL_PROGRESS_FILE`` names a file, the progress is kept there too. What
    was done before a resumed run started does not count into its speed.
    """

    priority = 'VERY_LOW'
    # Seconds between two updates of a terminal line or of the file.
    REFRESH = 0.5

    def __init__(
        self,
        name: str = 'training',
        interval: float = 30.0,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        require(self, interval >= 0, 'interval >= 0', interval)
        self.name = name
        self.interval = interval
        self.stream = sys.stderr if stream is None else stream
        self.clock = clock
        self.file = os.environ.get(PROGRESS_VARIABLE)

    def before_train(self, runner: Runner) -> None:
        """Remember when and where this process began."""
        self._begin(runner.iter)

    def before_test(self, runner: Runner) -> None:
        """Remember when the test began."""
        self._begin(0)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, outputs: Outputs = None, **_: Any
    ) -> None:
        """Show the line, with the loss, when it is due."""

        def words() -> str:
            text = f'epoch {runner.epoch + 1}/{runner.max_epochs}'
            if not outputs or 'loss' not in outputs:
                return text
            # Reading the loss waits for the GPU, hence only when shown.
            return f'{text}, loss {to_float(outputs["loss"]):.3f}'

        self._update(runner.iter + 1, runner.max_iters, words)

    def after_val_iter(self, runner: Runner, batch_idx: int, **_: Any) -> None:
        """Show that the run is validating."""
        batches = len(runner.val_dataloader)
        text = f'validating, batch {batch_idx + 1}/{batches}'
        self._update(runner.iter, runner.max_iters, lambda: text, last=False)

    def after_test_iter(
        self, runner: Runner, batch_idx: int, **_: object
    ) -> None:
        """Show the line of a test when it is due."""
        done, batches = batch_idx + 1, len(runner.test_dataloader)
        self._update(done, batches, lambda: f'test batch {done}/{batches}')

    def after_run(self, runner: Runner) -> None:
        """Leave the last line standing on a terminal."""
        if is_main_process() and self.stream.isatty():
            self.stream.write('\n')

    def _begin(self, first: int) -> None:
        """Start the clock at a number of work already done."""
        self.started = self.last_line = self.last_file = self.clock()
        self.first = first

    def _update(
        self, done: int, total: int, show: Callable[[], str], last: bool = True
    ) -> None:
        """Write the line and the file if they are due."""
        if not is_main_process():
            return
        now, terminal = self.clock(), self.stream.isatty()
        complete = last and done >= total
        every = self.REFRESH if terminal else self.interval
        line_due = complete or now - self.last_line >= every
        file_due = complete or now - self.last_file >= self.REFRESH
        file = self.file if file_due else None
        if not line_due and not file:
            return
        text = show()
        if file:
            self.last_file = now
            with suppress(OSError):  # a full disk stops no run here
                write_progress(file, done, total, text)
        if line_due:
            self.last_line = now
            line = self._line(now, done, total, text)
            # \033[K erases what a longer line left behind.
            self.stream.write(f'\r{line}\033[K' if terminal else f'{line}\n')
            self.stream.flush()

    def _line(self, now: float, done: int, total: int, text: str) -> str:
        """Compose the line."""
        here = max(done - self.first, 1)
        left = (now - self.started) * (total - done) / here
        return (
            f'{self.name} {done / max(total, 1):4.0%} | {text} | '
            f'{duration(left)} left'
        )
