"""Writing a pack of decoded and resized images."""

import os
import os.path as osp
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from mmgl.utils.errors import ConfigError
from mmgl.utils.files import replace_whole
from mmgl.utils.images import MAX_PIXELS, read_file
from mmgl.utils.resampling import OPENCV
from mmgl.utils.workers import process_pool

from . import packed
from .checks import check, check_outside, check_positive, readable
from .reid_dataset import build_pipeline

MAX_WORKERS = 512
# Rows between two writes of the index: what a kill costs.
BLOCK = 512
# Number of a row, and what the index keeps of it in the order of COLUMNS.
Row = tuple[int, tuple[int, ...]]


def loading_steps(
    height: int, width: int, interpolation: str, window: Sequence[float] | None
) -> list[dict[str, Any]]:
    """Return configs of the transforms whose result is packed."""
    load: dict[str, Any] = dict(type='LoadImageFromFile')
    if window is not None:
        load.update(window=list(window))
    resize: dict[str, Any] = dict(type='Resize', scale=[width, height])
    if interpolation != OPENCV:
        resize.update(type='PILResize', interpolation=interpolation)
    return [load, resize]


class RowWriter:
    """Decode one image below ``root`` and write it into the pack ``out``."""

    def __init__(self, out: str, root: str, index: packed.PackIndex) -> None:
        self.root, self.index = root, index
        self.steps = build_pipeline(index.steps)
        self.images = packed.map_images(out, index.images_shape, 'r+')

    def __call__(self, number: int) -> Row:
        """Write a row and return what the index keeps about it."""
        path = self.index.source(self.root, number)
        size, time = packed.stat_source(path) or (0, 0)
        remedy = 'restore it, then run the same command again'
        kinds = OSError, AssertionError, cv2.error
        with readable(f'image {path!r}', remedy, *kinds):
            source_sum = packed.checksum(read_file(path))
            results: dict[str, Any] = dict(img_path=path)
            for step in self.steps:
                results = step(results)
        self.images[number] = results['img']
        row_sum = packed.checksum(results['img'])
        height, width = results['ori_shape']
        return number, (size, time, source_sum, row_sum, height, width, True)


_writer: RowWriter


def _start_worker(out: str, root: str, index: packed.PackIndex) -> None:
    """Build the row writer of a worker process."""
    global _writer
    # Not 1, which ends OpenCV's threads: waits for ever where a fork has
    # left none.
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    _writer = RowWriter(out, root, index)


def _write_row(number: int) -> Row:
    """Write one row in a worker process, once it is started."""
    return _writer(number)


def write_pack(
    root: str,
    paths: Iterable[str],
    out: str,
    height: int,
    width: int,
    interpolation: str = 'lanczos',
    workers: int = 1,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
    window: Sequence[float] | None = None,
) -> packed.PackIndex:
    """Decode and resize images below a root into one memory-mapped file.

    Goes on where an earlier call was stopped, and rewrites rows whose source
    has changed since. ``progress`` is called with (done, total).
    """
    check_positive('pack', height=height, width=width, workers=workers)
    limit = f'at most {MAX_PIXELS} pixels'
    check('pack.height', height, height * width <= MAX_PIXELS, limit)
    limit = f'at most {MAX_WORKERS}'
    check('pack.workers', workers, workers <= MAX_WORKERS, limit)
    check_outside(out, root)
    names = sorted({packed.relative_path(root, path) for path in paths})
    steps = loading_steps(height, width, interpolation, window)
    build_pipeline(steps)  # a mistake in them costs no disk
    index = _prepare(
        out, packed.PackIndex(names, steps, (height, width)), overwrite
    )
    _refresh(out, root, index)
    for block in _written_blocks(out, root, index, workers):
        for number, values in block:
            for name, value in zip(packed.COLUMNS, values, strict=True):
                index.columns[name][number] = value
        # To the disk before the index speaks of them.
        with open(osp.join(out, packed.IMAGES), 'r+b') as file:
            os.fsync(file.fileno())
        index.save(out)
        if progress:
            progress(index.num_done, len(index))
    index.save(out)
    return index


def _written_blocks(
    out: str, root: str, index: packed.PackIndex, workers: int
) -> Iterator[list[Row]]:
    """Write missing rows, in this process or in several; yield what was."""
    job = out, root, index
    todo = np.flatnonzero(~index.columns['done']).tolist()
    with ExitStack() as stack:
        rows: Iterator[Row] = iter(())
        if todo and workers < 2:
            rows = map(RowWriter(*job), todo)
        elif todo:
            pool = stack.enter_context(
                process_pool(workers, None, _start_worker, *job)
            )
            rows = pool.map(_write_row, todo, chunksize=16)
        while block := list(islice(rows, BLOCK)):
            yield block


def _prepare(
    out: str, job: packed.PackIndex, overwrite: bool
) -> packed.PackIndex:
    """Return the index to go on with; reserve the disk for a new pack."""
    os.makedirs(out, exist_ok=True)
    if osp.isfile(osp.join(out, packed.INDEX)) and not overwrite:
        index = packed.PackIndex.load(out)
        if index != job:
            raise ConfigError(
                f'{out!r} holds a pack of {len(index)} images of '
                f'{index.shape[0]} x {index.shape[1]}, asked for are '
                f'{len(job)} of {job.shape[0]} x {job.shape[1]}, or other '
                'ones or another interpolation; choose another folder, or '
                'replace it by --overwrite'
            )
        if osp.isfile(osp.join(out, packed.IMAGES)):
            return index
    # The old images go first, an index without rows comes before the new
    # ones: a kill in between leaves no wrong pair.
    images = Path(out, packed.IMAGES)
    images.unlink(missing_ok=True)
    job.save(out)
    with replace_whole(images) as path:
        np.lib.format.open_memmap(path, 'w+', np.uint8, job.images_shape)
        if hasattr(os, 'posix_fallocate'):
            # Else a full disk is a crash in the middle of the work.
            with open(path, 'r+b') as file:
                os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return job


def _refresh(out: str, root: str, index: packed.PackIndex) -> None:
    """Mark rows undone whose source or contents are not as recorded."""
    columns = index.columns
    finished = index.num_done == len(index)
    for number in np.flatnonzero(columns['done']).tolist():
        path = index.source(root, number)
        state = packed.stat_source(path)
        if state == (columns['sizes'][number], columns['times'][number]):
            continue
        columns['done'][number] = False
        if state is not None:
            same = (
                packed.checksum(read_file(path))
                == columns['source_sums'][number]
            )
            columns['done'][number] = same
            columns['sizes'][number], columns['times'][number] = state
    if not finished:
        columns['done'][broken_rows(out, index)] = False


def broken_rows(out: str, index: packed.PackIndex) -> list[int]:
    """Return the written rows whose contents do not have their checksum."""
    images = packed.map_images(out, index.images_shape)
    return [
        number
        for number in np.flatnonzero(index.columns['done']).tolist()
        if packed.checksum(images[number]) != index.columns['row_sums'][number]
    ]


def verify_pack(out: str) -> int:
    """Count the images; ValueError for an unfinished or damaged pack."""
    index = packed.PackIndex.load(out)
    broken = broken_rows(out, index)
    if broken or index.num_done < len(index):
        first = f', the first is {index.paths[broken[0]]!r}' if broken else ''
        raise ConfigError(
            f'{out!r}: {index.num_done} of {len(index)} images are packed, '
            f'{len(broken)} of them damaged{first}; pack the data set again '
            f'by {packed.TOOL}' + (' --overwrite' if broken else '')
        )
    return len(index)
