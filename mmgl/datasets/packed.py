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
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from mmgl.utils.errors import ConfigError
from mmgl.utils.files import replace_whole

from .checks import readable
from .types import Image

FORMAT = 1
IMAGES, INDEX = 'images.npy', 'index.npz'
TOOL = 'tools/dataset_converters/pack_dataset.py'
PACK_AGAIN = f'pack the data set again by {TOOL} --overwrite'
COLUMNS: dict[str, type] = {
    'sizes': np.int64,  # bytes of the source file
    'times': np.int64,  # its modification time in ns
    'source_sums': np.uint32,  # CRC-32 of the source file
    'row_sums': np.uint32,  # CRC-32 of the row
    'heights': np.int32,  # of the source image
    'widths': np.int32,
    'done': np.bool_,
}
# Steps come from a file and are built: only these, with only these settings.
STEP_TYPES = ('LoadImageFromFile', 'PILResize', 'Resize')
STEP_KEYS = {'type', 'window', 'scale', 'interpolation'}


def checksum(data: bytes | Image) -> int:
    """Return the CRC-32 of bytes or of the contents of an array."""
    if isinstance(data, np.ndarray):
        return zlib.crc32(np.ascontiguousarray(data).data)
    return zlib.crc32(data)


def stat_source(path: str) -> tuple[int, int] | None:
    """Return size and time (ns) of a file, None if there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


def relative_path(root: str, path: str) -> str:
    """Return a path below a root, with slashes."""
    return osp.relpath(path, root).replace(os.sep, '/')


@dataclass
class PackIndex:
    """What ``index.npz`` holds; equal if of the same images and steps."""

    paths: list[str]
    steps: list[dict[str, Any]]
    shape: tuple[int, int]  # height and width of a row
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
    def images_shape(self) -> tuple[int, ...]:
        """Shape of the array in ``images.npy``."""
        return len(self), *self.shape, 3

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
        # numpy, zipfile and json raise what they like. The archive checks
        # the sums of its members itself.
        with (
            readable(repr(path), PACK_AGAIN, Exception),
            np.load(path, allow_pickle=False) as data,
        ):
            header = json.loads(str(data['header']))
            if header['format'] != FORMAT:
                raise ValueError(f'format {header["format"]}')
            index = cls(
                data['paths'].tolist(),
                header['steps'],
                tuple(header['shape']),
                {name: data[name] for name in COLUMNS},
            )
            index.check()
        return index

    def check(self) -> None:
        """Raise ValueError for what this package would not have written."""
        names = {name for path in self.paths for name in path.split('/')}
        if len(set(self.paths)) < len(self) or names & {'', '.', '..'}:
            raise ValueError('paths that repeat or lead out of the data set')
        for step in self.steps:
            if step['type'] not in STEP_TYPES or step.keys() - STEP_KEYS:
                raise ValueError(f'the loading step {step}')
        if len(self.shape) != 2 or not all(
            isinstance(n, int) and n > 0 for n in self.shape
        ):
            raise ValueError(f'the shape {self.shape}')
        for name, kind in COLUMNS.items():
            column = self.columns[name]
            if column.dtype != kind or column.shape != (len(self),):
                raise ValueError(f'{name} is {column.dtype} {column.shape}')
        done = self.columns['done']
        for name in ('heights', 'widths'):
            if (self.columns[name][done] < 1).any():
                raise ValueError(f'{name} below 1')


def map_images(
    folder: str, shape: tuple[int, ...], mode: Literal['r', 'r+'] = 'r'
) -> Image:
    """Map the images of a pack; a file that does not fit is a ValueError."""
    path = osp.join(folder, IMAGES)
    with readable(repr(path), PACK_AGAIN, Exception):
        if not osp.isfile(path):  # a pipe would hang
            raise FileNotFoundError('there is no such file')
        images = np.lib.format.open_memmap(path, mode)
        size = images.offset + images.nbytes
        plain = images.dtype == np.uint8 and images.flags.c_contiguous
        if images.shape != shape or not plain or osp.getsize(path) != size:
            raise ValueError(
                f'it holds {images.dtype} {images.shape}, the index '
                f'names uint8 {shape}'
            )
    return images


class PackedImages:
    """Read access to a finished pack; each process maps it anew."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        index = PackIndex.load(folder)
        self.steps, self.shape = index.steps, index.images_shape
        if index.num_done < len(index):
            raise ConfigError(
                f'the pack {folder!r} is not finished: {index.num_done} of '
                f'{len(index)} images; run {TOOL} again, it goes on where '
                'it stopped'
            )
        self._map: Image | None = map_images(folder, self.shape)

    def __getstate__(self) -> dict[str, Any]:
        """Leave the mapped file out: loaders send this to their workers."""
        return dict(self.__dict__, _map=None)

    def __getitem__(self, row: int) -> Image:
        """Return a copy of one image, ``(H, W, 3)``."""
        if self._map is None:
            self._map = map_images(self.folder, self.shape)
        return np.array(self._map[row])


def find_rows(
    folder: str, root: str, paths: Sequence[str]
) -> list[tuple[int, tuple[int, int]]]:
    """Return row and source shape of images; ValueError for stale ones."""
    index = PackIndex.load(folder)
    numbers = {path: row for row, path in enumerate(index.paths)}
    names = [relative_path(root, path) for path in paths]
    missing = [name for name in names if name not in numbers]
    if missing:
        raise ConfigError(
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
        raise ConfigError(
            f'the pack {folder!r} is stale: {len(stale)} of {len(names)} '
            f'images of {root!r} have changed since, the first is '
            f'{stale[0]!r}; run {TOOL} again, it rewrites what differs'
        )
    shapes = zip(heights, widths, strict=True)
    return list(zip(rows, shapes, strict=True))
