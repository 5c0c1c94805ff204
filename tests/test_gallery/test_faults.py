"""What must not get into a gallery, or come out of one."""

import numpy as np
import pytest

from mmgl.gallery.faiss_indexes import stored_ids
from mmgl.gallery.index import GalleryIndex
from mmgl.utils.errors import ConfigError

faiss = pytest.importorskip('faiss')

DIMS = 8
OPTIONS = dict(lists=4, codes=4, code_bits=3, probes=4)
FEATURES = np.random.default_rng(0).normal(size=(400, DIMS)).astype(np.float32)
KINDS = pytest.mark.parametrize('kind', ['flat', 'ivfpq'])


def new(kind):
    return GalleryIndex(DIMS, kind, **OPTIONS).fit(FEATURES)


def found(index, row):
    """The nearest image to a row."""
    return index.search(FEATURES[[row]], 1)[1][0, 0]


@KINDS
@pytest.mark.parametrize(
    'ids, words',
    [
        ([0, 7.9], 'whole numbers from 0; row 1 has 7.9'),
        ([0, np.nan], 'whole'),
        ([0, -1], '-1'),
        ([0, 2**63], 'whole'),
        ([0, 10**30], 'whole'),
        (['a', 'b'], 'whole'),
        ([4, 4], 'the images added repeat ids, such as 4'),
        ([0, 11], 'the images there and those added repeat ids, such as 11'),
        ([[0, 1]], 'ids has shape'),
        ([0], 'ids has shape'),
    ],
)
def test_wrong_ids_change_nothing(kind, ids, words):
    index = new(kind).add(FEATURES[:2], ids=[11, 5])
    with pytest.raises(ValueError, match=words):
        index.add(FEATURES[2:4], ids=ids)
    assert len(index) == 2
    assert sorted(stored_ids(index._index)) == [5, 11]


@KINDS
def test_ids_count_on_from_the_largest(kind, tmp_path):
    index = new(kind).add(FEATURES[:3], ids=[70, 50.0, 0]).add(FEATURES[3:5])
    assert sorted(stored_ids(index._index)) == [0, 50, 70, 71, 72]
    index.save(tmp_path / 'a')
    again = GalleryIndex.load(tmp_path / 'a').add(FEATURES[5:6])
    assert sorted(stored_ids(again._index)) == [0, 50, 70, 71, 72, 73]
    again.add(FEATURES[6:8], ids=[60, 1])
    assert len(set(stored_ids(again._index).tolist())) == len(again) == 8


def test_parts_numbered_alike_are_not_joined(tmp_path):
    new('ivfpq').save(tmp_path / 'fitted')
    paths = [tmp_path / 'a', tmp_path / 'b']
    for path, rows in zip(
        paths, (FEATURES[:200], FEATURES[200:]), strict=True
    ):
        GalleryIndex.load(tmp_path / 'fitted').add(rows).save(path)
    with pytest.raises(ValueError, match='repeat ids, such as 0'):
        GalleryIndex.merge(paths, tmp_path / 'whole')
    assert not (tmp_path / 'whole').exists()
    part = GalleryIndex.load(tmp_path / 'fitted')
    part.add(FEATURES[200:], ids=np.arange(200, 400)).save(paths[1])
    content = bytearray(paths[1].read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / 'damaged').write_bytes(content)
    with pytest.raises(ConfigError, match='is damaged'):
        GalleryIndex.merge(
            [paths[0], tmp_path / 'damaged'], tmp_path / 'whole'
        )
    GalleryIndex.merge(paths, tmp_path / 'whole')
    whole = GalleryIndex.load(tmp_path / 'whole')
    expected = new('ivfpq').add(FEATURES)
    for row in (0, 199, 200, 399):
        near = whole.search(FEATURES[[row]], 400)[1][0].tolist()
        assert sorted(near) == list(range(400))
        assert found(whole, row) == found(expected, row)
    lists = tmp_path / 'whole.lists'
    lists.write_bytes(lists.read_bytes()[:-100])
    with pytest.raises(ConfigError, match='lacks its .lists'):
        GalleryIndex.load(tmp_path / 'whole')
    lists.unlink()
    with pytest.raises(ConfigError, match='lacks its .lists'):
        GalleryIndex.load(tmp_path / 'whole')


