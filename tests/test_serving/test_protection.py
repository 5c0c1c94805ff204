"""The service: rights, limits, what it logs and what it keeps to itself."""

import json
import shutil

import cv2
import numpy as np
import pytest
from served import READ, WRITE, bearer, files, post, upload

pytest.importorskip('fastapi')

from mmgl.serving.app import create_app
from mmgl.serving.logs import JsonLines
from mmgl.serving.settings import Settings
from mmgl.utils.errors import ConfigError


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


def test_images_are_shown_only_from_their_folder(start, photographs, tmp_path):
    folder = tmp_path / 'shown'
    shutil.copytree(photographs, folder)
    client = start(images=folder)
    path = files(folder)[0]
    name = str(path.relative_to(folder))
    shown = client.get('/v1/image', params=dict(name=name))
    assert shown.content == path.read_bytes()
    secret = folder.parent / 'secret.txt'
    secret.write_text('secret')
    service = client.app.state.service
    (folder / 'page.html').write_text('<script>')
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
