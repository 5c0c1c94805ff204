"""Measure recall, time, memory and build cost of the gallery indexes.

Features are clustered as those of a ReID model are: identities of 20 images
around centres that themselves lie near a space of 64 dimensions, with noise
in all 512; queries are other images of the same identities. Recall is the
share of the 10 (100) truly nearest images that an index finds, the truth
being the exact products of this project, not an index. Times on the
processor are those of one thread; on a GPU they are those on the wall, copies
of queries and answers included.

Example:
    python benchmarks/retrieval.py --size 1000000 --out retrieval.json
    python benchmarks/retrieval.py --size 1000000 --device gpu
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from mmgl.gallery.faiss_indexes import check_gpu
from mmgl.gallery.index import DEVICES, GalleryIndex
from mmgl.gallery.index import KINDS as INDEXES
from mmgl.utils.benchmark import Figure, peak_memory, report, run_python

DIMS, LATENT, IMAGES, CHUNK = 512, 64, 20, 20_000
ON_DISK = ('flat on disk', 'ivfpq on disk, ranked again')
KINDS = ('flat', 'ivfpq', *ON_DISK)


def write_features(folder, size, queries):
    """Draw features into files, a chunk at a time.

    Args:
        folder (Path): Where ``gallery.npy`` and ``queries.npy`` go.
        size (int): Images of the gallery.
        queries (int): Images to search for.
    """
    rng = np.random.default_rng(0)
    spread = rng.standard_normal((LATENT, DIMS), dtype=np.float32)
    spread /= np.float32(np.sqrt(LATENT))
    people = rng.standard_normal(
        (-(-size // IMAGES), LATENT), dtype=np.float32
    )

    def images(person):
        features = people[person] @ spread
        features += rng.standard_normal(features.shape, dtype=np.float32)
        return features / np.linalg.norm(features, axis=1, keepdims=True)

    gallery = np.lib.format.open_memmap(
        folder / 'gallery.npy', 'w+', np.float32, (size, DIMS)
    )
    for start in range(0, size, CHUNK):
        stop = min(start + CHUNK, size)
        gallery[start:stop] = images(np.arange(start, stop) // IMAGES)
    gallery.flush()
    np.save(
        folder / 'queries.npy', images(rng.integers(0, len(people), queries))
    )


def exact_ranking(gallery, queries, count):
    """Find the nearest images by all products.

    Args:
        gallery (np.ndarray): (m, d), unit features.
        queries (np.ndarray): (n, d), unit features.
        count (int): How many.

    Returns:
        np.ndarray: Numbers of images, nearest first, (n, count).
    """
    best = np.full((len(queries), count), -np.inf, dtype=np.float32)
    ids = np.zeros(best.shape, dtype=np.int64)
    for start in range(0, len(gallery), CHUNK):
        part = queries @ gallery[start : start + CHUNK].T
        kept = np.argpartition(-part, min(count, part.shape[1]) - 1)[:, :count]
        best = np.hstack([best, np.take_along_axis(part, kept, axis=1)])
        ids = np.hstack([ids, kept + start])
        order = np.argsort(-best, axis=1)[:, :count]
        best = np.take_along_axis(best, order, axis=1)
        ids = np.take_along_axis(ids, order, axis=1)
    return ids


def recall(found, expected):
    """Give the share of the expected images that were found.

    Args:
        found (np.ndarray): (n, k).
        expected (np.ndarray): (n, k).

    Returns:
        float: 0 to 1.
    """
    shares = [
        len(np.intersect1d(one, other)) / len(other)
        for one, other in zip(found, expected, strict=True)
    ]
    return float(np.mean(shares))


def run_kind(options):
    """Build, save, load and search one kind, and print its figures.

    Runs in a process of its own, whose peak memory is that of the search.

    Args:
        options (argparse.Namespace): With ``kind`` and ``folder``.
    """
    folder = Path(options.folder)
    gallery = np.load(folder / 'gallery.npy', mmap_mode='r')
    queries = np.load(folder / 'queries.npy')
    path, kind = folder / f'{options.kind[:4]}.index', options.kind
    again = kind.endswith('again')
    clock = time.process_time if options.device == 'cpu' else time.perf_counter
    if options.build:
        lists = 2 ** int(np.log2(4 * np.sqrt(len(gallery))))
        index = GalleryIndex(
            DIMS,
            kind,
            lists=lists,
            codes=64,
            probes=max(1, lists // 32),
            device=options.device,
        )
        sample = np.random.default_rng(0).permutation(len(gallery))[
            : 40 * lists
        ]
        start = clock()
        index.fit(gallery[np.sort(sample)])
        fitted = clock()
        for first in range(0, len(gallery), CHUNK):
            index.add(gallery[first : first + CHUNK])
        added = clock()
        index.save(path)
        print(
            'fit', fitted - start, 'add', added - fitted, 'peak', peak_memory()
        )
        return
    index = GalleryIndex.load(path, options.device, on_disk=kind in ON_DISK)
    if options.device == 'gpu':
        index.search(queries, 100)  # kernels are loaded and memory is asked
    start = clock()
    ids = index.search(queries, 100, gallery if again else None)[1]
    print('search', clock() - start, 'peak', peak_memory())
    np.save(folder / 'found.npy', ids)


def call(options, folder, kind, *extra):
    """Run one kind in another process.

    Args:
        options (argparse.Namespace): Command line options.
        folder (Path): With the features.
        kind (str): Of ``KINDS``.
        *extra (str): More options.

    Returns:
        dict[str, float]: What it printed.
    """
    done = run_python(
        __file__,
        '--kind',
        kind,
        '--folder',
        str(folder),
        '--device',
        options.device,
        *extra,
        capture=True,
    )
    done.check_returncode()
    # FAISS itself may have said something before.
    words = done.stdout.splitlines()[-1].split()
    return dict(zip(words[::2], map(float, words[1::2]), strict=True))


def measure(options, folder):
    """Measure all kinds.

    Args:
        options (argparse.Namespace): Command line options.
        folder (Path): For features and indexes.

    Returns:
        list[Figure]: The table.
    """
    write_features(folder, options.size, options.queries)
    gallery = np.load(folder / 'gallery.npy', mmap_mode='r')
    queries = np.load(folder / 'queries.npy')
    start = time.process_time()
    truth = exact_ranking(gallery, queries, 100)
    exact = time.process_time() - start
    each = 1000 / len(queries)
    figures = [
        Figure(
            'exact ranking, a query',
            exact * each,
            unit='ms',
            note='products and argpartition, no index',
        )
    ]
    for kind in KINDS:
        if kind.split()[0] not in options.only or (
            kind in ON_DISK and options.device != 'cpu'
        ):
            continue
        if kind not in ON_DISK:
            built = call(options, folder, kind, '--build')
            figures += [
                Figure(
                    f'{kind}: build',
                    built['fit'] + built['add'],
                    unit='s',
                    note=f'fit {built["fit"]:.1f} s, add {built["add"]:.1f} s',
                ),
                Figure(
                    f'{kind}: peak memory of building',
                    built['peak'],
                    unit='GiB',
                    note='mapped pages of the features that '
                    'were read included',
                ),
                Figure(
                    f'{kind}: file',
                    unit='GiB',
                    value=(folder / f'{kind[:4]}.index').stat().st_size
                    / 2**30,
                ),
            ]
        searched = call(options, folder, kind)
        found = np.load(folder / 'found.npy')
        figures += [
            Figure(
                f'{kind}: recall of the nearest 10',
                recall(found[:, :10], truth[:, :10]),
                0.999 if kind.startswith('flat') else None,
                '',
                True,
            ),
            Figure(
                f'{kind}: recall of the nearest 100',
                recall(found, truth),
                0.999 if kind.startswith('flat') else None,
                '',
                True,
            ),
            Figure(
                f'{kind}: search, a query',
                searched['search'] * each,
                unit='ms',
            ),
            Figure(
                f'{kind}: peak memory',
                searched['peak'],
                unit='GiB',
                note='of the searching process, mapped pages included',
            ),
        ]
    return figures


def parse_args(argv=None):
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Measure the gallery indexes.'
    )
    parser.add_argument(
        '--size', type=int, default=100_000, help='images of the gallery'
    )
    parser.add_argument('--queries', type=int, default=500)
    parser.add_argument(
        '--only',
        nargs='+',
        choices=INDEXES,
        default=INDEXES,
        help='of these kinds',
    )
    parser.add_argument(
        '--device',
        choices=DEVICES,
        default='cpu',
        help='of the indexes; the truth is computed on the processor',
    )
    parser.add_argument('--out', metavar='JSON', help='file for the figures')
    for name in ('--kind', '--folder'):
        parser.add_argument(name, help=argparse.SUPPRESS)
    parser.add_argument('--build', action='store_true', help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def main(argv=None):
    """Measure, print and return the figures."""
    options = parse_args(argv)
    try:
        import faiss
    except ImportError:
        print('retrieval: skipped; it needs FAISS: pip install faiss-cpu')
        return None
    if options.device == 'gpu':
        try:
            check_gpu()
        except ValueError as error:
            sys.exit(f'retrieval: {error}')
    faiss.omp_set_num_threads(1)
    with threadpool_limits(1), tempfile.TemporaryDirectory() as folder:
        if options.kind:
            return run_kind(options)
        figures = measure(options, Path(folder))
    return report(
        f'Retrieval, {options.size} images x {DIMS}-d, '
        + ('one thread' if options.device == 'cpu' else 'one GPU'),
        figures,
        options.out,
        size=options.size,
        queries=options.queries,
        device=options.device,
        faiss=faiss.__version__,
    )


if __name__ == '__main__':
    main()
