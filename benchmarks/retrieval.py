"""Measure recall, time, memory and build cost of the gallery indexes.

Features are clustered as those of a ReID model are: identities of 20 images
around centres that themselves lie near a space of 64 dimensions, with noise
in all 512; queries are other images of the same identities. Recall is the
share of the 10 (100) truly nearest images that an index finds, the truth
being the exact products of this project, not an index. Times on the
processor are those of one thread; on a GPU they are those on the wall, copies
of queries and answers included.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from mmgl.gallery.faiss_indexes import check_gpu
from mmgl.gallery.index import DEVICES, GalleryIndex
from mmgl.gallery.index import KINDS as INDEXES
from mmgl.utils.benchmark import Figure, peak_memory, report

try:
    import faiss
except ImportError:  # an optional requirement
    faiss = None

DIMS, LATENT, IMAGES, CHUNK = 512, 64, 20, 20_000
ON_DISK = ('flat on disk', 'ivfpq on disk, ranked again')
KINDS = (*INDEXES, *ON_DISK)

Seconds = dict[str, float]


def write_features(folder: Path, size: int, queries: int) -> None:
    """Draw ``gallery.npy`` and ``queries.npy``, a chunk at a time."""
    rng = np.random.default_rng(0)
    spread = rng.standard_normal((LATENT, DIMS), dtype=np.float32)
    spread /= np.float32(np.sqrt(LATENT))
    shape = -(-size // IMAGES), LATENT
    people = rng.standard_normal(shape, dtype=np.float32)

    def images(person: np.ndarray) -> np.ndarray:
        features = people[person] @ spread
        features += rng.standard_normal(features.shape, dtype=np.float32)
        return features / np.linalg.norm(features, axis=1, keepdims=True)

    path, shape = folder / 'gallery.npy', (size, DIMS)
    gallery = np.lib.format.open_memmap(path, 'w+', np.float32, shape)
    for start in range(0, size, CHUNK):
        stop = min(start + CHUNK, size)
        gallery[start:stop] = images(np.arange(start, stop) // IMAGES)
    gallery.flush()
    wanted = rng.integers(0, len(people), queries)
    np.save(folder / 'queries.npy', images(wanted))


def read_features(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Map the gallery, (m, d), and read the queries, (n, d)."""
    gallery = np.load(folder / 'gallery.npy', mmap_mode='r')
    return gallery, np.load(folder / 'queries.npy')


def exact_ranking(
    gallery: np.ndarray, queries: np.ndarray, count: int
) -> np.ndarray:
    """Find the nearest images by all products, nearest first, (n, count)."""
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


def recall(found: np.ndarray, expected: np.ndarray) -> float:
    """Give the share of the expected images, (n, k), that were found."""
    pairs = zip(found, expected, strict=True)
    shares = [len(np.intersect1d(*pair)) / len(pair[1]) for pair in pairs]
    return float(np.mean(shares))


def one_thread() -> None:
    """Keep this process to one thread."""
    faiss.omp_set_num_threads(1)
    threadpool_limits(1)


def alone(function: Callable[..., Seconds], *arguments: object) -> Seconds:
    """Run a function in a process of its own, whose 'peak' memory it tells."""
    with ProcessPoolExecutor(1, get_context('spawn'), one_thread) as pool:
        return pool.submit(function, *arguments).result()


def clock_of(device: str) -> Callable[[], float]:
    """Processor time, or on a GPU that on the wall."""
    return time.process_time if device == 'cpu' else time.perf_counter


