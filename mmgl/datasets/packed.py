"""Decoded and resized images of a data set in one memory-mapped file.

A pack is a folder of two files:

``images.npy``
    uint8 ``(N, H, W, 3)``, BGR: what the loading steps of a pipeline yield.
``index.npz``
    The path of each image below the root of the data set, with slashes, an
    array ``(N, )`` for each of ``COLUMNS``, zeros where a row is not written
    yet, and a header with format, shape and loading steps.

Rows are read through the page cache, which all workers and ranks of a
machine share.
"""

import json
import os
import os.path as osp
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from mmgl.utils.files import replace_whole

from .checks import readable
from .types import Image

FORMAT = 1
IMAGES, INDEX = 'images.npy', 'index.npz'
TOOL = 'tools/dataset_converters/pack_dataset.py'
PACK_AGAIN = f'pack the data set again by {TOOL} --overwrite'
COLUMNS = {
    'sizes': np.int64,  # bytes of the source file
    'times': np.int64,  # its modification time in ns
    'source_sums': np.uint32,  # CRC-32 of the source file
    'row_sums': np.uint32,  # CRC-32 of the row
    'heights': np.int32,  # of the source image
    'widths': np.int32,
    'done': np.bool_,
}


def checksum(data: bytes | Image) -> int:
    """Return the CRC-32 of bytes or of the contents of an array."""
    if isinstance(data, np.ndarray):
        return zlib.crc32(np.ascontiguousarray(data).data)
    return zlib.crc32(data)


def stat_source(path: str) -> tuple[int, int] | None:
    """Return size and time (ns) of a file, None without one."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    return status.st_size, status.st_mtime_ns


def relative_path(root: str, path: str) -> str:
    """Return a path below a root, with slashes."""
    return osp.relpath(path, root).replace(os.sep, '/')


@dataclass
class PackIndex:
    """What ``index.npz`` holds; ``shape`` is height and width of a row.

    Indexes are equal if they are of the same images and loading steps.
    """

    paths: list[str]
    steps: list[dict[str, Any]]
    shape: tuple[int, int]
    columns: dict[str, npt.NDArray[Any]] = field(
        default_factory=dict, compare=False
    )

    def __post_init__(self) -> None:
        """Start with empty columns unless there are some."""
        for name, kind in COLUMNS.items():
            self.columns.setdefault(name, np.zeros(len(self.paths), kind))

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.paths)

    @property
    def num_done(self) -> int:
        """Number of rows written."""
        return int(self.columns['done'].sum())

    def source(self, root: str, row: int) -> str:
        """Return the path of the source file of a row."""
        return osp.join(root, *self.paths[row].split('/'))

    def save(self, folder: str) -> None:
        """Write ``index.npz``, whole or not at all."""
        header = dict(format=FORMAT, steps=self.steps, shape=self.shape)
        arrays: dict[str, Any] = dict(
            header=json.dumps(header), paths=self.paths, **self.columns
        )
        with (
            replace_whole(osp.join(folder, INDEX)) as path,
            open(path, 'wb') as file,
        ):
            np.savez(file, **arrays)

    @classmethod
    def load(cls, folder: str) -> 'PackIndex':
        """Read ``index.npz``; a broken one is a ValueError."""
        path = osp.join(folder, INDEX)
        if not osp.isfile(path):
            raise FileNotFoundError(
                f'{folder!r} is no pack of images: there is no {INDEX}; '
                f'write one by {TOOL}'
            )
        damages = ValueError, KeyError, OSError, BadZipFile, zlib.error
        # The archive checks the sums of its members itself.
        with (
            readable(repr(path), PACK_AGAIN, *damages),
            np.load(path, allow_pickle=False) as data,
        ):
            header = json.loads(str(data['header']))
            if header['format'] != FORMAT:
                raise ValueError(f'format {header["format"]}')
            return cls(
                data['paths'].tolist(),
                header['steps'],
                tuple(header['shape']),
                {name: data[name] for name in COLUMNS},
            )


class PackedImages:
    """Read access to a finished pack; a broken one is a ValueError.

    The images are mapped into memory when the first row is asked for, in
    each process anew, and never pickled: data loaders send the reader to
    their workers.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder
        index = PackIndex.load(folder)
        if index.num_done < len(index):
            raise ValueError(
                f'the pack {folder!r} is not finished: {index.num_done} of '
                f'{len(index)} images; run {TOOL} again, it goes on where '
                'it stopped'
            )
        self.steps, self.shape = index.steps, (len(index), *index.shape, 3)
        self._map: Image | None = None
        self._open()

    def _open(self) -> Image:
        """Map the images and check their shape."""
        if self._map is None:
            path = osp.join(self.folder, IMAGES)
            with readable(repr(path), PACK_AGAIN, OSError, ValueError):
                images = np.load(path, mmap_mode='r')
                if images.shape != self.shape or images.dtype != np.uint8:
                    raise ValueError(
                        f'it holds {images.dtype} {images.shape}, the index '
                        f'names uint8 {self.shape}'
                    )
            self._map = images
        return self._map

    def __getstate__(self) -> dict[str, Any]:
        """Leave the mapped file out of pickles."""
        return dict(self.__dict__, _map=None)

    def __getitem__(self, row: int) -> Image:
        """Return a copy of one image, ``(H, W, 3)``."""
        return np.array(self._open()[row])


def find_rows(
    folder: str, root: str, paths: Sequence[str]
) -> list[tuple[int, tuple[int, int]]]:
    """Return row, and height and width of the source, of images in a pack.

    An image that is not in the pack, or whose file has changed since it was
    packed, is a ValueError.
    """
    index = PackIndex.load(folder)
    numbers = {path: row for row, path in enumerate(index.paths)}
    names = [relative_path(root, path) for path in paths]
    missing = [name for name in names if name not in numbers]
    if missing:
        raise ValueError(
            f'{len(missing)} images of {root!r} are not in the pack '
            f'{folder!r}, the first is {missing[0]!r}; {PACK_AGAIN}'
        )
    rows = [numbers[name] for name in names]
    sizes, times, heights, widths = (
        index.columns[column][rows].tolist()
        for column in ('sizes', 'times', 'heights', 'widths')
    )
    stale = [
        name
        for name, path, *state in zip(names, paths, sizes, times, strict=True)
        if stat_source(path) != tuple(state)
    ]
    if stale:
        raise ValueError(
            f'the pack {folder!r} is stale: {len(stale)} of {len(names)} '
            f'images of {root!r} have changed since, the first is '
            f'{stale[0]!r}; run {TOOL} again, it rewrites what differs'
        )
    shapes = zip(heights, widths, strict=True)
    return list(zip(rows, shapes, strict=True))
