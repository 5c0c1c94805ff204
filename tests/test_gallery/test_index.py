import builtins
import shutil
import types
from pathlib import Path

import numpy as np
import pytest
import torch

from mmgl.gallery import faiss_indexes
from mmgl.gallery.index import GalleryIndex

DIMS = 16


@pytest.fixture(scope='module')
def faiss():
    return pytest.importorskip('faiss')


@pytest.fixture(scope='module')
def gallery():
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(60, DIMS))
    return (
        np.repeat(centres, 21, axis=0) + 0.4 * rng.normal(size=(60 * 21, DIMS))
    ).astype(np.float32)


@pytest.fixture(scope='module')
def queries(gallery):
    rng = np.random.default_rng(1)
    return gallery[::25] + 0.3 * rng.normal(size=(51, DIMS))


def exact(queries, gallery, count):
    similarity = queries @ gallery.T
    similarity /= np.linalg.norm(queries, axis=1)[:, None]
    similarity /= np.linalg.norm(gallery, axis=1)
    order = np.argsort(-similarity, axis=1)[:, :count]
    return np.take_along_axis(similarity, order, axis=1), order


def recall(found, expected):
    return np.mean(
        [
            len(set(one) & set(other)) / len(other)
            for one, other in zip(
                found.tolist(), expected.tolist(), strict=True
            )
        ]
    )


def test_flat_is_exact_in_any_number_of_parts(faiss, gallery, queries):
    index = GalleryIndex(DIMS)
    before = gallery.copy()
    index.add(gallery[:7]).add(torch.from_numpy(gallery[7:]))
    assert len(index) == len(gallery)
    assert np.array_equal(gallery, before)
    found, ids = index.search(queries, 10)
    similarity, order = exact(queries, gallery, 10)
    np.testing.assert_allclose(found, similarity, atol=1e-6)
    assert np.array_equal(ids, order)


def test_own_numbers_and_small_galleries(faiss, gallery):
    index = GalleryIndex(DIMS).add(gallery[:3], ids=[70, 50, 60])
    found, ids = index.search(gallery[:1], 10)
    assert found.shape == (1, 3) and ids[0, 0] == 70
    assert sorted(ids[0].tolist()) == [50, 60, 70]
    with pytest.raises(ValueError, match='ids has shape'):
        index.add(gallery[:2], ids=[1])


def test_ivfpq_and_ranking_again(faiss, gallery, queries, tmp_path):
    index = GalleryIndex(
        DIMS, 'ivfpq', lists=16, codes=8, code_bits=4, probes=8
    )
    with pytest.raises(ValueError, match='fitted first'):
        index.add(gallery)
    with pytest.raises(ValueError, match='too few'):
        index.fit(gallery[:100])
    index.fit(gallery).add(gallery)
    expected = exact(queries, gallery, 10)[1]
    rough = recall(index.search(queries, 10)[1], expected)
    # The features stay in a file.
    np.save(tmp_path / 'gallery.npy', gallery)
    stored = np.load(tmp_path / 'gallery.npy', mmap_mode='r')
    found, ids = index.search(queries, 10, gallery=stored)
    fine = recall(ids, expected)
    assert 0.2 < rough < fine and fine > 0.9
    assert (np.diff(found, axis=1) <= 0).all()


