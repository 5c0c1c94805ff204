"""The service: right answers, rights, limits, and what it survives."""

import json
import threading
import time

import cv2
import numpy as np
import pytest

pytest.importorskip('fastapi')
from fastapi.testclient import TestClient

from mmgl.apis.inference.explanation import explain
from mmgl.gallery.gallery import Gallery
from mmgl.serving.app import create_app
from mmgl.serving.logs import JsonLines
from mmgl.serving.settings import Settings
from mmgl.utils.errors import ConfigError
from mmgl.utils.images import decode_image

READ, WRITE = 'r' * 20, 'w' * 20
LOCAL = 'http://127.0.0.1'


def files(photographs):
    return sorted(photographs.rglob('*.png'))


@pytest.fixture
def start(embedder, tmp_path, photographs):
    """Start services; the gallery holds all photographs by their path."""
    clients = []

    def begin(gallery=True, **settings):
        opened = None
        if gallery:
            opened = Gallery.open(tmp_path / 'p.db', embedder.model_hash)
            paths = files(photographs)
            opened.upsert(
                embedder.embed(paths, 'visible'),
                [str(path.relative_to(photographs)) for path in paths],
                [
                    dict(camera=path.parent.name, time=100.0 + i)
                    for i, path in enumerate(paths)
                ],
            )
        app = create_app(embedder, opened, Settings(**settings))
        client = TestClient(app, base_url=LOCAL)
        client.__enter__()
        clients.append(client)
        return client

    yield begin
    for client in clients:
        client.__exit__(None, None, None)


def upload(path, name='image'):
    return (name, (path.name, path.read_bytes()))


def post(client, path, uploads, **data):
    return client.post(f'/v1/{path}', files=uploads, data=data)


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


