"""The service: right answers, and words for what is wrong."""

import threading
import time
from functools import partial

import numpy as np
import pytest
from served import LOCAL, files, post, upload

pytest.importorskip('fastapi')
from fastapi.testclient import TestClient

from mmgl.apis.inference.explanation import explain
from mmgl.apis.inference.onnx_network import OnnxNetwork
from mmgl.serving.app import create_app
from mmgl.serving.settings import Settings
from mmgl.utils.errors import ConfigError
from mmgl.utils.images import decode_image


def test_embed_equals_the_embedder(start, embedder, photographs):
    client = start(gallery=False)
    paths = files(photographs)
    answer = post(
        client,
        'embed',
        [upload(path, 'images') for path in paths],
        modality='infrared',
    )
    assert answer.status_code == 200
    body = answer.json()
    assert body['model'] == embedder.model_hash
    with pytest.warns(UserWarning, match='has colours'):
        want = embedder.embed(paths, 'infrared')
    np.testing.assert_allclose(body['features'], want, atol=1e-6)


def test_compare(start, embedder, photographs):
    client = start(gallery=False)
    a, b = files(photographs)[:2]
    answer = post(
        client,
        'compare',
        [upload(a, 'first'), upload(b, 'second')],
        first_modality='visible',
        second_modality='visible',
    ).json()
    (want,) = embedder.compare(a, b, (0, 0))
    assert answer['similarity'] == pytest.approx(want, abs=1e-6)
    assert answer['probability'] is None


def test_search_and_filters(start, photographs):
    client = start()
    path = files(photographs)[4]
    name = str(path.relative_to(photographs))
    found = post(
        client, 'search', [upload(path)], modality='visible', top=3
    ).json()['matches']
    assert len(found) == 3 and found[0]['name'] == name
    assert found[0]['score'] == pytest.approx(1, abs=1e-5)
    for data, count in (
        (dict(camera='cam1'), 3),
        (dict(camera=['cam0', 'cam1']), 7),
        (dict(start=103), 4),
        (dict(start=101, end=102), 2),
        (dict(person='nobody'), 0),
    ):
        answer = post(
            client, 'search', [upload(path)], modality='visible', **data
        )
        assert len(answer.json()['matches']) == count, data


def test_persons_are_added_listed_and_deleted(start, photographs):
    client = start()
    path = files(photographs)[0]
    answer = post(
        client,
        'persons',
        [upload(path, 'images')],
        names='new',
        modality='infrared',
        person='ann',
        camera='7',
        time=5.5,
    )
    assert answer.json() == dict(stored=1)
    page = client.get('/v1/persons', params=dict(person='ann')).json()
    assert page['count'] == 1
    assert page['persons'][0] == dict(
        name='new',
        metadata=dict(person='ann', camera='7', modality='infrared', time=5.5),
    )
    first = client.get('/v1/persons', params=dict(limit=3)).json()
    rest = client.get('/v1/persons', params=dict(offset=3)).json()
    assert first['count'] == 8 and len(rest['persons']) == 5
    old = client.delete('/v1/persons', params=dict(older_than=50))
    assert old.json() == dict(deleted=1)
    gone = client.delete('/v1/persons', params=dict(name=['cam0/0.png', 'x']))
    assert gone.json() == dict(deleted=1)
    assert client.get('/v1/persons').json()['count'] == 6
    assert client.delete('/v1/persons').status_code == 422
    # A misspelt filter would delete more than was meant.
    answer = client.delete('/v1/persons?person=ann&older_then=3')
    assert "did you mean 'older_than'?" in answer.json()['detail']


@pytest.mark.parametrize(
    'path, uploads, data, what',
    [
        ('search', b'no image', dict(modality='visible'), 'decoded'),
        ('search', b'', dict(modality='visible'), 'decoded'),
        ('search', None, dict(modality='thermal'), "'visible' or"),
        ('search', None, dict(modality='visible', top=0), 'greater than'),
        ('search', None, dict(modality='visible', start='nan'), 'finite'),
        ('search', None, {}, 'required'),
        (
            'search',
            None,
            dict(modality='visible', cammera='1'),
            "no field 'cammera' (did you mean 'camera'?)",
        ),
        ('persons', None, dict(modality='visible', names='a' * 1025), 'text'),
        (
            'persons',
            None,
            dict(modality='visible', names=['a', 'b']),
            '2 names for 1',
        ),
    ],
)
def test_mistakes_are_answered(start, photographs, path, uploads, data, what):
    client = start()
    content = files(photographs)[0].read_bytes()
    field = 'images' if path == 'persons' else 'image'
    sent = [(field, ('x.png', content if uploads is None else uploads))]
    answer = post(client, path, sent, **data)
    assert answer.status_code == 422
    assert what in answer.json()['detail']
    assert client.get('/v1/persons').json()['count'] == 7


