"""Measure the data pipelines, and resizing against PIL's.

One worker of a data loader, one thread, on synthetic JPEG files of the size
of SYSU-MM01's images or larger (150-240 x 320-480 pixels, about 40 kB), in
processor time; ``--workers`` adds what several deliver together.
"""

import argparse
import itertools
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from timeit import timeit

import cv2
import numpy as np
from images import large_and_noisy, write_images
from meters import PREFETCH, batches_in_flight, countdown, time_loaded
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from mmgl.config.loading import load_config
from mmgl.datasets import SYSUMM01, Draw, StreamedPairs, stack_collate
from mmgl.datasets.pack_writer import write_pack
from mmgl.datasets.samplers import StreamSampler
from mmgl.datasets.shards import write_shards
from mmgl.datasets.transforms import PILResize
from mmgl.utils.benchmark import Figure, alternate, report, usable_cores
from mmgl.utils.compat import silence_upstream_warnings
from mmgl.utils.paths import config_dir

RATE, CORES = 3000, 16  # images per second of a GPU, and its cores
BATCH = 96  # images
TURNS = 20  # as many batches are timed as are in flight, times this
SIZE = (288, 144)  # height, width
KINDS = ('fine-tuning', 'pre-training')
SUBJECTS = ('workers', 'pipelines', 'resize')
IMAGES_EACH = 5  # of a person and camera
ENOUGH = 3  # seconds to begin with another loader
# Height and width of RegDB's images, and of crops as SYSU-MM01 has them.
SOURCES = ((128, 64), (200, 80), (350, 150), (480, 240))
# Height, width and filter of the pipelines.
RESULTS = (288, 144, 'lanczos'), (256, 128, 'bilinear'), (384, 128, 'bilinear')
TARGET = 2  # times the rate of PIL
CALLS = 20  # images in a timed call


def one_thread(number: int) -> None:
    """Keep a worker to one thread, as training does."""
    cv2.setNumThreads(0)


HOW = dict(worker_init_fn=one_thread, multiprocessing_context='fork')


def in_worker(function: Callable[[], object]) -> object:
    """Return what a function returns in a worker of a data loader."""
    how = dict(num_workers=1, collate_fn=lambda item: item(), **HOW)
    return next(iter(DataLoader([function], batch_size=None, **how)))


