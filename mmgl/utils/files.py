"""Files that are there whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replace_whole(path: str | os.PathLike) -> Iterator[Path]:
    """Write a file under another name and give it its own in one step.

    A reader, also after a kill, sees the old or the new file, never a part.

    Args:
        path: The file; its folder is made if missing.

    Yields:
        Where to write. If that fails, ``path`` stays as it is.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f'.{path.name}.{os.getpid()}.part')
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
