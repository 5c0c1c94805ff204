"""Benchmark of the Embedder: from JPEG files to unit vectors.

The limit is what cannot be saved: to read, decode and resize all images, and
to run the network on them, one after the other, by torch and what it is
exported to; on one core, which shows what is lost, and on all, which read and
compute at a time (torch computes on one of them with OMP_NUM_THREADS=1).
Random weights of a small AGW (ResNet-18 of half width, 96 x 48 pixels), for
which what is around the network weighs most.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from images import large_and_noisy, write_images
from serving_client import make_bundle

from mmgl import Embedder
from mmgl.apis.exporting import export
from mmgl.apis.inference.sources import Source
from mmgl.utils.benchmark import Figure, alternate, report
from mmgl.utils.memory import keep_freed_memory

SHARE = 0.9  # of the limit
BATCH = 64
# What runs exported networks, with its device and precisions.
RUNTIMES = {
    'onnxruntime': ('cpu', ('fp32',)),
    'openvino': ('openvino', ('fp32', 'bf16')),
}


def embedders(
    bundle: Path, runtimes: Sequence[str]
) -> Iterator[tuple[str, Embedder]]:
    """Open the network by torch and in runtimes, as 'RUNTIME TYPE'."""
    opened = partial(Embedder, batch_size=BATCH)
    for precision in ('fp32', 'bf16'):
        yield f'torch {precision}', opened(bundle, precision=precision)
    for runtime in runtimes:
        device, precisions = RUNTIMES[runtime]
        exported = partial(opened, device=device)
        for precision in precisions:
            network = exported(bundle.parent / 'fp32', precision=precision)
            yield f'{runtime} {precision}', network
        yield f'{runtime} int8', exported(bundle.parent / 'int8')


@contextmanager
def bound_to(cores: set[int]) -> Iterator[None]:
    """Keep to these cores what is started here."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def measure(options: argparse.Namespace, folder: Path) -> Iterator[Figure]:
    """Yield the share of the limit of each network, and the rates."""
    write_images(folder / 'data', options.images, retouch=large_and_noisy())
    paths = sorted((folder / 'data/cam1').rglob('*.jpg'))
    bundle = make_bundle(folder)
    runtimes = [one for one in RUNTIMES if find_spec(one)]
    for one in RUNTIMES.keys() - set(runtimes):
        print(f'{one} is left out: it is not installed')
    if runtimes:
        export(bundle, folder / 'fp32')
        export(bundle, folder / 'int8', int8=[paths[:BATCH]] * 2)
    there = sorted(os.sched_getaffinity(0))
    for cores in sorted({1, len(there)}):
        with bound_to(set(there[:cores])):
            for name, embedder in embedders(bundle, runtimes):
                yield share_of(name, embedder, paths, cores, options)


def share_of(
    name: str,
    embedder: Embedder,
    paths: Sequence[Path],
    cores: int,
    options: argparse.Namespace,
) -> Figure:
    """Compare the rates of the Embedder and of the limit."""
    work = {
        'limit': partial(at_the_limit, embedder, paths),
        'all': partial(embedder.embed, paths, 'visible'),
    }
    seconds = alternate(work, options.repeats, time.perf_counter)
    rates = {key: len(paths) / one for key, one in seconds.items()}
    note = f'{rates["all"]:.0f} of {rates["limit"]:.0f} images/s'
    label = f'share of the limit, {name}, cores: {cores}'
    return Figure(
        label, rates['all'] / rates['limit'], SHARE, at_least=True, note=note
    )


def at_the_limit(embedder: Embedder, paths: Sequence[Path]) -> None:
    """Do what cannot be saved, one after the other."""
    for start in range(0, len(paths), BATCH):
        some = paths[start : start + BATCH]
        pictures = [
            embedder.prepare(Source(str(path), path, 0)) for path in some
        ]
        embedder.run_prepared(pictures, [0] * len(some))


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add('--images', type=int, default=384)
    add('--repeats', type=int, default=5)
    add('--out', metavar='FILE', help='JSON file to write')
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> dict[str, object]:
    """Measure, print and return the figures."""
    options = parse_args(argv)
    keep_freed_memory()  # as the commands
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(options, Path(folder))
        return report('From JPEG to unit vectors', figures, options.out)


if __name__ == '__main__':
    main()
