import builtins

import numpy as np
import pytest
import torch

from mmgl.evaluation.retrieval import GalleryIndex

DIMS = 16


@pytest.fixture(scope='module')
def faiss():
    return pytest.importorskip('faiss')


@pytest.fixture(scope='module')
def gallery():
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(60, DIMS))
    return (np.repeat(centres, 21, axis=0) +
            .4 * rng.normal(size=(60 * 21, DIMS))).astype(np.float32)


@pytest.fixture(scope='module')
def queries(gallery):
    rng = np.random.default_rng(1)
    return gallery[::25] + .3 * rng.normal(size=(51, DIMS))


def exact(queries, gallery, count):
    similarity = queries @ gallery.T
    similarity /= np.linalg.norm(queries, axis=1)[:, None]
    similarity /= np.linalg.norm(gallery, axis=1)
    order = np.argsort(-similarity, axis=1)[:, :count]
    return np.take_along_axis(similarity, order, axis=1), order


def recall(found, expected):
    return np.mean([len(set(one) & set(other)) / len(other) for one, other
                    in zip(found.tolist(), expected.tolist(), strict=True)])


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
        DIMS, 'ivfpq', lists=16, codes=8, code_bits=4, probes=8)
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
def test_saved_index_finds_the_same(kind, on_disk, faiss, gallery, queries,
                                    tmp_path):
    index = GalleryIndex(DIMS, kind, lists=16, codes=8, code_bits=4, probes=3)
    index.fit(gallery).add(gallery)
    path = tmp_path / 'new/gallery.index'
    index.save(path)
    again = GalleryIndex.load(path, on_disk=on_disk)
    assert (len(again), again.kind, again.dims) == (len(gallery), kind, DIMS)
    for one, other in zip(index.search(queries, 5), again.search(queries, 5),
                          strict=True):
        assert np.array_equal(one, other)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_errors_say_what_to_do(faiss, gallery, tmp_path):
    for options, message in ((dict(kind='tree'), 'kind'),
                             (dict(device='tpu'), 'device'),
                             (dict(kind='ivfpq', codes=5), 'divisor'),
                             (dict(kind='ivfpq', lists=2), 'probes')):
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
    if not hasattr(faiss, 'StandardGpuResources'):
        with pytest.raises(ValueError, match='faiss-gpu'):
            GalleryIndex(DIMS, device='gpu')


def test_missing_faiss_is_named(monkeypatch):
    plain = builtins.__import__

    def without(name, *args, **kwargs):
        if name == 'faiss':
            raise ImportError(name)
        return plain(name, *args, **kwargs)

    monkeypatch.setattr(builtins, '__import__', without)
    with pytest.raises(ImportError, match='pip install faiss-cpu'):
        GalleryIndex(DIMS)
