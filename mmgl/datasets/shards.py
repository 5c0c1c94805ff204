"""Tar shards of one modality: their index, order, reading and writing.

A shard is a tar file in the layout of webdataset: for each image a member
``KEY.jpg`` (or ``.jpeg``, ``.png``, ``.bmp``) and, if anything is known about
it, ``KEY.json`` with ``pid``, ``camid``, ``modality`` and ``index``. An index
is a JSON file that names the shards of one modality, which lie beside it, and
how many images each of them holds; that is all that is kept in memory.
"""

import json
import os.path as osp
import re
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mmgl.structures import INFRARED, MODALITY_NAMES, VISIBLE
from mmgl.utils.errors import ConfigError, missing_packages
from mmgl.utils.files import replace_whole, write_json
from mmgl.utils.images import MAX_BYTES, check_image, read_file

from .checks import check_outside, check_positive, readable
from .randomness import check_seed, keyed_generator
from .reid_dataset import ReIDDataset

FORMAT = 1
TOOL = 'tools/dataset_converters/write_shards.py'
IMAGE_KEYS = ('jpg', 'jpeg', 'png', 'bmp')
MAX_INDEX_BYTES = 2**26
# Letters, digits and a few signs that neither a path, a URL nor a shell reads.
SHARD_NAME = r'\w[\w.+=@-]*'
ANNOTATIONS = ('pid', 'raw_pid', 'camid', 'modality', 'index')
# ``__key__``, ``__url__`` and the members' bytes by suffix.
Sample = dict[str, Any]


def require_webdataset() -> Any:
    """Import webdataset, which only streaming needs."""
    with missing_packages('a data set of shards'):
        import webdataset
    return webdataset


class Segment(NamedTuple):
    """Images ``start`` to ``stop`` of a shard that holds ``total``."""

    url: str
    start: int
    stop: int
    total: int


class ShardList:
    """Path or URL of each shard of a modality, and the images in each."""

    def __init__(self, urls: Sequence[str], counts: Sequence[int]) -> None:
        self.urls = list(urls)
        self.counts = np.asarray(counts, dtype=np.int64)
        if not len(self.urls) or self.counts.min() < 1:
            raise ConfigError(
                'an index of shards needs at least one shard, '
                f'each with an image; got {list(counts)[:5]}'
            )

    def __len__(self) -> int:
        """Return the number of images."""
        return int(self.counts.sum())

    @classmethod
    def load(cls, location: str, name: str) -> 'ShardList':
        """Read the index of a file name; ValueError for what is none."""
        url = shard_url(location, name)
        if not is_remote(url) and not osp.isfile(url):
            raise FileNotFoundError(
                f'there is no index of shards {url!r}; write shards by '
                f'{TOOL}, or an index of existing ones by its option --index'
            )
        # The opener of the URL raises what it likes.
        remedy = f'write it again by {TOOL}'
        with readable(f'index {url!r}', remedy, Exception):
            with require_webdataset().gopen(url) as stream:
                index = json.loads(stream.read(MAX_INDEX_BYTES))
            if index['format'] != FORMAT:
                raise ValueError(f'format {index["format"]}')
            counts: dict[str, int] = {}
            for row in index['shards']:
                _check_row(row['name'], row['images'])
                if row['name'] in counts:
                    raise ValueError(f'{row["name"]!r} is there twice')
                counts[row['name']] = row['images']
        urls = [shard_url(location, name) for name in counts]
        return cls(urls, list(counts.values()))

    def segments(
        self, key: tuple[int, ...], stream: str, first: int, last: int
    ) -> Iterator[Segment]:
        """Cut images ``first`` to ``last`` out of endless shuffled passes."""
        while first < last:
            number, begin = divmod(first, len(self))
            rng = keyed_generator((*key, number), stream)
            order = rng.permutation(len(self.urls))
            ends = np.cumsum(self.counts[order])
            place = int(np.searchsorted(ends, begin, side='right'))
            shard = int(order[place])
            total = int(self.counts[shard])
            start = begin - (int(ends[place]) - total)
            stop = min(total, start + last - first)
            yield Segment(self.urls[shard], start, stop, total)
            first += stop - start


def _check_row(name: Any, images: Any) -> None:
    """Check a shard, whose name is part of a path, URL or command."""
    if not isinstance(name, str) or not re.fullmatch(SHARD_NAME, name):
        raise ValueError(f'the shard {name!r} is no plain name of a file')
    if type(images) is not int or not 0 < images < 2**40:
        raise ValueError(f'{images!r} images in {name!r}')


def shard_url(location: str, name: str) -> str:
    """Return path or URL of a file in a folder, a URL or a ``{}`` pattern."""
    if '{}' in location:
        return location.replace('{}', name)
    if is_remote(location):
        return f'{location.rstrip("/")}/{name}'
    return osp.join(location, name)


def is_remote(location: str) -> bool:
    """Tell whether something is opened by webdataset as no local file."""
    return '://' in location or location.startswith('pipe:')