def batches(size: int, count: int) -> list[list[Draw]]:
    """Return batches of draws, the data set again and again."""
    draws = [Draw(n % size, 0, 0, n, n // 2) for n in range(count * BATCH)]
    return [draws[n : n + BATCH] for n in range(0, len(draws), BATCH)]


def measure_workers(
    name: str, dataset: Dataset, workers: int, turns: int | None = None
) -> Figure:
    """Measure images/s as they arrive from all workers of a loader."""
    flight, turns = batches_in_flight(workers), turns or TURNS
    target = RATE if workers == CORES <= usable_cores() else None
    loader = DataLoader(
        dataset,
        num_workers=workers,
        prefetch_factor=PREFETCH,
        batch_sampler=batches(len(dataset), (turns + 3) * flight + 1),
        collate_fn=stack_collate,
        **HOW,
    )
    counts = 2 * flight + 1, turns * flight
    rate = BATCH / time_loaded(loader, lambda batch: None, *counts)
    note = f'{rate / workers:.0f} a worker, {usable_cores()} cores'
    name = f'{name}, {workers} workers'
    return Figure(name, rate, target, 'images/s', True, note)


def steps_of(kind: str) -> list[dict]:
    """Return a pipeline of the configs."""
    cfg = load_config(config_dir() / '_base_/pipelines/288x144.py')
    pretrain = kind == 'pre-training'
    return cfg.pretrain_pipeline if pretrain else cfg.finetune_pipeline


def data_sets(root: str, folder: Path, kind: str) -> dict[str, SYSUMM01]:
    """Return the images with a pipeline, from files and from the pack."""
    steps, pack = steps_of(kind), str(folder / 'pack')
    return {
        'JPEG files': SYSUMM01(root, 'train', steps),
        'packed': SYSUMM01(root, 'train', steps, packed=pack),
    }


def pipelines(root: str, folder: Path, kind: str) -> dict[str, Callable]:
    """Return functions that load every image once, by its source."""
    datasets, functions = data_sets(root, folder, kind), {}
    size = len(datasets['packed'])
    draws = [Draw(n, 0, 0, n, n // 2) for n in range(size)]
    for source, dataset in datasets.items():
        functions[source] = lambda data=dataset: [data[one] for one in draws]
    if find_spec('webdataset'):
        steps = [dict(type='LoadImageFromBytes'), *steps_of(kind)[1:]]
        stream = StreamedPairs(str(folder / 'shards'), pipeline=steps)
        batch = list(StreamSampler(stream, size, seed=0))
        functions['tar shards'] = lambda: stream.__getitems__(batch)
    return functions


def measure_pipelines(
    root: str, folder: Path, repeats: int
) -> Iterator[Figure]:
    """Time the pipelines in one worker: how many of it feed a GPU."""
    dataset = SYSUMM01(root, 'train')
    if find_spec('webdataset'):
        write_shards(dataset, str(folder / 'shards'), 50)
    for kind in KINDS:
        functions = pipelines(root, folder, kind)
        seconds = in_worker(partial(alternate, functions, repeats))
        for source, one in seconds.items():
            name = f'{kind}, {source}, to feed {RATE} images/s'
            rate = len(dataset) / one
            note = f'{rate:.0f} images/s'
            yield Figure(name, RATE / rate, CORES, 'cores', note=note)


def resize_functions(
    source: tuple[int, int], height: int, width: int, interpolation: str
) -> dict[str, Callable[[], object]]:
    """Return ways to resize; 'PIL alone' has no arrays to convert."""
    shape, size = (*source, 3), (width, height)
    img = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    ours = PILResize(size, interpolation)
    kind = Image.Resampling[interpolation.upper()]
    picture = Image.fromarray(img)

    def by_pil() -> np.ndarray:
        return np.asarray(Image.fromarray(img).resize(size, kind))

    return {
        'mmgl': lambda: ours(dict(img=img)),
        'PIL': by_pil,
        'PIL alone': lambda: picture.resize(size, kind),
    }


def measure_resize(repeats: int) -> Iterator[Figure]:
    """Time all pairs of a source and a result in one worker."""
    for result, source in itertools.product(RESULTS, SOURCES):
        functions = {
            name: partial(timeit, one, number=CALLS)
            for name, one in resize_functions(source, *result).items()
        }
        seconds = in_worker(partial(alternate, functions, repeats))
        ours, pil, alone = (1e3 / CALLS * one for one in seconds.values())
        note = f'{ours:.2f} against {pil:.2f} ms; PIL alone {alone:.2f}'
        height, width, interpolation = result
        sizes = f'{source[0]} x {source[1]} to {height} x {width}'
        name = f'{interpolation}, {sizes}, against PIL'
        yield Figure(name, pil / ours, TARGET, at_least=True, note=note)


def measure_together(
    options: argparse.Namespace, root: str, folder: Path, notes: list[str]
) -> Iterator[Figure]:
    """Time all workers together until the time is over."""
    left = countdown(options.seconds)
    for kind in KINDS:
        for source, dataset in data_sets(root, folder, kind).items():
            name = f'{kind}, {source}'
            if left() < ENOUGH:
                notes.append(f'{name}: not reached.')
                continue
            how = options.workers, options.turns
            yield measure_workers(name, dataset, *how)


def measure(
    options: argparse.Namespace, folder: Path, notes: list[str]
) -> Iterator[Figure]:
    """Write the images and time what is asked for."""
    root = str(folder / 'data')
    pairs = -(-options.images // 2)
    retouch = large_and_noisy()
    write_images(Path(root), pairs, IMAGES_EACH, retouch, quality=90)
    images = SYSUMM01(root, 'train')
    paths = [images.get_data_info(n)['img_path'] for n in range(len(images))]
    size = sum(Path(path).stat().st_size for path in paths) / len(paths)
    print(f'{len(paths)} images of {size / 1000:.0f} kB')
    write_pack(root, paths, str(folder / 'pack'), *SIZE)
    if options.workers and 'workers' in options.only:
        yield from measure_together(options, root, folder, notes)
    if 'pipelines' in options.only:
        yield from measure_pipelines(root, folder, options.repeats)
    if 'resize' in options.only:
        yield from measure_resize(options.repeats)


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add('--only', nargs='+', choices=SUBJECTS, default=SUBJECTS)
    add('--images', type=int, default=100)
    add('--repeats', type=int, default=5)
    add('--out', metavar='JSON', help='file for the figures')
    add = parser.add_argument_group('many workers').add_argument
    add('--workers', type=int, default=0, help='to measure together, too')
    add('--turns', type=int, help='of all their batches, that are timed')
    text = 'begin with no other loader afterwards'
    add('--seconds', type=float, default=float('inf'), help=text)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> dict[str, object]:
    """Measure, print and return the figures."""
    options, notes = parse_args(argv), []
    silence_upstream_warnings()
    with tempfile.TemporaryDirectory() as folder:
        return report(
            'Data',
            measure(options, Path(folder), notes),
            options.out,
            images=options.images,
            repeats=options.repeats,
            opencv=cv2.__version__,
            notes=notes,
        )


if __name__ == '__main__':
    main()
