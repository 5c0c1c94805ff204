"""Time, memory and waits of a device, and the rate of a data loader."""

import gc
import time
import warnings

import torch

PREFETCH = 2  # batches of each worker of a data loader


def is_cuda(device):
    """Tell whether a device is an NVIDIA GPU.

    Args:
        device (str): Such as 'cuda' or 'cuda:1'.

    Returns:
        bool: Whether it is.
    """
    return str(device).startswith('cuda')


def clock(device):
    """Make a clock that waits for the device.

    Args:
        device (str): Such as 'cuda'.

    Returns:
        Callable: Gives seconds.
    """

    def now():
        if is_cuda(device):
            torch.cuda.synchronize(device)
        return time.perf_counter()

    return now


def peak_memory(function, device):
    """Measure the most memory of a device while a function runs.

    Args:
        function (Callable): Without arguments.
        device (str): Such as 'cuda'.

    Returns:
        float | None: GiB of tensors, those that exist before included; None
        for a device that does not count them.
    """
    if not is_cuda(device):
        return None
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    function()
    torch.cuda.synchronize(device)
    return torch.cuda.max_memory_allocated(device) / 2**30


def count_waits(function, device):
    """Count how often a function makes the host wait for the device.

    Args:
        function (Callable): Without arguments.
        device (str): Such as 'cuda'.

    Returns:
        int | None: Times a call; None for a device that does not tell.
    """
    if not is_cuda(device):
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


def batches_in_flight(workers):
    """Count the batches that a data loader prepares ahead.

    Args:
        workers (int): Of the loader.

    Returns:
        int: Batches.
    """
    return PREFETCH * workers


def time_loaded(batches, use, warm_up, timed, now=time.perf_counter):
    """Time batches that a data loader keeps on making.

    What was prepared ahead during slow first steps would look like a fast
    loader, and so would the end of an epoch, when nothing is made any more.
    ``warm_up`` should exceed :func:`batches_in_flight`, and as many batches
    should be left behind those that are timed.

    Args:
        batches (Iterable): The loader.
        use (Callable): Takes a batch.
        warm_up (int): Batches before the clock starts.
        timed (int): Batches.
        now (Callable): Gives seconds.

    Returns:
        float: Seconds of a batch.
    """
    batches = iter(batches)
    for _ in range(warm_up):
        use(next(batches))
    start = now()
    for _ in range(timed):
        use(next(batches))
    return (now() - start) / timed
