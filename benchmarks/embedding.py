"""Benchmark of the Embedder: from JPEG files to unit vectors.

The limit is what cannot be saved: to read, decode and resize all images, and
to run the network on them. Random weights of a small AGW (ResNet-18 of half
width, 96 x 48 pixels), for which what is around the network weighs most.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from images import large_and_noisy, write_images
from serving_client import make_bundle

import mmgl
from mmgl.apis.inference.sources import Source
from mmgl.utils.benchmark import Figure, alternate, report

SHARE = 0.9  # of the limit
BATCH = 64


def measure(options: argparse.Namespace, folder: Path) -> Iterator[Figure]:
    """Yield the rate against the limit, in processor time and on the clock."""
    write_images(folder / 'data', options.images, retouch=large_and_noisy())
    paths = sorted((folder / 'data/cam1').rglob('*.jpg'))
    embedder = mmgl.Embedder(make_bundle(folder), batch_size=BATCH)

    def limit() -> None:
        for start in range(0, len(paths), BATCH):
            some = paths[start : start + BATCH]
            pictures = [
                embedder.prepare(Source(str(path), path, 0)) for path in some
            ]
            embedder.run_prepared(pictures, [0] * len(some))

    functions = dict(limit=limit, all=lambda: embedder.embed(paths, 'visible'))
    for name, clock in (
        ('processor time', time.process_time),
        ('on the clock', time.perf_counter),
    ):
        seconds = alternate(functions, options.repeats, clock)
        rates = {key: len(paths) / one for key, one in seconds.items()}
        yield Figure(
            f'share of the limit, {name}',
            rates['all'] / rates['limit'],
            SHARE,
            at_least=True,
            note=f'{rates["all"]:.0f} of {rates["limit"]:.0f} images/s, '
            f'{torch.get_num_threads()} threads of the network',
        )


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
