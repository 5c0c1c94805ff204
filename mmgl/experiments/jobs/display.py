"""Showing progress: one living line on a terminal, lines in a log."""

import shutil
import sys
import time
from typing import TextIO

from .eta import Outlook


def clock(seconds: float) -> str:
    """Write a duration as m:ss or h:mm:ss.

    Args:
        seconds: The duration.

    Returns:
        Its text.
    """
    whole = round(seconds)
    hours, rest = divmod(whole, 3600)
    minutes, second = divmod(rest, 60)
    if hours:
        return f'{hours}:{minutes:02d}:{second:02d}'
    return f'{minutes}:{second:02d}'


class Display:
    """Prints messages and the progress.

    Args:
        stream: Where to print.
        interval: Seconds between two progress lines where the stream is not
            a terminal.
    """

    def __init__(self, stream: TextIO | None = None, interval: float = 10.0):
        self.stream = stream or sys.stdout
        self.living = self.stream.isatty()
        self.interval = interval
        self._last = 0.0
        self._shown = False

    def say(self, text: str = '') -> None:
        """Print a message on lines of its own.

        Args:
            text: The message.
        """
        self._wipe()
        print(text, file=self.stream, flush=True)

    def begin(self) -> None:
        """Let the next progress line appear at once."""
        self._last = float('-inf')

    def progress(
        self,
        number: int,
        count: int,
        title: str,
        fraction: float,
        outlook: Outlook,
        text: str = '',
    ) -> None:
        """Show the progress, refreshed or now and then.

        Args:
            number: Number of the running stage, from 1.
            count: Number of stages.
            title: What it does.
            fraction: Share of it that is done.
            outlook: The whole job.
            text: Words of the stage itself, such as the epoch.
        """
        now = time.monotonic()
        if not self.living and now - self._last < self.interval:
            return
        self._last = now
        line = (
            f'[{number}/{count}] {title}: {100 * fraction:3.0f} %, '
            f'{clock(outlook.stage_left)} left | whole job '
            f'{100 * outlook.fraction:3.0f} %, '
            f'{clock(outlook.total_left)} left'
        )
        if text:
            line += f' | {text}'
        if not self.living:
            print(line, file=self.stream, flush=True)
            return
        width = shutil.get_terminal_size().columns - 1
        self._wipe()
        self.stream.write(line[:width])
        self.stream.flush()
        self._shown = True

    def _wipe(self) -> None:
        if self._shown:
            self.stream.write('\r\x1b[2K')
            self._shown = False
