"""A stage: write the embedded data set."""

import argparse
import os
import time
from collections.abc import Callable

from .launch import PROGRESS_VARIABLE


def file_progress(path: str | None) -> Callable[[int, int], None]:
    """Make a callback that leaves the progress in a small JSON file.

    Args:
        path: The file; None makes a callback that does nothing.

    Returns:
        A function of (images done, images in all).
    """
    # Here, because every worker process imports this module too.
    from mmgl.engine.hooks.progress import write_progress

    last = 0.0

    def report(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if path is not None and (now - last > 0.3 or done >= total):
            last = now
            write_progress(path, done, total, f'image {done}/{total}')

    return report


def main() -> None:
    """Write the data set that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--root', required=True)
    parser.add_argument('--preset', required=True)
    parser.add_argument('--layout', choices=('sysu', 'regdb'), default='sysu')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--workers', type=int, default=1)
    args = parser.parse_args()
    from mmgl.datasets.synthetic import write_regdb, write_sysu

    write = {'sysu': write_sysu, 'regdb': write_regdb}[args.layout]
    write(
        args.root,
        args.preset,
        args.seed,
        workers=args.workers,
        progress=file_progress(os.environ.get(PROGRESS_VARIABLE)),
    )


if __name__ == '__main__':
    main()