def test_fit_comes_before_add():
    index = new('ivfpq').fit(FEATURES[:350]).add(FEATURES)
    before = index.search(FEATURES[:9], 5)
    with pytest.raises(ValueError, match='400 images were added'):
        index.fit(FEATURES[::-1] + 5)
    for one, other in zip(before, index.search(FEATURES[:9], 5), strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize('scale', [1e-300, 1e-25, 1e-9, 1e20, 1e37, 1e300])
def test_scale_changes_no_similarity(scale):
    features = FEATURES.astype(np.float64) * scale
    if 1e-30 < scale < 1e38:
        features = features.astype(np.float32)
    index = GalleryIndex(DIMS).add(features)
    similarity, ids = index.search(features[:20], 3)
    assert ids[:, 0].tolist() == list(range(20))
    np.testing.assert_allclose(similarity[:, 0], 1, atol=1e-6)
    plain = GalleryIndex(DIMS).add(FEATURES).search(FEATURES[:20], 3)
    np.testing.assert_allclose(similarity, plain[0], atol=1e-6)
    assert np.array_equal(ids, plain[1])


@KINDS
@pytest.mark.parametrize(
    'value, words', [(np.nan, 'NaN'), (np.inf, 'NaN'), (0, 'zero in row 1')]
)
def test_features_without_direction(kind, value, words):
    bad = FEATURES[:3].copy()
    bad[1] = value
    index = new(kind).add(FEATURES)
    for refuse in (index.add, lambda rows: index.search(rows, 1)):
        with pytest.raises(ValueError, match=words):
            refuse(bad)
    with pytest.raises(ValueError, match=words):
        new(kind).fit(bad)
    assert len(index) == len(FEATURES)
    stored = np.where(np.arange(400)[:, None] % 2, FEATURES, np.nan)
    with pytest.raises(ValueError, match='NaN'):
        index.search(FEATURES[:2], 3, gallery=stored)


@KINDS
@pytest.mark.parametrize('rows, dims', [(399, DIMS), (400, DIMS + 1)])
def test_gallery_to_rank_again_fits(kind, rows, dims):
    index = new(kind).add(FEATURES)
    with pytest.raises(ValueError, match=rf'at least \(400, {DIMS}\)'):
        index.search(FEATURES, 400, gallery=np.ones((rows, dims)))


@KINDS
@pytest.mark.parametrize('on_disk', [False, True])
@pytest.mark.parametrize('part', [0, 0.1, 0.5, 0.9])
def test_cut_index(kind, on_disk, part, tmp_path):
    path = tmp_path / 'a'
    new(kind).add(FEATURES).save(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])
    with pytest.raises(ConfigError, match='a is not an index') as error:
        GalleryIndex.load(path, on_disk=on_disk)
    assert '\n' not in str(error.value)


@KINDS
def test_damaged_index(kind, tmp_path):
    path = tmp_path / 'a'
    new(kind).add(FEATURES).save(path)
    content = path.read_bytes()
    for place in np.linspace(0, len(content) - 13, 40, dtype=int):
        damaged = bytearray(content)
        damaged[place] ^= 0x40
        path.write_bytes(damaged)
        with pytest.raises(ConfigError, match='is damaged'):
            GalleryIndex.load(path)
    path.write_bytes(content)
    assert len(GalleryIndex.load(path)) == len(FEATURES)


def test_indexes_of_other_kinds(tmp_path):
    path = str(tmp_path / 'a')
    for recipe, metric in (
        ('IDMap,Flat', faiss.METRIC_L2),
        ('Flat', faiss.METRIC_INNER_PRODUCT),
        ('IDMap,HNSW8', faiss.METRIC_INNER_PRODUCT),
        ('IVF4,Flat', faiss.METRIC_INNER_PRODUCT),
        ('IVF4,PQ4x3', faiss.METRIC_L2),
    ):
        faiss.write_index(faiss.index_factory(DIMS, recipe, metric), path)
        with pytest.raises(ConfigError, match='of another kind or metric'):
            GalleryIndex.load(path)
    index = faiss.index_factory(DIMS, 'IDMap,Flat', faiss.METRIC_INNER_PRODUCT)
    index.add_with_ids(FEATURES[:2], np.array([3, 3]))
    faiss.write_index(index, path)
    with pytest.raises(ValueError, match='repeat ids, such as 3'):
        GalleryIndex.load(path)
    other = GalleryIndex(2 * DIMS).add(np.ones((1, 2 * DIMS)))
    other.save(path)
    with pytest.raises(ValueError, match=f'dims={2 * DIMS}'):
        GalleryIndex.load(path).search(FEATURES, 1)