def _members(url: str) -> Iterator[tuple[str, str, bytes]]:
    """Yield key, suffix, bytes; ``a/1.seg.png`` is 'a/1', 'seg.png'."""
    if not is_remote(url) and not osp.isfile(url):
        raise FileNotFoundError('there is no such file')
    stream = require_webdataset().gopen(url)
    with tarfile.open(fileobj=stream, mode='r|*') as tar:
        while (member := tar.next()) is not None:
            _check_member(member)
            name = re.fullmatch(r'((?:.*/)?[^./]+)\.([^/]*)', member.name)
            file = tar.extractfile(member)
            if name and file and not re.match('__[^/]*__/', member.name):
                yield name[1], name[2].lower(), file.read()
            # Or all headers are kept.
            tar.members = []  # type: ignore[attr-defined]


def _check_member(member: tarfile.TarInfo) -> None:
    """Raise ValueError for what no shard needs: links, devices, far paths."""
    if not (member.isreg() or member.isdir()) or member.issparse():
        raise ValueError(f'{member.name!r} is no plain file')
    if member.name.startswith('/') or '..' in member.name.split('/'):
        raise ValueError(f'{member.name!r} leads out of the shard')
    if member.size > MAX_BYTES:
        raise ValueError(f'{member.name!r} is larger than {MAX_BYTES} bytes')


def samples_of(url: str) -> Iterator[Sample]:
    """Iterate over the samples of a shard, a ValueError if it is broken."""
    # tarfile and the opener of the URL raise what they like.
    remedy = f'fetch or write it again by {TOOL}'
    with readable(f'shard {url!r}', remedy, Exception):
        for key, members in groupby(_members(url), lambda member: member[0]):
            sample: Sample = dict(__key__=key, __url__=url)
            for _, suffix, data in members:
                if suffix in sample:
                    raise ValueError(f'two members {key}.{suffix}')
                sample[suffix] = data
            yield sample


def read_segment(segment: Segment) -> Iterator[Sample]:
    """Read some images; ValueError if the shard has not as many."""
    read, more = 0, False
    for sample in samples_of(segment.url):
        if read == segment.stop:
            more = True
            break
        read += 1
        if read > segment.start:
            yield sample
    if read < segment.stop or (more and segment.stop == segment.total):
        found = 'more' if more else f'only {read}'
        raise ConfigError(
            f'shard {segment.url!r} should hold {segment.total} images by '
            f'its index and holds {found}; write shards and index again by '
            f'{TOOL}'
        )


def image_of(sample: Sample) -> bytes:
    """Return the bytes of the image file of a sample."""
    for key in IMAGE_KEYS:
        if key in sample:
            return bytes(sample[key])
    raise ConfigError(
        f'sample {sample["__key__"]!r} of shard {sample["__url__"]!r} has no '
        f'member of type {", ".join(IMAGE_KEYS)}, only '
        f'{[k for k in sample if not k.startswith("__")]}'
    )


def write_shards(
    dataset: ReIDDataset, out: str, images_per_shard: int = 1000, seed: int = 0
) -> dict[str, int]:
    """Write the images of a data set, each modality into shards of its own.

    Files are copied in a random order, equal for equal arguments, and indexes
    written last. Returns the number of images by name of the modality.
    """
    check_positive('write_shards', images_per_shard=images_per_shard)
    check_seed(seed)
    check_outside(out, dataset.data_root)
    modalities = dataset.field('modality')
    for name in MODALITY_NAMES:
        # A kill leaves no index of shards that have changed.
        Path(out, f'{name}.json').unlink(missing_ok=True)
    written = {}
    for modality in (VISIBLE, INFRARED):
        name = MODALITY_NAMES[modality]
        rng = keyed_generator((seed,), f'shards of {name}')
        order = rng.permutation(np.flatnonzero(modalities == modality))
        counts: dict[str, int] = {}
        for first in range(0, len(order), images_per_shard):
            file = f'{name}-{len(counts):06d}.tar'
            chosen = order[first : first + images_per_shard].tolist()
            _write_shard(dataset, chosen, osp.join(out, file))
            counts[file] = len(chosen)
        if counts:
            write_index(osp.join(out, f'{name}.json'), counts)
        written[name] = len(order)
    return written


def _write_shard(
    dataset: ReIDDataset, chosen: Sequence[int], path: str
) -> None:
    """Write one tar file."""
    wds = require_webdataset()
    with (
        replace_whole(path) as partial,
        open(partial, 'wb') as file,
        # A fixed time makes equal shards equal files.
        wds.TarWriter(file, encoder=False, mtime=0) as writer,
    ):
        for number in chosen:
            entry = dataset.get_data_info(number)
            image = entry['img_path']
            suffix = osp.splitext(image)[1].lower().lstrip('.')
            notes = {key: entry[key] for key in ANNOTATIONS}
            notes['img_path'] = osp.relpath(image, dataset.data_root)
            sample: Sample = dict(__key__=f'{number:09d}')
            sample[suffix] = read_file(image)
            check_image(sample[suffix], image)
            writer.write(sample | dict(json=json.dumps(notes).encode()))


def write_index(path: str, counts: Mapping[str, int]) -> None:
    """Write an index of shards, from name to number of images."""
    with readable(f'index {path!r}', 'rename the shard', ValueError):
        for name, images in counts.items():
            _check_row(name, images)
    shards = [dict(name=n, images=count) for n, count in counts.items()]
    write_json(path, dict(format=FORMAT, shards=shards))


def count_images(url: str) -> int:
    """Count the images of a shard."""
    return sum(bool(image_of(sample)) for sample in samples_of(url))