@pytest.mark.parametrize('kind', ['flat', 'ivfpq'])
@pytest.mark.parametrize('on_disk', [False, True])
def test_saved_index_finds_the_same(
    kind, on_disk, faiss, gallery, queries, tmp_path
):
    index = GalleryIndex(DIMS, kind, lists=16, codes=8, code_bits=4, probes=3)
    index.fit(gallery).add(gallery)
    path = tmp_path / 'new/gallery.index'
    index.save(path)
    again = GalleryIndex.load(path, on_disk=on_disk)
    assert (len(again), again.kind, again.dims) == (len(gallery), kind, DIMS)
    for one, other in zip(
        index.search(queries, 5), again.search(queries, 5), strict=True
    ):
        assert np.array_equal(one, other)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_errors_say_what_to_do(faiss, gallery, tmp_path):
    for options, message in (
        (dict(kind='tree'), 'kind'),
        (dict(device='tpu'), 'device'),
        (dict(kind='ivfpq', codes=5), 'divisor'),
        (dict(kind='ivfpq', lists=2), 'probes'),
    ):
        with pytest.raises(ValueError, match=message):
            GalleryIndex(DIMS, **options)
    index = GalleryIndex(DIMS)
    with pytest.raises(ValueError, match='add images'):
        index.search(gallery, 1)
    with pytest.raises(ValueError, match=f'dims={DIMS}'):
        index.add(gallery[:, :3])
    with pytest.raises(ValueError, match='NaN or Inf'):
        index.add(np.full((1, DIMS), np.nan))
    with pytest.raises(FileNotFoundError):
        GalleryIndex.load(tmp_path / 'no.index')
    (tmp_path / 'text').write_text('no index')
    with pytest.raises(ValueError, match='not an index'):
        GalleryIndex.load(tmp_path / 'text')
    with pytest.raises(ValueError, match='on_disk goes with'):
        GalleryIndex.load(tmp_path / 'text', 'gpu', on_disk=True)
    if not hasattr(faiss, 'StandardGpuResources'):
        with pytest.raises(ValueError, match='faiss-gpu'):
            GalleryIndex(DIMS, device='gpu')


@pytest.mark.parametrize('kind', ['flat', 'ivfpq'])
def test_index_on_disk_is_for_reading(kind, faiss, gallery, tmp_path):
    index = GalleryIndex(DIMS, kind, lists=16, codes=8, code_bits=4, probes=3)
    path = tmp_path / 'gallery.index'
    index.fit(gallery).add(gallery).save(path)
    left = GalleryIndex.load(path, on_disk=True)
    for change in (lambda: left.add(gallery), lambda: left.save(path)):
        with pytest.raises(ValueError, match='left on disk'):
            change()


def anonymous_memory():
    """Bytes that this process holds and that are not in a file."""
    lines = Path('/proc/self/status').read_text().splitlines()
    (size,) = (line.split()[1] for line in lines if line.startswith('RssAnon'))
    return 1024 * int(size)


@pytest.mark.skipif(
    not Path('/proc/self/status').is_file(), reason='the system does not tell'
)
def test_exact_search_leaves_the_features_on_disk(faiss, tmp_path):
    rng = np.random.default_rng(0)
    features = rng.standard_normal((40_000, 256), dtype=np.float32)
    path = tmp_path / 'gallery.index'
    GalleryIndex(256).add(features).save(path)
    before = anonymous_memory()
    index = GalleryIndex.load(path, on_disk=True)
    found = index.search(features[:9], 3)[1]
    assert anonymous_memory() - before < features.nbytes / 2
    assert found[:, 0].tolist() == list(range(9))


def test_old_faiss_cannot_leave_all_features_on_disk(
    faiss, gallery, tmp_path, monkeypatch
):
    path = tmp_path / 'gallery.index'
    GalleryIndex(DIMS).add(gallery).save(path)
    monkeypatch.delattr(faiss, 'IO_FLAG_MMAP_IFC')
    with pytest.raises(ValueError, match='install a newer one'):
        GalleryIndex.load(path, on_disk=True)
    assert len(GalleryIndex.load(path)) == len(gallery)


def test_exact_search_in_blocks(faiss, gallery, queries, monkeypatch):
    index = GalleryIndex(DIMS).add(gallery, ids=np.arange(len(gallery)) * 3)
    similarity, order = exact(queries, gallery, 30)
    # Blocks of 20 queries and 50 images, the last ones smaller; then one
    # image a block.
    for most in (1000, 1):
        monkeypatch.setattr(faiss_indexes, '_QUERIES', 20)
        monkeypatch.setattr(faiss_indexes, '_PRODUCTS', most)
        found, ids = index.search(queries, 30)
        np.testing.assert_allclose(found, similarity, atol=1e-6)
        assert np.array_equal(ids, order * 3)


