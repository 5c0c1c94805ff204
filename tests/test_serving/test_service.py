"""The service: right answers, rights, limits, and what it survives."""

import json
import threading

import numpy as np
import pytest

pytest.importorskip('fastapi')
from fastapi.testclient import TestClient

from mmgl.gallery.gallery import Gallery
from mmgl.serving.app import create_app
from mmgl.serving.settings import Settings
from mmgl.utils.errors import ConfigError

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
        ({'Origin': 'http://['}, 403),
        ({'Host': '[::1'}, 403),
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


def test_too_much_at_a_time_is_refused_and_passes(start, photographs):
    client = start(queue=3, gallery=False)
    batcher = client.app.state.service.batcher
    data = [upload(files(photographs)[0], 'images')]
    batcher.reserve(3)
    answer = post(client, 'embed', data, modality='visible')
    assert answer.status_code == 503
    assert answer.headers['Retry-After'] == '1'
    batcher.release(3)
    assert post(client, 'embed', data, modality='visible').is_success
    # Places are given back after mistakes too.
    for _ in range(5):
        bad = [('images', ('x', b'nothing'))]
        assert post(client, 'embed', bad, modality='visible').is_client_error
    assert post(client, 'embed', data, modality='visible').is_success


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
    (photographs / 'page.html').write_text('<script>')
    names = 'cam0/9.png', 'nobody', 'page.html', 'x' * 300
    for name in ('../secret.txt', str(secret), *names):
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
