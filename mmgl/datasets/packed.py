"""Decoded and resized images of a data set in one memory-mapped file.

A pack is a folder of two files:

``images.npy``
    uint8 ``(N, H, W, 3)``, BGR: what the loading steps of a pipeline yield.
``index.npz``
    For each image its path below the root of the data set, size and time of
    the source file, checksum of the source, shape of the source image and
    checksum of the row, 0 where the row is not written yet; and a header
    with format, root layout and loading steps.

Rows are read through the page cache, which all workers and ranks of a
machine share.
"""

import json
import os
import os.path as osp
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from zipfile import BadZipFile

import numpy as np

from mmgl.utils.files import replace_whole

FORMAT = 1
IMAGES, INDEX = 'images.npy', 'index.npz'
TOOL = 'tools/dataset_converters/pack_dataset.py'
COLUMNS = {
    'sizes': np.int64,  # bytes of the source file
    'times': np.int64,  # its modification time in ns
    'source_sums': np.uint32,  # CRC-32 of the source file
    'row_sums': np.uint32,  # CRC-32 of the row
    'heights': np.int32,  # of the source image
    'widths': np.int32,
    'done': np.bool_,
}


def checksum(data: bytes | np.ndarray) -> int:
    """Return the CRC-32 of bytes or of the contents of an array."""
    if isinstance(data, np.ndarray):
        data = np.ascontiguousarray(data).reshape(-1).view(np.uint8)
    return zlib.crc32(data)


def stat_source(path: str) -> tuple[int, int] | None:
    """Return size and modification time (ns) of a file, None without one."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    return status.st_size, status.st_mtime_ns


@dataclass
class PackIndex:
    """What ``index.npz`` holds.

    Attributes:
        paths: Path of each image below the root, with slashes.
        steps: Configs of the loading steps the rows come from.
        shape: Height and width of a row.
        columns: One array per entry of ``COLUMNS``, ``(N, )``.
    """

    paths: list[str]
    steps: list[dict]
    shape: tuple[int, int]
    columns: dict[str, np.ndarray] = field(default_factory=dict)

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

    def same_job(self, other: 'PackIndex') -> bool:
        """Tell whether another index is of the same images and steps."""
        return (
            self.paths == other.paths
            and self.shape == other.shape
            and self.steps == other.steps
        )

    def save(self, folder: str) -> None:
        """Write ``index.npz``, whole or not at all.

        Args:
            folder: Folder of the pack.
        """
        header = json.dumps(
            dict(format=FORMAT, steps=self.steps, shape=self.shape)
        )
        with (
            replace_whole(osp.join(folder, INDEX)) as path,
            open(path, 'wb') as file,
        ):
            np.savez(
                file,
                header=np.array(header),
                paths=np.array(self.paths),
                **self.columns,
            )

    @classmethod
    def load(cls, folder: str) -> 'PackIndex':
        """Read ``index.npz``.

        Args:
            folder: Folder of the pack.

        Returns:
            The index.

        Raises:
            FileNotFoundError: If there is none.
            ValueError: If it is broken or of another format.
        """
        path = osp.join(folder, INDEX)
        if not osp.isfile(path):
            raise FileNotFoundError(
                f'{folder!r} is no pack of images: there is no {INDEX}; '
                f'write one by {TOOL}'
            )
        try:
            # The archive checks the sums of its members itself.
            with np.load(path, allow_pickle=False) as data:
                header = json.loads(str(data['header']))
                if header['format'] != FORMAT:
                    raise ValueError(f'format {header["format"]}')
                columns = {name: data[name] for name in COLUMNS}
                return cls(
                    data['paths'].tolist(),
                    header['steps'],
                    tuple(header['shape']),
                    columns,
                )
        except (
            ValueError,
            KeyError,
            OSError,
            BadZipFile,
            zlib.error,
        ) as error:
            raise ValueError(
                f'{path!r} cannot be read ({error}); pack the data set '
                f'again by {TOOL} --overwrite'
            ) from error


class PackedImages:
    """Read access to a pack.

    The images are mapped into memory when the first row is asked for, in
    each process anew, and never pickled: data loaders send the reader to
    their workers.

    Args:
        folder: Folder of the pack.

    Raises:
        FileNotFoundError: If it holds no pack.
        ValueError: If the pack is broken or not finished.
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
        self._map = None
        self._open()

    def _open(self) -> np.ndarray:
        """Map the images and check their shape."""
        if self._map is None:
            path = osp.join(self.folder, IMAGES)
            try:
                images = np.load(path, mmap_mode='r')
            except (OSError, ValueError) as error:
                raise ValueError(
                    f'{path!r} cannot be read ({error}); pack the data set '
                    f'again by {TOOL} --overwrite'
                ) from error
            if images.shape != self.shape or images.dtype != np.uint8:
                raise ValueError(
                    f'{path!r} holds {images.dtype} {images.shape}, the '
                    f'index names uint8 {self.shape}; pack the data set '
                    f'again by {TOOL} --overwrite'
                )
            self._map = images
        return self._map

    def __getstate__(self) -> dict:
        """Leave the mapped file out of pickles."""
        return dict(self.__dict__, _map=None)

    def __getitem__(self, row: int) -> np.ndarray:
        """Return a copy of one image, ``(H, W, 3)``."""
        return np.array(self._open()[row])


def find_rows(
    folder: str, root: str, paths: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Look images up in a pack and check that their files are unchanged.

    Args:
        folder: Folder of the pack.
        root: Folder of the data set.
        paths: Paths of n images, in ``root``.

    Returns:
        Their rows ``(n, )``, and height and width of the source images
        ``(n, 2)``.

    Raises:
        ValueError: If an image is not in the pack, or its file has changed
            since it was packed.
    """
    index = PackIndex.load(folder)
    numbers = {path: row for row, path in enumerate(index.paths)}
    names = [relative_path(root, path) for path in paths]
    missing = [name for name in names if name not in numbers]
    if missing:
        raise ValueError(
            f'{len(missing)} images of {root!r} are not in the pack '
            f'{folder!r}, the first is {missing[0]!r}; pack the data set '
            f'again by {TOOL} --overwrite'
        )
    rows = np.array([numbers[name] for name in names], dtype=np.int64)
    columns = {name: column[rows] for name, column in index.columns.items()}
    known = zip(
        columns['sizes'].tolist(), columns['times'].tolist(), strict=True
    )
    stale = [
        name
        for name, path, state in zip(names, paths, known, strict=True)
        if stat_source(path) != state
    ]
    if stale:
        raise ValueError(
            f'the pack {folder!r} is stale: {len(stale)} of {len(names)} '
            f'images of {root!r} have changed since, the first is '
            f'{stale[0]!r}; run {TOOL} again, it rewrites what differs'
        )
    return rows, np.stack([columns['heights'], columns['widths']], axis=1)


def relative_path(root: str, path: str) -> str:
    """Return a path below a root, with slashes."""
    return osp.relpath(path, root).replace(os.sep, '/')
