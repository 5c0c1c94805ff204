"""Data pipelines in the workers of a data loader."""

from collections.abc import Callable, Iterator

import cv2
from meters import PREFETCH, batches_in_flight, time_loaded
from mmengine.dataset import pseudo_collate
from torch.utils.data import DataLoader, Dataset

from mmgl.datasets import Draw
from mmgl.utils.benchmark import Figure, usable_cores

RATE, CORES = 3000, 16  # images per second of a GPU, and its cores
BATCH = 96  # images
TURNS = 20  # as many batches are timed as are in flight, times this


class Job(Dataset):
    """A data set whose only item is what a function returns in a worker.

    Args:
        function: Function without arguments.
    """

    def __init__(self, function: Callable[[], object]) -> None:
        self.function = function

    def __len__(self) -> int:
        """Return 1."""
        return 1

    def __getitem__(self, index: int) -> object:
        """Run the function."""
        cv2.setNumThreads(0)
        return self.function()


def in_worker(function: Callable[[], object]) -> object:
    """Run a function in a worker of a data loader, as training does.

    Args:
        function: Function without arguments.

    Returns:
        What it returns.
    """
    loader = DataLoader(
        Job(function),
        batch_size=None,
        num_workers=1,
        multiprocessing_context='fork',
    )
    return next(iter(loader))


class Batches:
    """Batches of draws, the data set again and again.

    Args:
        size: Of the data set.
        count: Batches.
    """

    def __init__(self, size: int, count: int) -> None:
        self.size, self.count = size, count

    def __len__(self) -> int:
        """Return the number of batches."""
        return self.count

    def __iter__(self) -> Iterator[list[Draw]]:
        """Give a batch at a time."""
        for start in range(0, self.count * BATCH, BATCH):
            yield [
                Draw(n % self.size, 0, 0, n, n // 2)
                for n in range(start, start + BATCH)
            ]


def one_thread(number: int) -> None:
    """Keep a worker to one thread, as training does."""
    cv2.setNumThreads(0)


def measure_workers(
    kind: str, datasets: dict[str, Dataset], workers: int, turns: int = TURNS
) -> list[Figure]:
    """Measure what all workers of one loader deliver, on the clock.

    Args:
        kind: 'fine-tuning' or 'pre-training'.
        datasets: By the source of the images.
        workers: Of the loader.
        turns: As many batches are timed as are in flight, times this.

    Returns:
        Images per second as they arrive in the process that trains. Only a
        machine with enough cores has the target.
    """
    flight, figures = batches_in_flight(workers), []
    target = RATE if workers == CORES <= usable_cores() else None
    for source, dataset in datasets.items():
        loader = DataLoader(
            dataset,
            num_workers=workers,
            prefetch_factor=PREFETCH,
            batch_sampler=Batches(len(dataset), (turns + 3) * flight + 1),
            collate_fn=pseudo_collate,
            worker_init_fn=one_thread,
            multiprocessing_context='fork',
        )
        rate = BATCH / time_loaded(
            loader, lambda batch: None, 2 * flight + 1, turns * flight
        )
        figures.append(
            Figure(
                f'{kind}, {source}, {workers} workers',
                rate,
                target,
                'images/s',
                at_least=True,
                note=f'{rate / workers:.0f} a worker, {usable_cores()} cores',
            )
        )
    return figures
