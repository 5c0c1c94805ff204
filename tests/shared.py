"""What is made once for all workers of a test run."""

import os
import shutil
from pathlib import Path

from filelock import FileLock


def made_once(factory, name, make):
    """Folder that the first to need it lets ``make(folder)`` fill.

    Nobody may write into it later: tests of other processes read it.
    """
    base = factory.getbasetemp()
    if 'PYTEST_XDIST_WORKER' in os.environ:
        base = base.parent
    folder, made = base / name, base / f'{name}.made'
    with FileLock(base / f'{name}.lock'):
        if not made.exists():
            shutil.rmtree(folder, ignore_errors=True)
            make(folder)
            made.touch()
    return Path(folder)
