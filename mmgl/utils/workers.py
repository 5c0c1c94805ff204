"""Processes that work for another one, and end with it."""

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any


@contextmanager
def process_pool(
    workers: int,
    method: str | None,
    start: Callable[..., object],
    *arguments: Any,
) -> Iterator[ProcessPoolExecutor]:
    """Open a pool whose workers first call ``start(*arguments)``.

    ``method`` is 'fork', 'spawn' or None for the system's. A worker that is
    killed is a ``BrokenExecutor`` for whoever waits for it; what has not
    begun when the block ends is dropped; and if this process is killed, its
    workers end, too.
    """
    context = multiprocessing.get_context(method)
    pool = ProcessPoolExecutor(workers, context, _begin, (start, *arguments))
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(start: Callable[..., object], *arguments: Any) -> None:
    """Prepare a worker."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    start(*arguments)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
