"""Base class of the re-identification data sets."""

import copy
import os.path as osp
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
from mmengine.dataset import BaseDataset, Compose
from mmengine.registry import DefaultScope

from mmgl.registry import TRANSFORMS
from mmgl.structures import INFRARED, MODALITY_NAMES, VISIBLE
from mmgl.utils.errors import ConfigError, one_line

from .checks import check_choice
from .packed import PackedImages, find_rows
from .randomness import Draw, rng_scope
from .types import Ints, Results, Steps

MODALITIES = {
    'both': (VISIBLE, INFRARED),
    'visible': (VISIBLE,),
    'infrared': (INFRARED,),
}
NUMBERS = ('pid', 'raw_pid', 'modality', 'camid', 'index')


class MissingImageError(ConfigError, FileNotFoundError):
    """An image that the data set names and that is not there."""


class ReIDDataset(BaseDataset):  # type: ignore[misc]
    """Images of persons with pid, camera, modality and image number.

    Unlike with mmengine's base class, an item may be asked for by a
    :class:`Draw`, which makes its augmentation a function of (seed, epoch,
    position); a broken image is an error and not replaced by another one;
    the meta information is ready before the images are listed.

    A subclass implements :meth:`read_metainfo` and, with entries made by
    :meth:`make_entry`, :meth:`load_data_list`.

    Args:
        data_root: Folder of the data set.
        split: One of the subclass's ``SPLITS``.
        pipeline: Transforms or their configs, resolved in scope ``mmgl``.
        modality: 'both', 'visible' or 'infrared'.
        listing: 'disk' lists the images of the folder; 'protocol' takes the
            split files' word for them, to count or to score stored features.
        indices: Number of first items, or the items, to keep.
        serialize_data: Keep the list as one block of bytes, shared by the
            workers.
        lazy_init: Do not list the images yet.
        test_mode: Accepted for mmengine; nothing depends on it.
        packed: Folder written by ``mmgl pack-dataset``; images come from
            there, in place of the loading steps the pipeline begins with.

    Raises:
        FileNotFoundError: For a missing folder or file.
        ValueError: For a broken split file, or a split without images.
    """

    SPLITS: Sequence[str] = ()

    def __init__(
        self,
        data_root: str,
        split: str,
        pipeline: Steps = (),
        modality: str = 'both',
        listing: str = 'disk',
        indices: int | Sequence[int] | None = None,
        serialize_data: bool = True,
        lazy_init: bool = False,
        test_mode: bool = False,
        packed: str | None = None,
    ) -> None:
        name = type(self).__name__
        check_choice(f'{name}.split', split, self.SPLITS)
        check_choice(f'{name}.modality', modality, MODALITIES)
        check_choice(f'{name}.listing', listing, ('disk', 'protocol'))
        check_root(f'{name}.data_root', data_root)
        self.split = split
        self.modality = modality
        self.listing = listing
        self.packed = packed
        super().__init__(
            data_root=data_root,
            pipeline=self._steps(pipeline),
            indices=indices,
            serialize_data=serialize_data,
            test_mode=test_mode,
            lazy_init=True,
        )
        # Not passed to the base class, which would look for files named as
        # the values.
        meta = dict(split=split, trial=None) | self.read_metainfo()
        self._metainfo.update(meta)
        if not lazy_init:
            self.full_init()

    def with_pipeline(self, pipeline: Steps) -> 'ReIDDataset':
        """Return the same images with other transforms."""
        other = copy.copy(self)
        other.pipeline = Compose(self._steps(pipeline))
        return other

    def _steps(self, pipeline: Steps) -> list[Callable[..., Any]]:
        """Build transforms, which may begin with a pack."""
        steps = build_pipeline(pipeline)
        if self.packed is None:
            return steps
        key = f'{type(self).__name__}.packed'
        return load_from_pack(key, steps, self.packed)

    @abstractmethod
    def read_metainfo(self) -> dict[str, Any]:
        """Return dataset, split, trial, num_pids, pids and what tests need.

        ``pids[i]`` is the raw person number of label ``i`` in training
        splits.
        """

    def make_entry(
        self,
        path: Sequence[str],
        pid: int,
        raw_pid: int,
        camid: int,
        modality: int,
        index: int,
    ) -> Results:
        """Return an entry of the data list; ``path`` is below the root.

        ``raw_pid`` is the person number of the data set, ``index`` counts the
        images of (pid, camid) from 1.
        """
        numbers = pid, raw_pid, modality, camid, index
        img_path = osp.join(self.data_root, *path)
        return dict(zip(NUMBERS, numbers, strict=True), img_path=img_path)

    def filter_data(self) -> list[Results]:
        """Keep the wanted modality; a split without images is an error."""
        wanted = MODALITIES[self.modality]
        kept = [e for e in self.data_list if e['modality'] in wanted]
        if not kept:
            have = sorted({e['modality'] for e in self.data_list})
            raise ConfigError(
                f'{type(self).__name__}: split {self.split!r} of '
                f'{self.data_root!r} has no image for modality='
                f'{self.modality!r}, only '
                f'{[MODALITY_NAMES[m] for m in have]}; choose another one.'
            )
        if self.packed is not None:
            paths = [entry['img_path'] for entry in kept]
            rows = find_rows(self.packed, self.data_root, paths)
            for entry, (row, shape) in zip(kept, rows, strict=True):
                entry.update(packed_row=row, ori_shape=shape)
        return kept

    def field(self, name: str) -> Ints:
        """Return one of ``NUMBERS`` of every item, read anew each time."""
        check_choice(f'{type(self).__name__}.field', name, NUMBERS)
        items = (self.get_data_info(i)[name] for i in range(len(self)))
        return np.fromiter(items, dtype=np.int64, count=len(self))

    def labels(self) -> Ints:
        """Return (n, 4): pid, camid, modality and index."""
        names = ('pid', 'camid', 'modality', 'index')
        return np.stack([self.field(name) for name in names], axis=1)

    def __getitem__(self, draw: Draw | int) -> Results:
        """Load and transform one image.

        With a draw of a sampler, instead of a plain index, the transforms'
        randomness depends on its key only. A missing image is a
        FileNotFoundError, one that cannot be decoded a ValueError; both are
        ConfigErrors.
        """
        if isinstance(draw, Draw):
            results = self.get_data_info(draw.index) | dict(draw=draw)
            if draw.label is not None:
                results['pid'] = draw.label
        else:
            results = self.get_data_info(int(draw))
        what = f'{type(self).__name__}: image {results["img_path"]!r}'
        try:
            return run_pipeline(self.pipeline, results, draw, what)
        except FileNotFoundError as error:
            raise MissingImageError(
                f'{what} is missing; restore it or correct '
                f'data_root={self.data_root!r}.'
            ) from error
        except (AssertionError, cv2.error) as error:
            raise ConfigError(
                f'{what} cannot be transformed ({one_line(error)}); check '
                'the pipeline.'
            ) from error


