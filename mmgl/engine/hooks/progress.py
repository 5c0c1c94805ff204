"""Progress and remaining time of a run, for people and for programs."""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from mmengine.dist import is_main_process
from mmengine.hooks import Hook

from mmgl.registry import HOOKS

# Names a file in which a program that started the run finds its progress.
PROGRESS_VARIABLE = 'MMGL_PROGRESS_FILE'


def format_duration(seconds: float) -> str:
    """Return ``m:ss`` or ``h:mm:ss``.

    Args:
        seconds: Duration in seconds, not negative.

    Returns:
        The duration, whole seconds.
    """
    minutes, second = divmod(round(max(seconds, 0)), 60)
    hours, minute = divmod(minutes, 60)
    if hours:
        return f'{hours}:{minute:02d}:{second:02d}'
    return f'{minute}:{second:02d}'


def write_progress(
    path: str | Path, done: float, total: float, text: str
) -> None:
    """Leave the progress in a small JSON file, replaced in one step.

    Args:
        path: The file; its folder must exist.
        done: Amount of work done.
        total: Amount of work in all.
        text: What is being done, in words.
    """
    path = Path(path)
    temporary = path.with_name(f'.{path.name}.part')
    content = dict(done=done, total=total, text=text)
    temporary.write_text(json.dumps(content), encoding='utf-8')
    os.replace(temporary, path)


@HOOKS.register_module()
class ProgressHook(Hook):
    """Show one line of progress with the remaining time.

    On a terminal the line is renewed in place; elsewhere one is written
    every ``interval`` seconds. Time spent before a resumed run started does
    not count into its speed. If the environment variable
    ``MMGL_PROGRESS_FILE`` names a file, the progress is kept there too.

    Args:
        name: What the line calls the run.
        interval: Seconds between two lines where there is no terminal.
        stream: File to write to; None is standard error.
        clock: Function giving the time in seconds.

    Raises:
        ValueError: If ``interval`` is negative.
    """

    priority = 'VERY_LOW'
    # Seconds between two updates of a terminal line or of the file.
    REFRESH = 0.5

    def __init__(
        self,
        name: str = 'training',
        interval: float = 30.0,
        stream=None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if interval < 0:
            raise ValueError(
                f'ProgressHook.interval must not be negative, got {interval}'
            )
        self.name = name
        self.interval = interval
        self.stream = sys.stderr if stream is None else stream
        self.clock = clock
        self.file = os.environ.get(PROGRESS_VARIABLE)

    def before_train(self, runner) -> None:
        """Remember when and where this process began.

        Args:
            runner: The Runner.
        """
        self._begin(runner.iter)

    def before_test(self, runner) -> None:
        """Remember when the test began.

        Args:
            runner: The Runner.
        """
        self._begin(0)

    def after_train_iter(
        self,
        runner,
        batch_idx: int,
        data_batch=None,
        outputs: dict | None = None,
    ) -> None:
        """Show the line when it is due.

        Args:
            runner: The Runner.
            batch_idx: Number of the batch in the epoch.
            data_batch: The batch, not read.
            outputs: Logged values, of which ``loss`` is shown.
        """
        words = f'epoch {runner.epoch + 1}/{runner.max_epochs}'
        if outputs and 'loss' in outputs:
            # Reading the loss waits for the GPU, hence only when shown.
            loss = torch.as_tensor(outputs['loss']).detach()
            self._update(
                runner.iter + 1,
                runner.max_iters,
                lambda: f'{words}, loss {loss.item():.3f}',
            )
        else:
            self._update(runner.iter + 1, runner.max_iters, lambda: words)

    def after_val_iter(
        self, runner, batch_idx: int, data_batch=None, outputs=None
    ) -> None:
        """Show that the run is validating.

        Args:
            runner: The Runner.
            batch_idx: Number of the batch.
            data_batch: The batch, not read.
            outputs: Predictions, not read.
        """
        batches = len(runner.val_dataloader)
        self._update(
            runner.iter,
            runner.max_iters,
            lambda: f'validating, batch {batch_idx + 1}/{batches}',
            last=False,
        )

    def after_test_iter(
        self, runner, batch_idx: int, data_batch=None, outputs=None
    ) -> None:
        """Show the line of a test when it is due.

        Args:
            runner: The Runner.
            batch_idx: Number of the batch.
            data_batch: The batch, not read.
            outputs: Predictions, not read.
        """
        batches = len(runner.test_dataloader)
        self._update(
            batch_idx + 1,
            batches,
            lambda: f'test batch {batch_idx + 1}/{batches}',
        )

    def after_run(self, runner) -> None:
        """Leave the last line standing on a terminal.

        Args:
            runner: The Runner.
        """
        if is_main_process() and self.stream.isatty():
            self.stream.write('\n')

    def _begin(self, first: int) -> None:
        """Start the clock at a number of work already done."""
        self.started = self.last_line = self.last_file = self.clock()
        self.first = first

    def _update(
        self,
        done: int,
        total: int,
        words: Callable[[], str],
        last: bool = True,
    ) -> None:
        """Write the line and the file if they are due."""
        if not is_main_process():
            return
        now, terminal = self.clock(), self.stream.isatty()
        complete = last and done >= total
        every = self.REFRESH if terminal else self.interval
        line_due = complete or now - self.last_line >= every
        file_due = self.file and (
            complete or now - self.last_file >= self.REFRESH
        )
        if not line_due and not file_due:
            return
        text = words()
        if file_due:
            self.last_file = now
            write_progress(self.file, done, total, text)
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
            f'{format_duration(left)} left'
        )
