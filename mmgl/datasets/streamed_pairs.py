"""Unlabelled cross-modal pairs read from tar shards, in order."""

import json
import random
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

from mmengine.dataset import Compose
from torch.utils.data import Dataset, get_worker_info

from mmgl.registry import DATASETS
from mmgl.structures import INFRARED, MODALITY_NAMES, VISIBLE
from mmgl.utils.errors import ConfigError

from . import shards as tar
from .checks import check, readable
from .randomness import Draw, seed_sequence
from .reid_dataset import build_pipeline, run_pipeline
from .types import Results, Steps


class StreamPlan(NamedTuple):
    """How an epoch of batches is shared out, set by the sampler."""

    batch_size: int
    num_iters: int
    rank: int
    world_size: int

    def share(
        self, epoch: int, worker: int, num_workers: int
    ) -> tuple[int, int]:
        """Return first pair and the one behind the last that a worker reads.

        The pairs of all epochs form one endless sequence, from which each
        worker of each rank takes a range, as many as its batches need: those
        of number ``worker``, ``worker + num_workers`` and so on.
        """
        per_worker, rest = divmod(self.num_iters, num_workers)
        before = worker * per_worker + min(worker, rest)
        ranks = epoch * self.world_size + self.rank
        first = ranks * self.num_iters + before
        last = first + per_worker + (worker < rest)
        half = self.batch_size // 2
        return first * half, last * half


