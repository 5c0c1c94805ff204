"""Benchmark of the Embedder: from JPEG files to unit vectors.

The limit is what cannot be saved: to read, decode and resize all images, and
to run the network on them, one after the other, by torch and what it is
exported to. Random weights of a small AGW (ResNet-18 of half width, 96 x 48
pixels), for which what is around the network weighs most.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import torch
from images import large_and_noisy, write_images
from serving_client import make_bundle

from mmgl import Embedder
from mmgl.apis.exporting import export
from mmgl.apis.inference.sources import Source
from mmgl.apis.parsers import EXPORTS
from mmgl.structures import MODALITY_NAMES
from mmgl.utils.benchmark import Figure, alternate, report

SHARE = 0.9  # of the limit
BATCH = 64
CLOCKS = {
    time.process_time: 'processor time',
    time.perf_counter: 'on the clock',
}
# Formats of export, and what runs them.
RUNTIMES = {'onnx': 'onnxruntime', 'openvino': 'openvino'}


def embedders(
    bundle: Path, images: Sequence[Path]
) -> Iterator[tuple[str, Embedder]]:
    """Open the network in all runtimes that are there, as 'RUNTIME TYPE'."""
    for precision in ('fp32', 'bf16'):
        yield (
            f'torch {precision}',
            Embedder(bundle, precision=precision, batch_size=BATCH),
        )
    for runtime, package in RUNTIMES.items():
        if not find_spec(package):
            print(f'{runtime} is left out: {package} is not installed')
            continue
        for number in ('fp32', 'int8') if runtime == 'onnx' else ('fp32',):
            out = bundle.parent / f'{runtime}_{number}'
            few = [images[:64]] * 2 if number == 'int8' else None
            export(bundle, out, runtime, int8=few)
            files = (
                out / f'{name}{EXPORTS[runtime]}' for name in MODALITY_NAMES
            )
            yield f'{runtime} {number}', Embedder(*files, batch_size=BATCH)


def measure(options: argparse.Namespace, folder: Path) -> Iterator[Figure]:
    """Yield the share of the limit of each network, and the rates."""
    write_images(folder / 'data', options.images, retouch=large_and_noisy())
    paths = sorted((folder / 'data/cam1').rglob('*.jpg'))
    for name, embedder in embedders(make_bundle(folder), paths):
        work = {
            'limit': partial(at_the_limit, embedder, paths),
            'all': partial(embedder.embed, paths, 'visible'),
        }
        for clock, words in CLOCKS.items():
            seconds = alternate(work, options.repeats, clock)
            rates = {key: len(paths) / one for key, one in seconds.items()}
            yield Figure(
                f'share of the limit, {name}, {words}',
                rates['all'] / rates['limit'],
                SHARE,
                at_least=True,
                note=f'{rates["all"]:.0f} of {rates["limit"]:.0f} images/s, '
                f'{torch.get_num_threads()} threads',
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
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(options, Path(folder))
        return report('From JPEG to unit vectors', figures, options.out)


if __name__ == '__main__':
    main()
