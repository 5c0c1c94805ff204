"""What every engine of a gallery promises."""

import numpy as np
import pytest

from mmgl.gallery.gallery import Gallery
from mmgl.utils.errors import ConfigError


@pytest.fixture(params=['embedded', 'milvus'])
def address(request, tmp_path):
    if request.param == 'embedded':
        return str(tmp_path / 'people.db')
    pytest.importorskip('pymilvus')
    pytest.importorskip('milvus_lite')
    return f'milvus-lite:{tmp_path}/people.db'


@pytest.fixture
def gallery(address):
    with Gallery.open(address) as opened:
        yield opened


def unit(rows):
    rows = np.asarray(rows, np.float64)
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def names_of(matches):
    return [match.name for match in matches]


@pytest.fixture
def filled(gallery):
    """Forty people before four cameras; returns features too."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(40, 8)).astype(np.float32)
    metadata = [
        dict(
            person=f'p{i // 4}',
            camera=i % 4,
            modality=('visible', 'infrared')[i % 2],
            time=1000.0 + i,
            note=dict(seen=i),
        )
        for i in range(40)
    ]
    gallery.upsert(features, [f'image {i:02}' for i in range(40)], metadata)
    return gallery, features


def test_an_empty_gallery_finds_nothing(gallery):
    assert gallery.count() == 0 and list(gallery) == []
    assert gallery.search(np.ones((2, 5))) == [[], []]
    assert gallery.delete(['nobody']) == 0


@pytest.mark.parametrize('top', [1, 3, 40, 99])
def test_search_equals_the_naive_one(filled, top):
    gallery, features = filled
    queries = np.random.default_rng(1).normal(size=(7, 8))
    found = gallery.search(queries, top)
    cosine = unit(queries) @ unit(features).T
    for row, matches in zip(cosine, found, strict=True):
        order = np.argsort(-row, kind='stable')[:top]
        assert names_of(matches) == [f'image {i:02}' for i in order]
        scores = [match.score for match in matches]
        np.testing.assert_allclose(scores, row[order], atol=1e-6)
        assert matches[0].metadata['note'] == dict(seen=int(order[0]))


WHERE = {
    'one': (dict(camera=2), lambda i: i % 4 == 2),
    'as text': (dict(camera='2'), lambda i: i % 4 == 2),
    'list': (dict(camera=[0, 3]), lambda i: i % 4 in (0, 3)),
    'modality': (dict(modality='infrared'), lambda i: i % 2 == 1),
    'person': (dict(person='p3'), lambda i: i // 4 == 3),
    'range': (dict(time=(1005, 1011.5)), lambda i: 5 <= i <= 11),
    'from': (dict(time=(1030, None)), lambda i: i >= 30),
    'to': (dict(time=(None, 1002)), lambda i: i <= 2),
    'two': (
        dict(camera=1, time=(1008, None)),
        lambda i: i % 4 == 1 and i >= 8,
    ),
    'nobody': (dict(person="p3' OR '1'='1"), lambda i: False),
    'empty list': (dict(camera=[]), lambda i: False),
}


@pytest.mark.parametrize('name', WHERE)
def test_filters_leave_the_right_ones(filled, name):
    gallery, features = filled
    where, fits = WHERE[name]
    left = [i for i in range(40) if fits(i)]
    assert gallery.count(where) == len(left)
    query = features[17]
    row = unit(features) @ unit(query)
    order = sorted(left, key=lambda i: -row[i])[:5]
    (found,) = gallery.search(query, 5, where)
    assert names_of(found) == [f'image {i:02}' for i in order]


def test_ties_come_in_the_order_of_arrival(gallery, address):
    if address.startswith('milvus'):
        pytest.skip('Milvus promises no order')
    for name in 'cab':
        gallery.upsert(np.ones(4), [name])
    (found,) = gallery.search(np.ones(4), 2)
    assert names_of(found) == ['c', 'a']


def test_upsert_replaces(filled):
    gallery, features = filled
    gallery.upsert(-features[:2], ['image 00', 'new'], [dict(camera=9), {}])
    assert gallery.count() == 41
    (found,) = gallery.search(-features[0], 1)
    assert found[0].name == 'image 00' and found[0].score > 0.999
    assert found[0].metadata == dict(camera='9')
    assert gallery.count(dict(person='p0')) == 3


def test_delete_by_name_and_by_filter(filled):
    gallery, features = filled
    assert gallery.delete(['image 03', 'nobody', 'image 05']) == 2
    (found,) = gallery.search(features[3], 40)
    assert len(found) == 38 and 'image 03' not in names_of(found)
    assert gallery.delete(where=dict(person='p9')) == 4
    assert gallery.delete(where=dict(person='p9')) == 0
    assert gallery.count() == 34
    with pytest.raises(ConfigError, match="no 'image 03'"):
        gallery.get(['image 03'])


HOSTILE = ["x', 'y", 'a"b', 'a\\', '%', '_', '*', "'; DROP TABLE items", 'ß😀']


def test_names_are_only_names(gallery):
    names = ['x', 'y', *HOSTILE]
    gallery.upsert(np.eye(len(names)) + 0.01, names)
    for name in HOSTILE:
        assert gallery.get([name])[0].name == name
        assert gallery.delete([name]) == 1
    assert [record.name for record in gallery] == ['x', 'y']


def test_get_and_iteration_give_records_back(filled):
    gallery, features = filled
    records = gallery.get(['image 07', 'image 02'])
    assert [record.name for record in records] == ['image 07', 'image 02']
    np.testing.assert_allclose(
        records[0].feature, unit(features[7]), atol=1e-6
    )
    assert records[1].metadata['time'] == 1002.0
    assert [r.name for r in gallery] == [f'image {i:02}' for i in range(40)]


def test_everything_survives_closing(filled, address):
    gallery, features = filled
    before = gallery.search(features[:5], 4, dict(camera=[0, 1]))
    gallery.delete(['image 39'])
    gallery.close()
    with Gallery.open(address) as again:
        assert again.count() == 39
        assert again.search(features[:5], 4, dict(camera=[0, 1])) == before


def test_copies_are_equal(filled, tmp_path):
    gallery, features = filled
    with Gallery.open(tmp_path / 'copy.db') as copy:
        assert gallery.copy_to(copy) == 40
        for one, other in zip(
            copy.search(features, 3), gallery.search(features, 3), strict=True
        ):
            assert names_of(one) == names_of(other)
            np.testing.assert_allclose(
                [match.score for match in one],
                [match.score for match in other],
                atol=1e-6,
            )
            assert [m.metadata for m in one] == [m.metadata for m in other]


def test_a_changed_gallery_equals_a_new_one(gallery, tmp_path):
    """Random changes: what is left is found as if nothing had been before."""
    rng = np.random.default_rng(4)
    left = {}
    for _ in range(60):
        some = [f'{n}' for n in rng.choice(50, rng.integers(1, 9), False)]
        if rng.random() < 0.4:
            there = sum(name in left for name in some)
            assert gallery.delete(some) == there
            left = {k: v for k, v in left.items() if k not in some}
        else:
            rows = rng.normal(size=(len(some), 6)).astype(np.float32)
            gallery.upsert(rows, some)
            left.update(zip(some, rows, strict=True))
        query = rng.normal(size=6)
        (found,) = gallery.search(query, 5)
        want = sorted(left, key=lambda n: -(unit(left[n]) @ unit(query)))[:5]
        assert names_of(found) == want
    assert gallery.count() == len(left)


BAD = {
    'NaN': (dict(features=[[np.nan, 1, 1]]), 'zero or not finite'),
    'infinite': (dict(features=[[np.inf, 1, 1]]), 'zero or not finite'),
    'zero': (dict(features=[[0, 0, 0]]), 'zero or not finite'),
    'text': (dict(features=[['a', 'b', 'c']]), 'must be numbers'),
    'ragged': (dict(features=[[1, 2], [3]]), 'must be numbers'),
    'width': (dict(features=[[1, 2]]), 'those of the gallery 3'),
    'deep': (dict(features=[[[1, 2, 3]]]), r'\(n, D\)'),
    'none': (dict(features=np.empty((1, 0))), r'\(n, D\)'),
    'count': (dict(features=np.eye(3)), '1 names for 3 features'),
    'one text': (dict(names='a'), 'list of names'),
    'no text': (dict(names=[3]), 'must be a text'),
    'empty': (dict(names=['']), 'must be a text'),
    'long': (dict(names=['x' * 1025]), 'must be a text'),
    'unprintable': (dict(names=['a\x00b']), 'not printable'),
    'twice': (
        dict(features=np.eye(3)[:2], names=['a', 'a']),
        "'a' comes twice",
    ),
    'metadata': (dict(metadata=[{}, {}]), '2 metadata for 1'),
    'no JSON': (dict(metadata=[dict(x=object())]), 'kept as JSON'),
    'NaN inside': (dict(metadata=[dict(x=np.nan)]), 'kept as JSON'),
    'time': (dict(metadata=[dict(time='noon')]), 'seconds since 1970'),
    'endless': (dict(metadata=[dict(time=np.inf)]), 'seconds since 1970'),
    'camera': (dict(metadata=[dict(camera=[1])]), 'a text or number'),
}


@pytest.mark.parametrize('name', BAD)
def test_what_cannot_be_kept_is_refused_whole(gallery, name):
    gallery.upsert(np.eye(3)[:1], ['first'])
    changes, what = BAD[name]
    call = dict(features=[[1, 2, 3]], names=['a'], metadata=None) | changes
    with pytest.raises(ConfigError, match=what) as error:
        gallery.upsert(**call)
    assert '\n' not in str(error.value)
    assert gallery.count() == 1


@pytest.mark.parametrize(
    'call, what',
    [
        (dict(top=0), 'top must be'),
        (dict(top=True), 'top must be'),
        (dict(top=2.5), 'top must be'),
        (dict(features=[np.nan] * 8), 'not finite'),
        (dict(features=[1, 2]), 'those of the gallery 8'),
        (dict(where=dict(age=3)), "not by 'age'"),
        (dict(where=dict(time=(1, 2, 3))), 'a range is'),
        (dict(where=dict(time='late')), 'seconds since 1970'),
        (dict(where=dict(camera=None)), 'a text or number'),
    ],
)
def test_mistakes_in_searches(filled, call, what):
    gallery, features = filled
    with pytest.raises(ConfigError, match=what):
        gallery.search(**{'features': features[0], **call})


def test_deleting_everyone_must_be_meant(filled):
    gallery, _ = filled
    for call in ({}, dict(where={}), dict(names=['a'], where=dict(camera=1))):
        with pytest.raises(ConfigError):
            gallery.delete(**call)
    assert gallery.count() == 40


def test_features_of_another_model_are_refused(address):
    with Gallery.open(address, 'a' * 64) as gallery:
        gallery.upsert(np.eye(3), list('abc'))
    with Gallery.open(address, 'a' * 64) as gallery:
        assert gallery.count() == 3
    with pytest.raises(ConfigError, match='of model aaaaaaaaaaaa, not of bbb'):
        Gallery.open(address, 'b' * 64)