def test_parts_are_joined_on_disk(faiss, gallery, queries, tmp_path):
    index = GalleryIndex(
        DIMS, 'ivfpq', lists=16, codes=8, code_bits=4, probes=8
    )
    index.fit(gallery).save(tmp_path / 'fitted.index')
    paths = []
    for rows in np.array_split(np.arange(len(gallery)), 3):
        paths.append(tmp_path / f'part_{len(paths)}.index')
        part = GalleryIndex.load(tmp_path / 'fitted.index')
        part.add(gallery[rows], ids=rows).save(paths[-1])
    GalleryIndex.merge(paths, tmp_path / 'here/whole.index')
    for path in paths:
        path.unlink()
    # Both files move together.
    shutil.move(tmp_path / 'here', tmp_path / 'there')
    expected = index.add(gallery).search(queries, 20)
    for on_disk in (False, True):
        whole = GalleryIndex.load(
            tmp_path / 'there/whole.index', on_disk=on_disk
        )
        assert len(whole) == len(gallery)
        found = whole.search(queries, 20)
        np.testing.assert_allclose(found[0], expected[0], atol=1e-6)
        assert recall(found[1], expected[1]) > 0.99  # ties of codes
        with pytest.raises(ValueError, match='left on disk'):
            whole.add(gallery)


def test_only_parts_of_one_index_are_joined(faiss, gallery, tmp_path):
    options = dict(kind='ivfpq', lists=16, codes=8, code_bits=4, probes=3)
    names = [str(tmp_path / name) for name in ('a', 'b', 'c')]
    GalleryIndex(DIMS, **options).fit(gallery).add(gallery).save(names[0])
    GalleryIndex(DIMS, **options).fit(gallery[9:]).add(gallery).save(names[1])
    GalleryIndex(DIMS).add(gallery).save(names[2])
    for other in names[1:]:
        with pytest.raises(ValueError, match='cannot be joined'):
            GalleryIndex.merge([names[0], other], tmp_path / 'whole')
    with pytest.raises(ValueError, match='parts is empty'):
        GalleryIndex.merge([], tmp_path / 'whole')
    with pytest.raises(FileNotFoundError, match='missing'):
        GalleryIndex.merge([tmp_path / 'missing'], tmp_path / 'whole')


@pytest.mark.parametrize('kind', ['flat', 'ivfpq'])
def test_index_on_a_pretended_gpu(
    kind, faiss, gallery, queries, monkeypatch, tmp_path
):
    """The copies stay on the host; what is asked of FAISS is seen."""
    halves = []

    class Copy:
        """Offers what an index on a GPU does; it has no ``pq``."""

        def __init__(self, index):
            self.index, self.d = index, index.d
            for name in ('add_with_ids', 'search', 'train'):
                setattr(self, name, getattr(index, name))
            if hasattr(index, 'nlist'):
                self.nlist = index.nlist

        ntotal = property(lambda self: self.index.ntotal)
        is_trained = property(lambda self: self.index.is_trained)

    def copy(resources, device, index, options):
        assert (resources.gpu, device) == (True, 0)
        halves.append(options.useFloat16)
        return Copy(index)

    for name, value in (
        ('StandardGpuResources', lambda: types.SimpleNamespace(gpu=True)),
        ('GpuClonerOptions', types.SimpleNamespace),
        ('index_cpu_to_gpu', copy),
        ('index_gpu_to_cpu', lambda copied: copied.index),
    ):
        monkeypatch.setattr(faiss, name, value, raising=False)
    options = dict(lists=16, codes=8, code_bits=4, probes=8)
    plain, moved = (
        GalleryIndex(DIMS, kind, device=device, **options)
        for device in ('cpu', 'gpu')
    )
    for index in (plain, moved):
        index.fit(gallery).add(gallery)
    moved.save(tmp_path / 'moved')
    for index in (moved, GalleryIndex.load(tmp_path / 'moved', 'gpu')):
        for one, other in zip(
            index.search(queries, 5), plain.search(queries, 5), strict=True
        ):
            np.testing.assert_allclose(one, other, atol=1e-6)
    assert halves == [kind == 'ivfpq'] * 2


def test_missing_faiss_is_named(monkeypatch):
    plain = builtins.__import__

    def without(name, *args, **kwargs):
        if name == 'faiss':
            raise ModuleNotFoundError(name, name=name)
        return plain(name, *args, **kwargs)

    monkeypatch.setattr(builtins, '__import__', without)
    with pytest.raises(ImportError, match='pip install faiss-cpu'):
        GalleryIndex(DIMS)