def test_who_is_alone_does_not_wait_for_others(start, photographs):
    client = start(gallery=False, batch_wait=30)
    data = [upload(path, 'images') for path in files(photographs)[:2]]
    began = time.monotonic()
    assert post(client, 'embed', data, modality='visible').is_success
    assert time.monotonic() - began < 15


def test_many_clients_get_their_own_answers(start, embedder, photographs):
    client = start()
    paths = files(photographs)
    want = embedder.embed(paths, 'visible')
    errors = []

    def ask(number):
        for step in range(6):
            i = (number + step) % 7
            if (number + step) % 5 == 0:
                bad = [('images', ('x', b'garbage'))]
                status = post(client, 'embed', bad, modality='visible')
                if status.status_code != 422:
                    errors.append(status.text)
            answer = post(
                client,
                'embed',
                [upload(paths[i], 'images')],
                modality='visible',
            )
            got = answer.json().get('features', [[np.nan]])[0]
            if not np.allclose(got, want[i], atol=1e-6):
                errors.append(answer.text)

    threads = [threading.Thread(target=ask, args=[n]) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    text = client.get('/metrics').text
    assert 'mmgl_images_total 48.0' in text


def test_the_page_and_the_interface_are_described(start):
    client = start()
    page = client.get('/')
    assert 'Find a person' in page.text
    assert "default-src 'self'" in page.headers['content-security-policy']
    for name in ('page.css', 'page.js'):
        assert client.get(f'/static/{name}').is_success
        assert 'http' not in client.get(f'/static/{name}').text.replace(
            'http-equiv', ''
        )
    schema = client.get('/openapi.json').json()
    assert {'/v1/embed', '/v1/search', '/v1/persons'} <= set(schema['paths'])
    assert client.get('/nowhere').status_code == 404
    assert client.get('/health').headers['x-content-type-options'] == 'nosniff'


def test_without_a_gallery_there_is_no_search(start, photographs):
    client = start(gallery=False)
    assert client.get('/v1/persons').status_code == 404
    assert client.get('/v1/model').json()['gallery'] is False


def explained(client, a, b, *kinds):
    sent = [upload(a, 'first'), upload(b, 'second')]
    first, second = kinds
    return post(
        client, 'explain', sent, first_modality=first, second_modality=second
    )


def test_explanations_are_those_of_the_model(start, embedder, photographs):
    client = start(gallery=False)
    a, b = files(photographs)[:2]
    answer = explained(client, a, b, 'visible', 'visible').json()
    want = explain(embedder, a, b, (0, 0))
    assert answer['similarity'] == pytest.approx(want.similarity, abs=1e-6)
    for name in ('first', 'second'):
        got = np.array(answer[name])
        assert got.shape == (6, 3) and np.isfinite(got).all()
        np.testing.assert_allclose(got, getattr(want, name), atol=1e-6)
        assert np.abs(got).max() > 1e-4
    (similarity,) = embedder.compare(a, b, (0, 0))
    assert want.similarity == pytest.approx(similarity, abs=1e-5)
    assert explained(client, a, b, 'visible', 'x').status_code == 422
    broken = [upload(a, 'first'), ('second', ('x', b'nothing'))]
    kinds = dict(first_modality='visible', second_modality='visible')
    answer = post(client, 'explain', broken, **kinds)
    assert answer.status_code == 422 and 'decoded' in answer.text
    with client.app.state.service.batcher.places(255):
        refused = explained(client, a, b, 'visible', 'visible')
    assert refused.status_code == 503


def test_a_runtime_without_maps_says_so(start, photographs, monkeypatch):
    client = start(gallery=False)
    a, b = files(photographs)[:2]
    embedder = client.app.state.service.embedder
    shown = embedder.network
    monkeypatch.setattr(shown, 'explains', False)
    monkeypatch.setattr(shown, 'explain', partial(OnnxNetwork.explain, shown))
    assert client.get('/v1/model').json()['explains'] is False
    answer = explained(client, a, b, 'visible', 'visible')
    assert answer.status_code == 501 and 'feature maps' in answer.text


def test_samples_are_drawn(start):
    client = start(gallery=False)
    listed = client.get('/v1/samples').json()
    assert len(listed) == 8
    assert {one['modality'] for one in listed} == {'visible', 'infrared'}
    pictures = [
        client.get(f'/v1/samples/{one["number"]}').content for one in listed
    ]
    assert len(set(pictures)) == 8
    for picture, one in zip(pictures, listed, strict=True):
        image = decode_image(picture, 'sample')
        grey = np.ptp(image, axis=2).mean() < 1
        assert grey == (one['modality'] == 'infrared')
    for number in (-1, 8, 'x'):
        assert client.get(f'/v1/samples/{number}').status_code == 422


def test_nobody_is_replaced_unasked(start, photographs):
    client = start()
    path = files(photographs)[0]
    name = str(path.relative_to(photographs))
    sent = [upload(path, 'images')]
    data = dict(modality='visible', names=name, person='ann')
    refused = post(client, 'persons', sent, **data, replace='false')
    assert refused.status_code == 409 and name in refused.json()['detail']
    listed = client.get('/v1/persons', params=dict(person='ann')).json()
    assert listed['count'] == 0
    assert post(client, 'persons', sent, **data).json() == dict(stored=1)
    listed = client.get('/v1/persons', params=dict(person='ann')).json()
    assert listed['count'] == 1
    data['names'] = 'new'
    answer = post(client, 'persons', sent, **data, replace='false')
    assert answer.json() == dict(stored=1)
    # Of several who add the same name at a time, one does.
    data['names'] = 'newer'
    statuses = []

    def add():
        answer = post(client, 'persons', sent, **data, replace='false')
        statuses.append(answer.status_code)

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200, 409, 409, 409]


