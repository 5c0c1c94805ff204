"""Files that are there whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replace_whole(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Write a file under another name and give it its own in one step.

    A reader, also after a kill, sees the old or the new file, never a part.
    The folder is made if missing. Yields where to write; if that fails, the
    old file stays.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f'.{path.name}.{os.getpid()}.part')
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
