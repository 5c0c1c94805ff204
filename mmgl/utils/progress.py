"""Progress that one program leaves for another."""

import json
import os

from .files import replace_whole

# Names a file in which a program that started another finds its progress.
PROGRESS_VARIABLE = 'MMGL_PROGRESS_FILE'


def write_progress(
    path: str | os.PathLike[str], done: float, total: float, text: str
) -> None:
    """Leave the progress in a small JSON file, replaced in one step."""
    content = dict(done=done, total=total, text=text)
    with replace_whole(path) as partial:
        partial.write_text(json.dumps(content), encoding='utf-8')
