"""Time, memory and waits of a device, and the rate of a data loader."""

import gc
import time
import warnings
from collections.abc import Callable, Iterable
from typing import TypeVar

import torch

PREFETCH = 2  # batches of each worker of a data loader

Result = TypeVar('Result')


def clock(device: str) -> Callable[[], float]:
    """Make a clock, in seconds, that waits for the device."""

    def now() -> float:
        if device.startswith('cuda'):
            torch.cuda.synchronize(device)
        return time.perf_counter()

    return now


def countdown(seconds: float) -> Callable[[], float]:
    """Make what tells how many of the seconds are left."""
    end = time.monotonic() + seconds
    return lambda: end - time.monotonic()


def with_peak(
    function: Callable[[], Result], device: str
) -> tuple[Result, float | None]:
    """Return a result and the peak memory, in GiB, if anyone counts."""
    if not device.startswith('cuda'):
        return function(), None
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    result = function()
    torch.cuda.synchronize(device)
    return result, torch.cuda.max_memory_allocated(device) / 2**30


def count_waits(function: Callable[[], object], device: str) -> int | None:
    """Count how often a call makes the host wait; None if nobody tells."""
    if not device.startswith('cuda'):
        return None
    function()
    torch.cuda.set_sync_debug_mode('warn')
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter('always')
            function()
    finally:
        torch.cuda.set_sync_debug_mode('default')
    return sum('synchronizing' in str(one.message) for one in caught)


def batches_in_flight(workers: int) -> int:
    """Count the batches that a data loader prepares ahead."""
    return PREFETCH * workers


def time_loaded(
    batches: Iterable,
    use: Callable[[object], object],
    warm_up: int,
    timed: int,
    now: Callable[[], float] = time.perf_counter,
) -> float:
    """Return the seconds of a batch that a data loader keeps on making.

    What was prepared ahead during slow first steps would look like a fast
    loader, and so would the end of an epoch, when nothing is made any more.
    ``warm_up`` should exceed :func:`batches_in_flight`, and as many batches
    should be left behind those that are timed.
    """
    batches = iter(batches)
    for _ in range(warm_up):
        use(next(batches))
    start = now()
    for _ in range(timed):
        use(next(batches))
    return (now() - start) / timed