@pytest.mark.parametrize(
    'path, uploads, data, what',
    [
        ('search', b'no image', dict(modality='visible'), 'decoded'),
        ('search', b'', dict(modality='visible'), 'decoded'),
        ('search', None, dict(modality='thermal'), "'visible' or"),
        ('search', None, dict(modality='visible', top=0), 'greater than'),
        ('search', None, dict(modality='visible', start='nan'), 'finite'),
        ('search', None, {}, 'required'),
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
    assert what in json.dumps(answer.json()['detail'])
    assert client.get('/v1/persons').json()['count'] == 7


def bearer(token):
    return {'Authorization': f'Bearer {token}'}


def test_rights(start, photographs):
    client = start(read_token=READ, write_token=WRITE)
    calls = {
        READ: [
            client.build_request('GET', '/v1/persons'),
            client.build_request('GET', '/v1/model'),
            client.build_request('GET', '/metrics'),
        ],
        WRITE: [client.build_request('DELETE', '/v1/persons?name=x')],
    }
    for needed, requests in calls.items():
        for request in requests:
            for token in (None, 'x' * 20, READ[:-1], READ, WRITE):
                request.headers.pop('Authorization', None)
                if token:
                    request.headers.update(bearer(token))
                status = client.send(request).status_code
                if token not in (READ, WRITE):
                    assert status == 401
                elif (needed, token) == (WRITE, READ):
                    assert status == 403
                else:
                    assert status == 200
    assert client.get('/health').json() == dict(status='ok')
    assert client.get('/ready').status_code == 200
    for token, may in ((READ, False), (WRITE, True)):
        model = client.get('/v1/model', headers=bearer(token)).json()
        assert model['may_change'] is may


@pytest.mark.parametrize(
    'headers, status',
    [
        ({'Host': 'evil.example'}, 403),
        ({'Host': 'evil.example:8000'}, 403),
        ({'Origin': 'https://evil.example'}, 403),
        ({'Origin': 'null'}, 403),
        ({'Host': 'localhost:8000'}, 200),
        ({'Host': '[::1]:8000'}, 200),
        ({'Host': 'localhost', 'Origin': 'http://localhost'}, 200),
    ],
)
def test_other_web_pages_get_nothing(start, headers, status):
    client = start()
    assert client.get('/v1/model', headers=headers).status_code == status
    answer = client.delete('/v1/persons?name=x', headers=headers)
    assert answer.status_code == status
    assert 'access-control-allow-origin' not in answer.headers


@pytest.mark.parametrize(
    'settings, what',
    [
        (dict(host='0.0.0.0'), 'lets others in'),
        (dict(host='::'), 'lets others in'),
        (dict(host='192.168.1.4'), 'lets others in'),
        (dict(host='example.org'), 'lets others in'),
        (dict(write_token='short'), 'has 5 characters'),
        (dict(read_token=READ), 'without MMGL_WRITE_TOKEN'),
        (dict(read_token=READ, write_token=READ), 'are equal'),
    ],
)
def test_a_service_open_to_all_does_not_start(embedder, settings, what):
    with pytest.raises(ConfigError, match=what) as error:
        create_app(embedder, None, Settings(**settings))
    assert 'short' not in str(error.value)


def test_others_may_be_let_in_with_a_token():
    for host in ('0.0.0.0', 'example.org'):
        Settings(host=host, write_token=WRITE).check()
    for host in ('127.0.0.1', '127.9.9.9', 'localhost', '::1'):
        Settings(host=host).check()


def test_limits(start, photographs):
    client = start(max_upload=50_000, max_images=2, queue=2)
    paths = files(photographs)
    small = [upload(path, 'images') for path in paths[:1]]
    assert post(client, 'embed', small, modality=['visible']).is_success
    large = [('images', ('x.png', b'\0' * 60_000))]
    answer = post(client, 'embed', large, modality='visible')
    assert answer.status_code == 413 and '50000 bytes' in answer.text

    def endless():
        for _ in range(1000):
            yield b'\0' * 1000

    # No length announced.
    kind = {'Content-Type': 'multipart/form-data; boundary=x'}
    answer = client.post('/v1/embed', content=endless(), headers=kind)
    assert answer.status_code == 413
    many = [('images', ('x.png', paths[0].read_bytes()[:9]))] * 3
    answer = post(client, 'embed', many, modality='visible')
    assert answer.status_code == 413 and 'more than 2 images' in answer.text


def test_large_pictures_are_refused_before_they_are_decoded(start):
    client = start(gallery=False, max_pixels=1000)
    black = cv2.imencode('.png', np.zeros((10, 101, 3), np.uint8))[1]
    data = [('images', ('x.png', black.tobytes()))]
    answer = post(client, 'embed', data, modality='visible')
    assert answer.status_code == 422 and '1000 pixels' in answer.text
    black = cv2.imencode('.png', np.zeros((10, 100, 3), np.uint8))[1]
    data = [('images', ('x.png', black.tobytes()))]
    assert post(client, 'embed', data, modality='visible').is_success


def test_too_much_at_a_time_is_refused_and_passes(start, photographs):
    client = start(queue=3, gallery=False)
    batcher = client.app.state.service.batcher
    data = [upload(files(photographs)[0], 'images')]
    with batcher.places(3):
        answer = post(client, 'embed', data, modality='visible')
    assert answer.status_code == 503
    assert answer.headers['Retry-After'] == '1'
    assert post(client, 'embed', data, modality='visible').is_success
    # Places are given back after mistakes too.
    for _ in range(5):
        bad = [('images', ('x', b'nothing'))]
        assert post(client, 'embed', bad, modality='visible').is_client_error
    assert post(client, 'embed', data, modality='visible').is_success


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


def test_images_are_shown_only_from_their_folder(start, photographs):
    client = start(images=photographs)
    path = files(photographs)[0]
    name = str(path.relative_to(photographs))
    shown = client.get('/v1/image', params=dict(name=name))
    assert shown.content == path.read_bytes()
    secret = photographs.parent / 'secret.txt'
    secret.write_text('secret')
    service = client.app.state.service
    for name in ('../secret.txt', str(secret), 'cam0/9.png', 'nobody'):
        # Even if the gallery has such a name.
        service.gallery.upsert(np.ones(256), [name])
        answer = client.get('/v1/image', params=dict(name=name))
        assert answer.status_code == 404
    assert start(gallery=True).get('/v1/image?name=x').status_code == 404


def test_the_audit_says_who_did_what_without_images(
    start, photographs, tmp_path
):
    audit = tmp_path / 'audit.jsonl'
    client = start(audit=audit, write_token=WRITE)
    path = files(photographs)[0]
    client.headers.update(bearer(WRITE))
    post(client, 'search', [upload(path)], modality='visible', top=2)
    client.delete('/v1/persons?name=cam0/0.png')
    lines = [json.loads(line) for line in audit.read_text().splitlines()]
    assert [line['action'] for line in lines] == ['search', 'delete']
    assert len(lines[0]['found']) == 2 and lines[1]['count'] == 1
    assert lines[0]['token'] == lines[1]['token'] != WRITE
    assert WRITE not in audit.read_text()
    assert len({line['request'] for line in lines}) == 2


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
    assert explained(client, a, client_file(), 0, 0).status_code == 422
    with client.app.state.service.batcher.places(255):
        refused = explained(client, a, b, 'visible', 'visible')
    assert refused.status_code == 503


def client_file():
    class Broken:
        name = 'broken.png'

        @staticmethod
        def read_bytes():
            return b'nothing'

    return Broken


def test_a_runtime_without_maps_says_so(start, photographs, monkeypatch):
    client = start(gallery=False)
    a, b = files(photographs)[:2]
    embedder = client.app.state.service.embedder
    monkeypatch.setattr(embedder, '_model', lambda: None)
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


def test_no_upload_is_read_of_those_without_rights(start, caplog):
    caplog.set_level('INFO', 'mmgl.serving')
    client = start(write_token=WRITE)
    data = [('images', ('x.png', b'\0' * 100_000))]
    answer = post(client, 'embed', data, modality='visible')
    assert answer.status_code == 401 and 'token' in answer.json()['detail']
    assert answer.headers['x-request-id']
    assert caplog.records[-1].facts['bytes'] == 0


def test_uploads_of_all_together_are_limited(start, photographs):
    client = start(gallery=False, max_held=30_000)
    data = [('images', ('x.png', b'\0' * 40_000))]
    answer = post(client, 'embed', data, modality='visible')
    assert answer.status_code == 503 and answer.headers['Retry-After'] == '1'
    small = [upload(files(photographs)[0], 'images')]
    for _ in range(20):
        assert post(client, 'embed', small, modality='visible').is_success


def test_what_goes_wrong_is_logged_and_not_told(start, monkeypatch, caplog):
    client = start()
    monkeypatch.setattr(
        client.app.state.service, 'ask', lambda *_: 1 / 0, raising=True
    )
    answer = client.get('/v1/persons')
    assert answer.status_code == 500
    assert 'ZeroDivision' not in answer.text
    number = answer.headers['x-request-id']
    formatter = JsonLines()
    lines = [json.loads(formatter.format(one)) for one in caplog.records]
    (failed,) = [line for line in lines if 'error' in line]
    assert 'ZeroDivision' in failed['error'] and number in failed['message']


def test_the_log_is_json_without_images(start, photographs, caplog):
    caplog.set_level('INFO', 'mmgl.serving')
    client = start()
    path = files(photographs)[0]
    answer = post(client, 'search', [upload(path)], modality='visible')
    line = json.loads(JsonLines().format(caplog.records[-1]))
    assert line['request'] == answer.headers['x-request-id']
    assert (line['path'], line['status']) == ('/v1/search', 200)
    assert line['bytes'] > path.stat().st_size and line['ms'] > 0
    assert path.name not in json.dumps(line) and len(json.dumps(line)) < 300


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
