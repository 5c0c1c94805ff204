"""Gather the rows of all ranks, holding none of them twice."""

from collections import deque

import numpy as np
import numpy.typing as npt
import torch
from mmengine.dist import all_gather, all_reduce, get_rank, get_world_size
from torch import Tensor

from mmgl.evaluation.ranking import Share

_CHUNK_ROWS = 1024


def gather_rows(batches: list[Tensor], size: int) -> Tensor:
    """Put together the rows, (size, d), that the ranks hold as (b, d) batches.

    Rank r of w holds the rows r, r + w, ... as mmengine's samplers deal them
    out; repeated ones at the end are left out. Rows travel in chunks and
    leave ``batches`` as they go, so a rank holds each row once.
    """
    world_size = get_world_size()
    width = batches[0].shape[1] if batches else 0
    own = torch.tensor([sum(map(len, batches)), width])
    counts, widths = torch.stack(all_gather(own)).T.tolist()
    for rank, count in enumerate(counts):
        needed = len(range(rank, size, world_size))
        if count < needed:
            raise ValueError(
                f'process {rank} of {world_size} hands over {count} images, '
                f'but {needed} of the {size} images of the data set are '
                'its share; use a sampler that deals out each image once, '
                'such as DefaultSampler with shuffle=False.'
            )
    waiting = deque(batches)
    batches.clear()
    whole = (waiting or [torch.empty(0)])[0].new_empty((size, max(widths)))
    for start in range(0, max(counts), _CHUNK_ROWS):
        chunk = whole.new_zeros((_CHUNK_ROWS, whole.shape[1]))
        _take(waiting, chunk)
        first = start * world_size
        for rank, rows in enumerate(all_gather(chunk)):
            place = whole[
                first + rank : first + _CHUNK_ROWS * world_size : world_size
            ]
            place[:] = rows[: len(place)]
    return whole


def _take(waiting: deque[Tensor], chunk: Tensor) -> None:
    """Move the first rows into a chunk."""
    filled = 0
    while waiting and filled < len(chunk):
        rows = waiting.popleft()
        room = len(chunk) - filled
        if len(rows) > room:
            waiting.appendleft(rows[room:])
        rows = rows[:room]
        chunk[filled : filled + len(rows)] = rows
        filled += len(rows)


def share_of_rank() -> Share:
    """Describe this process's part of a ranking; sums go over all ranks."""

    def add_up(sums: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        total = torch.from_numpy(sums)
        all_reduce(total)
        return np.asarray(total.numpy())

    return Share(get_rank(), get_world_size(), add_up)