def test_the_list_can_be_filtered(start):
    client = start()
    for params, count in (
        (dict(start=102), 5),
        (dict(start=101, end=103), 3),
        (dict(camera='cam0', end=102), 3),
        (dict(of_modality='visible'), 0),
    ):
        assert client.get('/v1/persons', params=params).json()['count'] == (
            count
        )
    assert client.get('/v1/persons?start=nan').status_code == 422


def test_ready_when_the_vectors_are_read(embedder):
    asked, answer = threading.Event(), threading.Event()

    class Slow:
        calls = 0

        def search(self, *_):
            self.calls += 1
            if self.calls == 1:
                raise ConfigError('not yet')
            asked.set()
            assert answer.wait(10)

        def close(self):
            pass

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('mmgl.serving.service._AGAIN', 0.01)
        app = create_app(embedder, Slow(), Settings())
        with TestClient(app, base_url=LOCAL) as client:
            assert asked.wait(10)
            assert client.get('/health').status_code == 200
            assert client.get('/ready').status_code == 503
            answer.set()
            for _ in range(200):
                if client.get('/ready').is_success:
                    break
                time.sleep(0.01)
            assert client.get('/ready').json() == dict(status='ready')


def test_the_interface_is_described_in_full(start):
    schema = start().get('/openapi.json').json()
    for path, calls in schema['paths'].items():
        for method, call in calls.items():
            where = f'{method} {path}'
            assert call['summary'] and call['description'], where
            for one in call.get('parameters', []):
                assert one.get('description'), (where, one['name'])
            good = call['responses']['200']
            assert good['content'], where
            if path.startswith('/v1'):
                assert {'401', '403'} <= set(call['responses']), where
            for status, answer in call['responses'].items():
                if status != '200':
                    kind = answer['content']['application/json']['schema']
                    assert kind['$ref'].endswith('/Mistake'), (where, status)
                    assert answer['description'], (where, status)
    for name, kind in schema['components']['schemas'].items():
        for field, described in kind.get('properties', {}).items():
            assert described.get('description'), (name, field)
