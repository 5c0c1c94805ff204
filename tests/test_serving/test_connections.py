"""Clients that are slow or silent hold nothing for ever; starting up."""

import socket
import threading
import time
from types import SimpleNamespace

import pytest

pytest.importorskip('uvicorn')
pytest.importorskip('fastapi')

import uvicorn
from fastapi.testclient import TestClient

from mmgl.gallery.gallery import Gallery
from mmgl.serving import connections
from mmgl.serving.app import create_app
from mmgl.serving.command import run_serve
from mmgl.serving.settings import Settings

EMBEDDER = SimpleNamespace(run_prepared=None, workers=1)
HEAD = b'GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n'
UPLOAD = (
    b'POST /v1/embed HTTP/1.1\r\nHost: 127.0.0.1\r\n'
    b'Content-Type: multipart/form-data; boundary=x\r\n'
    b'Content-Length: 1000\r\n\r\n--x\r\n'
    b'Content-Disposition: form-data; name="modality"\r\n\r\n'
)


@pytest.fixture
def port(monkeypatch):
    """A service that takes three connections and has little patience."""
    monkeypatch.setattr(connections, 'PATIENCE', 0.4)
    with socket.create_server(('127.0.0.1', 0)) as free:
        port = free.getsockname()[1]
    app = create_app(EMBEDDER, None, Settings(upload_wait=0.8))
    config = uvicorn.Config(
        app,
        port=port,
        log_config=None,
        http=connections.PatientProtocol,
        limit_concurrency=4,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield port
    server.should_exit = True
    thread.join()


def drip(port, start, piece=b'a'):
    """Send a byte now and then; return the answer and when it ended."""
    with socket.create_connection(('127.0.0.1', port), 10) as connection:
        began = time.monotonic()
        answer = b''
        try:
            connection.sendall(start)
            connection.settimeout(0.1)
            while time.monotonic() - began < 10:
                try:
                    got = connection.recv(1000)
                    if not got:
                        break
                    answer += got
                except TimeoutError:
                    connection.sendall(piece)
        except ConnectionError:
            pass
        return answer, time.monotonic() - began


@pytest.mark.parametrize('start', [b'', b'GE', HEAD + b'X-Slow: '])
def test_a_head_that_does_not_end(port, start):
    answer, seconds = drip(port, start)
    assert answer == b'' and 0.3 < seconds < 5


def test_a_byte_between_requests_is_no_use(port):
    answer, seconds = drip(port, HEAD + b'\r\n', b'G')
    assert answer.startswith(b'HTTP/1.1 200') and 0.3 < seconds < 5


def test_a_body_that_does_not_end(port):
    answer, seconds = drip(port, UPLOAD)
    assert answer.startswith(b'HTTP/1.1 408') and 0.7 < seconds < 8
    assert b'the upload took more than' in answer


def test_places_come_free_again(port):
    """Others wait for as long as the patience lasts, not for ever."""
    slow = [
        threading.Thread(target=drip, args=(port, HEAD), daemon=True)
        for _ in range(6)
    ]
    for thread in slow:
        thread.start()
    end, answer = time.monotonic() + 10, b''
    while b' 200 ' not in answer and time.monotonic() < end:
        with socket.create_connection(('127.0.0.1', port), 10) as one:
            one.sendall(HEAD + b'\r\n')
            answer = one.recv(1000)
    assert b' 200 ' in answer
    for thread in slow:
        thread.join(10)


def test_an_answer_that_is_not_read_is_cut():
    """But not one that is read slowly."""
    waits, cut = [], []
    left = iter([300, 200, 200])
    protocol = object.__new__(connections.PatientProtocol)
    protocol.cycle = SimpleNamespace(response_complete=True)
    protocol._timer, protocol._unsent = None, 0
    protocol.loop = SimpleNamespace(
        call_later=lambda seconds, function: waits.append(function)
    )
    protocol.transport = SimpleNamespace(
        get_write_buffer_size=lambda: next(left), abort=lambda: cut.append(1)
    )
    for _ in range(2):
        protocol._look()
        assert not cut
    protocol._look()
    assert cut and len(waits) == 2


def test_an_address_in_use_is_said_before_the_model_is_read(capsys):
    with socket.create_server(('127.0.0.1', 0)) as taken:
        port = str(taken.getsockname()[1])
        with pytest.raises(SystemExit) as error:
            run_serve(['--weights', 'none', '--port', port])
    assert error.value.code == 2
    assert f'--port {port}: cannot listen' in capsys.readouterr().err


def test_an_empty_gallery_is_a_gallery(bundle, tmp_path, monkeypatch):
    served = []
    monkeypatch.setattr(uvicorn, 'run', lambda app, **_: served.append(app))
    path = tmp_path / 'new.db'
    with socket.create_server(('127.0.0.1', 0)) as free:
        port = str(free.getsockname()[1])
    run_serve(
        ['--weights', str(bundle), '--gallery', str(path), '--port', port]
    )
    with TestClient(served[0], base_url='http://127.0.0.1') as client:
        assert client.get('/v1/model').json()['gallery'] is True
        assert client.get('/v1/persons').json()['count'] == 0
    with Gallery.open(path) as gallery:
        assert len(gallery) == 0
