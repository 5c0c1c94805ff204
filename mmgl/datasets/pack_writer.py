"""Writing a pack of decoded and resized images."""

import multiprocessing
import os
import os.path as osp
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import NamedTuple

import cv2
import numpy as np
import torch

from mmgl.utils.files import replace_whole

from .packed import (
    IMAGES,
    INDEX,
    TOOL,
    PackIndex,
    checksum,
    relative_path,
    stat_source,
)
from .reid_dataset import build_pipeline
from .transforms.resampling import KERNELS

# Rows between two writes of the index: what a kill costs.
BLOCK = 512
# mmcv's Resize, for pipelines without PILResize.
OPENCV = 'opencv'
INTERPOLATIONS = (*KERNELS, OPENCV)


class Row(NamedTuple):
    """One written row, in the order of the columns of the index."""

    number: int
    sizes: int
    times: int
    source_sums: int
    row_sums: int
    heights: int
    widths: int
    done: bool = True


def loading_steps(height: int, width: int, interpolation: str) -> list[dict]:
    """Return the steps whose result is packed.

    Args:
        height: Height of the images.
        width: Width.
        interpolation: One of ``INTERPOLATIONS``.

    Returns:
        Configs of transforms, as in ``configs/_base_/pipelines``.
    """
    resize = dict(type='Resize', scale=[width, height])
    if interpolation != OPENCV:
        resize.update(type='PILResize', interpolation=interpolation)
    return [dict(type='LoadImageFromFile'), resize]


class RowWriter:
    """Decode one image and write it into the file of a pack.

    Args:
        out: Folder of the pack.
        root: Folder of the data set.
        index: Index of the pack.
    """

    def __init__(self, out: str, root: str, index: PackIndex) -> None:
        self.root, self.paths = root, index.paths
        self.steps = build_pipeline(index.steps)
        self.images = np.lib.format.open_memmap(
            osp.join(out, IMAGES), mode='r+'
        )

    def __call__(self, number: int) -> Row:
        """Write a row.

        Args:
            number: Number of the row.

        Returns:
            What the index keeps about it.

        Raises:
            ValueError: If the image is missing or cannot be decoded.
        """
        path = osp.join(self.root, *self.paths[number].split('/'))
        state = stat_source(path)
        try:
            with open(path, 'rb') as file:
                source_sum = checksum(file.read())
            results = dict(img_path=path)
            for step in self.steps:
                results = step(results)
        except (OSError, AssertionError, cv2.error) as error:
            raise ValueError(
                f'image {path!r} cannot be read ({error}); restore it, then '
                'run the same command again'
            ) from error
        self.images[number] = results['img']
        return Row(
            number,
            *state,
            source_sum,
            checksum(results['img']),
            *results['ori_shape'],
        )


_writer: RowWriter | None = None


def _start_worker(*args) -> None:
    """Build the row writer of a worker process."""
    global _writer
    # Not 1, which ends OpenCV's threads: waits for ever where a fork has
    # left none.
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    _writer = RowWriter(*args)


def _write_row(number: int) -> Row:
    """Write one row in a worker process."""
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
) -> PackIndex:
    """Decode and resize images into one memory-mapped file.

    Goes on where an earlier call was stopped, and rewrites rows whose source
    has changed since.

    Args:
        root: Folder of the data set.
        paths: Paths of the images, in ``root``.
        out: Folder to write.
        height: Height of the packed images.
        width: Width.
        interpolation: One of ``INTERPOLATIONS``.
        workers: Number of processes.
        overwrite: Replace a pack of other images or another size.
        progress: Called with (done, total) now and then.

    Returns:
        The index of the finished pack.

    Raises:
        ValueError: If ``out`` holds another pack and ``overwrite`` is False,
            or an image cannot be read.
        OSError: If the disk is too small.
    """
    names = sorted({relative_path(root, path) for path in paths})
    job = PackIndex(
        names, loading_steps(height, width, interpolation), (height, width)
    )
    index = _prepare(out, job, overwrite)
    _refresh(out, root, index)
    todo = np.flatnonzero(~index.columns['done']).tolist()
    with _written_rows(out, root, index, todo, workers) as rows:
        while block := list(islice(rows, BLOCK)):
            for row in block:
                for name, value in row._asdict().items():
                    if name != 'number':
                        index.columns[name][row.number] = value
            _flush(out)
            index.save(out)
            if progress:
                progress(index.num_done, len(index))
    index.save(out)
    return index


