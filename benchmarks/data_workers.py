"""Data pipelines in the workers of a data loader."""

from collections.abc import Callable

import cv2
from meters import PREFETCH, batches_in_flight, time_loaded
from mmengine.dataset import pseudo_collate
from torch.utils.data import DataLoader, Dataset

from mmgl.datasets import Draw
from mmgl.utils.benchmark import Figure, usable_cores

RATE, CORES = 3000, 16  # images per second of a GPU, and its cores
BATCH = 96  # images
TURNS = 20  # as many batches are timed as are in flight, times this


def one_thread(number: int) -> None:
    """Keep a worker to one thread, as training does."""
    cv2.setNumThreads(0)


HOW = dict(worker_init_fn=one_thread, multiprocessing_context='fork')


def in_worker(function: Callable[[], object]) -> object:
    """Return what a function returns in a worker of a data loader."""
    how = dict(num_workers=1, collate_fn=lambda item: item(), **HOW)
    return next(iter(DataLoader([function], batch_size=None, **how)))


def batches(size: int, count: int) -> list[list[Draw]]:
    """Return batches of draws, the data set again and again."""
    draws = [Draw(n % size, 0, 0, n, n // 2) for n in range(count * BATCH)]
    return [draws[n : n + BATCH] for n in range(0, len(draws), BATCH)]


def measure_workers(
    name: str, dataset: Dataset, workers: int, turns: int | None = None
) -> Figure:
    """Measure images/s as they arrive from all workers of a loader."""
    flight, turns = batches_in_flight(workers), turns or TURNS
    target = RATE if workers == CORES <= usable_cores() else None
    loader = DataLoader(
        dataset,
        num_workers=workers,
        prefetch_factor=PREFETCH,
        batch_sampler=batches(len(dataset), (turns + 3) * flight + 1),
        collate_fn=pseudo_collate,
        **HOW,
    )
    counts = 2 * flight + 1, turns * flight
    rate = BATCH / time_loaded(loader, lambda batch: None, *counts)
    note = f'{rate / workers:.0f} a worker, {usable_cores()} cores'
    name = f'{name}, {workers} workers'
    return Figure(name, rate, target, 'images/s', True, note)