def check_root(key: str, data_root: str) -> None:
    """Raise FileNotFoundError unless the folder of a data set is there."""
    if not osp.isdir(data_root):
        raise FileNotFoundError(
            f'{key}: no folder {data_root!r}. Set {key.split(".")[-1]} to the '
            'folder of the data set, see docs/datasets.md.'
        )


def build_pipeline(pipeline: Steps) -> list[Callable[..., Any]]:
    """Build transforms in scope mmgl, whatever the scope around."""
    with DefaultScope.overwrite_default_scope('mmgl'):
        return [
            TRANSFORMS.build(step) if isinstance(step, dict) else step
            for step in pipeline
        ]


def run_pipeline(
    pipeline: Callable[[Results], Results | None],
    results: Results,
    draw: Draw | int,
    what: str,
) -> Results:
    """Transform one image, which ``what`` names in the message of an error."""
    with rng_scope(draw):
        data = pipeline(results)
    if data is None:
        raise ConfigError(
            f'{what}: the pipeline returned nothing; each image must yield a '
            'sample.'
        )
    return data


def load_from_pack(
    key: str, steps: Sequence[Callable[..., Any]], folder: str
) -> list[Callable[..., Any]]:
    """Replace the steps that made a pack by it; ValueError for others."""
    # Lists and tuples look alike.
    packed, given = (
        [repr(step).replace('[', '(').replace(']', ')') for step in these]
        for these in (build_pipeline(PackedImages(folder).steps), steps)
    )
    given = given[: len(packed)]
    if given != packed:
        raise ConfigError(
            f'{key}: the images in {folder!r} come from the steps {packed}, '
            f'but the pipeline begins with {given}; pack the data set with '
            'the height, width and interpolation of the pipeline, or leave '
            'packed out.'
        )
    load = dict(type='LoadPackedImage', folder=folder)
    return [*build_pipeline([load]), *steps[len(packed) :]]