@DATASETS.register_module()
class StreamedPairs(Dataset[Results]):
    """Random cross-modal pairs from shards larger than disk or memory.

    Visible and infrared images lie in shards of their own, local or remote
    (see :mod:`mmgl.datasets.shards`), read from front to back. A pass goes
    through all shards of a modality in random order; each worker of each rank
    reads a range of that sequence, which may begin inside a shard, so that a
    pass leaves out no image and reads none twice; a buffer shuffles what a
    worker has read. Passes of the smaller modality are shorter, and an epoch
    begins where the last one ended.

    Must be used with ``StreamSampler`` and a data loader that collates
    batches. A batch is a function of (seed, epoch, its number, ranks and
    workers).

    Args:
        shards: Folder or URL (``http://...``, ``pipe:COMMAND``, as webdataset
            opens them) of the shards; or a pattern with ``{}`` in place of
            the file name: ``'pipe:aws s3 cp s3://bucket/{} -'``.
        visible: File name of the index of the visible shards, there.
        infrared: File name of the index of the infrared shards.
        pipeline: Transforms or their configs; the first one decodes:
            ``LoadImageFromBytes``.
        shuffle_buffer: Encoded images of each modality a worker keeps to
            shuffle them; 0 or 1 keeps the order of the shards.
    """

    def __init__(
        self,
        shards: str,
        visible: str = 'visible.json',
        infrared: str = 'infrared.json',
        pipeline: Steps = (),
        shuffle_buffer: int = 1000,
    ) -> None:
        key = 'StreamedPairs.shuffle_buffer'
        check(key, shuffle_buffer, shuffle_buffer >= 0, '0 or more')
        names = visible, infrared
        self.lists = [tar.ShardList.load(shards, name) for name in names]
        self.pipeline = Compose(build_pipeline(pipeline))
        self.shuffle_buffer = shuffle_buffer
        self.metainfo = dict(
            dataset='streamed', split=shards, trial=None, num_pids=None
        )
        self.plan: StreamPlan | None = None
        self._pairs: Iterator[tuple[Results, ...]] = iter(())
        # (seed, epoch, number of the next batch, workers)
        self._next: tuple[int, ...] = ()

    def __len__(self) -> int:
        """Return the number of images of both modalities."""
        return sum(map(len, self.lists))

    def __getstate__(self) -> dict[str, Any]:
        """Leave open streams out of pickles."""
        return dict(self.__dict__, _pairs=iter(()), _next=())

    def __getitems__(self, draws: Sequence[Draw]) -> list[Results]:
        """Read and transform one batch, asked for by ``StreamSampler``."""
        draw, plan = draws[0], self.plan
        if plan is None or not isinstance(draw, Draw):
            raise ConfigError(
                "StreamedPairs needs sampler=dict(type='StreamSampler', ...)"
            )
        if len(draws) != plan.batch_size:
            raise ConfigError(
                f'a batch of {len(draws)} images was asked for, the '
                f'StreamSampler has batch_size={plan.batch_size}; set the '
                "data loader's batch_size alike"
            )
        self._seek(draw, plan)
        pairs = islice(self._pairs, plan.batch_size // 2)
        images = [image for pair in pairs for image in pair]
        seed, epoch, number, workers = self._next
        self._next = seed, epoch, number + workers, workers
        return [
            self._transform(image, draw)
            for image, draw in zip(images, draws, strict=True)
        ]

    def __getitem__(self, draw: Draw) -> Results:
        """Refuse: images come in batches only."""
        raise TypeError(
            'StreamedPairs yields whole batches; use it in a data '
            'loader with StreamSampler and batch_size'
        )

    def _seek(self, draw: Draw, plan: StreamPlan) -> None:
        """Begin the stream of a batch, unless it is the next one anyway."""
        info = get_worker_info()
        worker, workers = (info.id, info.num_workers) if info else (0, 1)
        if draw.index % workers != worker:
            raise ConfigError(
                f'batch {draw.index} came to worker {worker} of {workers}: '
                'StreamedPairs needs batches to go to the workers in turn, '
                'as data loaders do unless in_order is False'
            )
        wanted = draw.seed, draw.epoch, draw.index, workers
        if self._next == wanted:
            return
        place = plan.share(draw.epoch, worker, workers)
        streams = [self._images(m, draw, *place) for m in (VISIBLE, INFRARED)]
        done = draw.index // workers * (plan.batch_size // 2)
        self._pairs = islice(zip(*streams, strict=True), done, None)
        self._next = wanted

    def _images(
        self, modality: int, draw: Draw, first: int, last: int
    ) -> Iterator[Results]:
        """Read a range of the images of one modality and shuffle them."""
        purpose = f'stream of {MODALITY_NAMES[modality]}'
        segments = self.lists[modality].segments(
            (draw.seed,), purpose, first, last
        )
        samples = (
            sample
            for segment in segments
            for sample in tar.read_segment(segment)
        )
        if self.shuffle_buffer > 1:
            # The first pair tells one worker from the other.
            key = draw.seed, draw.epoch, first % 2**32, first >> 32
            words = seed_sequence(key, f'buffer of {purpose}')
            rng = random.Random(words.generate_state(4).tobytes())
            samples = tar.require_webdataset().shuffle(
                self.shuffle_buffer, initial=self.shuffle_buffer, rng=rng
            )(samples)
        return (_entry(sample, modality) for sample in samples)

    def _transform(self, entry: Results, draw: Draw) -> Results:
        """Run the pipeline on one image."""
        results = dict(entry, draw=draw, sample_idx=draw.position)
        what = f'StreamedPairs: image {entry["shard_path"]!r}'
        return run_pipeline(self.pipeline, results, draw, what)


def _entry(sample: tar.Sample, modality: int) -> Results:
    """Return what a pipeline needs of a sample; numbers may be unknown."""
    path = f'{sample["__url__"]}/{sample["__key__"]}'
    remedy = 'write the shard again'
    with readable(f'the notes of {path!r}', remedy, Exception):
        notes = json.loads(sample.get('json', b'{}'))
        numbers = {key: notes.get(key, -1) for key in tar.ANNOTATIONS}
        for key, number in numbers.items():
            if type(number) is not int:
                raise ValueError(f'{key} is {number!r}')
    if notes.get('modality', modality) != modality:
        raise ConfigError(
            f'{path!r} in the shards of {MODALITY_NAMES[modality]} images '
            f'has modality {notes["modality"]}; check which index is '
            'StreamedPairs.visible and which is infrared'
        )
    return dict(
        numbers,
        modality=modality,
        img_path=str(notes.get('img_path', path)),
        shard_path=path,
        img_bytes=tar.image_of(sample),
    )
