"""Progress that one program leaves for another."""

import os

from .files import write_json

# Names a file in which a program that started another finds its progress.
PROGRESS_VARIABLE = 'MMGL_PROGRESS_FILE'


def write_progress(
    path: str | os.PathLike[str], done: float, total: float, text: str
) -> None:
    """Leave the progress in a small JSON file, replaced in one step."""
    write_json(path, dict(done=done, total=total, text=text))
