"""Progress of a job, for people and for the program that started it."""

import json
import os
import sys
import time

from .files import write_text

# Names a file in which a program that started another finds its progress.
PROGRESS_VARIABLE = 'MMGL_PROGRESS_FILE'


def write_progress(
    path: str | os.PathLike[str], done: float, total: float, text: str
) -> None:
    """Leave the progress in a small JSON file, replaced in one step."""
    write_text(path, json.dumps(dict(done=done, total=total, text=text)))


def duration(seconds: float) -> str:
    """Write a duration as m:ss or h:mm:ss."""
    minutes, second = divmod(round(max(seconds, 0)), 60)
    hours, minute = divmod(minutes, 60)
    if hours:
        return f'{hours}:{minute:02d}:{second:02d}'
    return f'{minute}:{second:02d}'


class ImageProgress:
    """Show how many images are done, and the remaining time, on one line.

    The file that ``MMGL_PROGRESS_FILE`` names is kept up to date, too.
    """

    def __init__(self, quiet: bool = False) -> None:
        self._quiet = quiet
        self._file = os.environ.get(PROGRESS_VARIABLE)
        self._start: tuple[float, int] | None = None
        self._shown = 0.0

    def __call__(self, done: int, total: int) -> None:
        """Report ``done`` of ``total`` images, a few times a second."""
        now = time.monotonic()
        if now - self._shown < 0.3 and done < total:
            return
        self._shown = now
        if self._file:
            write_progress(self._file, done, total, f'image {done}/{total}')
        if self._quiet:
            return
        began, first = self._start = self._start or (now, done)
        rate = (done - first) / max(now - began, 1e-6)
        pace = ''
        if rate:
            pace = f', {rate:.0f} a second, {(total - done) / rate:.0f} s left'
        end = '\n' if done == total else ''
        text = f'\r{done}/{total} images{pace}   '
        print(text, end=end, file=sys.stderr, flush=True)