@contextmanager
def _written_rows(
    out: str, root: str, index: PackIndex, todo: Sequence[int], workers: int
) -> Iterator[Iterator[Row]]:
    """Write rows, in this process or in several, and iterate over them."""
    if not todo:
        yield iter(())
    elif workers < 2:
        yield map(RowWriter(out, root, index), todo)
    else:
        with multiprocessing.Pool(
            workers, _start_worker, (out, root, index)
        ) as pool:
            yield pool.imap_unordered(_write_row, todo, chunksize=16)


def _prepare(out: str, job: PackIndex, overwrite: bool) -> PackIndex:
    """Return the index to go on with; reserve the disk for a new pack."""
    os.makedirs(out, exist_ok=True)
    if osp.isfile(osp.join(out, INDEX)) and not overwrite:
        index = PackIndex.load(out)
        if not index.same_job(job):
            raise ValueError(
                f'{out!r} holds a pack of {len(index)} images of '
                f'{index.shape[0]} x {index.shape[1]}, asked for are '
                f'{len(job)} of {job.shape[0]} x {job.shape[1]}, or other '
                'ones or another interpolation; choose another folder, or '
                'replace it by --overwrite'
            )
        if osp.isfile(osp.join(out, IMAGES)):
            return index
    # An index without rows first: a kill in between leaves no wrong pair.
    job.save(out)
    with replace_whole(osp.join(out, IMAGES)) as path:
        np.lib.format.open_memmap(
            path, mode='w+', dtype=np.uint8, shape=(len(job), *job.shape, 3)
        )
        if hasattr(os, 'posix_fallocate'):
            # Else a full disk is a crash in the middle of the work.
            with open(path, 'r+b') as file:
                os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return job


def _flush(out: str) -> None:
    """Send written rows to the disk before the index speaks of them."""
    with open(osp.join(out, IMAGES), 'r+b') as file:
        os.fsync(file.fileno())


def _refresh(out: str, root: str, index: PackIndex) -> None:
    """Mark rows undone whose source or contents are not as recorded."""
    columns = index.columns
    finished = index.num_done == len(index)
    for number in np.flatnonzero(columns['done']).tolist():
        path = osp.join(root, *index.paths[number].split('/'))
        state = stat_source(path)
        if state == (columns['sizes'][number], columns['times'][number]):
            continue
        columns['done'][number] = False
        if state is not None:
            with open(path, 'rb') as file:
                same = checksum(file.read()) == columns['source_sums'][number]
            columns['done'][number] = same
            columns['sizes'][number], columns['times'][number] = state
    if not finished:
        for number in broken_rows(out, index):
            columns['done'][number] = False


def broken_rows(out: str, index: PackIndex) -> list[int]:
    """Return the written rows whose contents do not have their checksum.

    Args:
        out: Folder of the pack.
        index: Its index.

    Returns:
        Numbers of the rows.
    """
    images = np.load(osp.join(out, IMAGES), mmap_mode='r')
    return [
        number
        for number in np.flatnonzero(index.columns['done']).tolist()
        if checksum(images[number]) != index.columns['row_sums'][number]
    ]


def verify_pack(out: str) -> int:
    """Read a pack and compare all checksums.

    Args:
        out: Folder of the pack.

    Returns:
        Number of images.

    Raises:
        ValueError: If the pack is not finished or a row is damaged.
    """
    index = PackIndex.load(out)
    broken = broken_rows(out, index)
    if broken or index.num_done < len(index):
        first = f', the first is {index.paths[broken[0]]!r}' if broken else ''
        raise ValueError(
            f'{out!r}: {index.num_done} of {len(index)} images are packed, '
            f'{len(broken)} of them damaged{first}; pack the data set again '
            f'by {TOOL}' + (' --overwrite' if broken else '')
        )
    return len(index)