def build(folder: Path, kind: str, path: Path, device: str) -> Seconds:
    """Fit, fill and save an index."""
    gallery, clock = read_features(folder)[0], clock_of(device)
    lists = 2 ** int(np.log2(4 * np.sqrt(len(gallery))))
    probes = max(1, lists // 32)
    how = dict(lists=lists, codes=64, probes=probes, device=device)
    index = GalleryIndex(DIMS, kind, **how)
    order = np.random.default_rng(0).permutation(len(gallery))
    start = clock()
    index.fit(gallery[np.sort(order[: 40 * lists])])
    fitted = clock()
    for first in range(0, len(gallery), CHUNK):
        index.add(gallery[first : first + CHUNK])
    added = clock()
    index.save(path)
    return dict(fit=fitted - start, add=added - fitted, peak=peak_memory())


def search(folder: Path, kind: str, path: Path, device: str) -> Seconds:
    """Load an index and leave what it finds in ``found.npy``."""
    (gallery, queries), clock = read_features(folder), clock_of(device)
    index = GalleryIndex.load(path, device, on_disk=kind in ON_DISK)
    if device == 'gpu':
        index.search(queries, 100)  # kernels are loaded and memory is asked
    again = gallery if kind.endswith('again') else None
    start = clock()
    ids = index.search(queries, 100, again)[1]
    found = dict(search=clock() - start, peak=peak_memory())
    np.save(folder / 'found.npy', ids)
    return found


def measure(options: argparse.Namespace, folder: Path) -> Iterator[Figure]:
    """Measure all kinds."""
    write_features(folder, options.size, options.queries)
    gallery, queries = read_features(folder)
    start = time.process_time()
    truth = exact_ranking(gallery, queries, 100)
    each = 1000 / len(queries)
    exact = (time.process_time() - start) * each
    note = 'products and argpartition, no index'
    yield Figure('exact ranking, a query', exact, None, 'ms', note=note)
    for kind in KINDS:
        if kind.split()[0] not in options.only or (
            kind in ON_DISK and options.device != 'cpu'
        ):
            continue
        path = folder / f'{kind[:4]}.index'  # that of its variant on disk, too
        if kind not in ON_DISK:
            yield from measure_build(folder, kind, path, options.device)
        searched = alone(search, folder, kind, path, options.device)
        found = np.load(folder / 'found.npy')
        target = 0.999 if kind.startswith('flat') else None
        for count in (10, 100):
            share = recall(found[:, :count], truth[:, :count])
            name = f'{kind}: recall of the nearest {count}'
            yield Figure(name, share, target, '', at_least=True)
        seconds = searched['search'] * each
        yield Figure(f'{kind}: search, a query', seconds, None, 'ms')
        name, note = f'{kind}: peak memory', 'mapped pages included'
        yield Figure(name, searched['peak'], None, 'GiB', note=note)


def measure_build(
    folder: Path, kind: str, path: Path, device: str
) -> Iterator[Figure]:
    """Measure what it takes to make an index."""
    built = alone(build, folder, kind, path, device)
    fit, add, size = built['fit'], built['add'], path.stat().st_size / 2**30
    note = f'fit {fit:.1f} s, add {add:.1f} s'
    yield Figure(f'{kind}: build', fit + add, None, 's', note=note)
    note = 'mapped pages of the features that were read included'
    name = f'{kind}: peak memory of building'
    yield Figure(name, built['peak'], None, 'GiB', note=note)
    yield Figure(f'{kind}: file', size, None, 'GiB')


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add('--size', type=int, default=100_000, help='images of the gallery')
    add('--queries', type=int, default=500)
    add('--only', nargs='+', choices=INDEXES, default=INDEXES)
    add('--device', choices=DEVICES, default='cpu', help='of the indexes')
    add('--out', metavar='JSON', help='file for the figures')
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> dict[str, object] | None:
    """Measure, print and return the figures."""
    options = parse_args(argv)
    if faiss is None:
        print('retrieval: skipped; it needs FAISS: pip install faiss-cpu')
        return None
    if options.device == 'gpu':
        try:
            check_gpu()
        except ValueError as error:
            sys.exit(f'retrieval: {error}')
    one_thread()
    where = 'one thread' if options.device == 'cpu' else 'one GPU'
    with tempfile.TemporaryDirectory() as folder:
        return report(
            f'Retrieval, {options.size} images x {DIMS}-d, {where}',
            measure(options, Path(folder)),
            options.out,
            size=options.size,
            queries=options.queries,
            device=options.device,
            faiss=faiss.__version__,
        )


if __name__ == '__main__':
    main()
