"""Requests that no honest client would send to the service."""

import contextlib
import logging
import os
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from .cases import Try, anything, attack, damaged, refused, same
from .images import WRONG
from .photographs import opened

READ, WRITE = 'r' * 20, 'w' * 20
TYPES = (
    *('multipart/form-data', 'multipart/form-data; boundary='),
    *('multipart/form-data; boundary=x; charset=utf-7', 'application/json'),
    *('multipart/form-data; boundary="' + 'x' * 300 + '"', 'text/plain', ''),
    *('application/x-www-form-urlencoded', 'multipart/mixed; boundary=x'),
    *('application/octet-stream', '\xff', 'multipart/form-data; charset=\xe9'),
)
BOMB = b'[' * 10**6
BODIES: dict[str, bytes] = {
    'nothing': b'',
    'garbage': bytes(range(256)) * 9,
    'JSON': b'{"modality": "visible"}',
    'JSON bomb': BOMB,
    'many fields': b'a=1&' * 10**5,
    'giant field': b'a=' + b'x' * 3 * 10**6,
    'cut part': b'--x\r\nContent-Disposition: form-data; name="image"',
    'no end': b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb',
    'no name': b'--x\r\nContent-Disposition: form-data\r\n\r\nb\r\n--x--',
    'no headers': b'--x\r\n\r\nb\r\n--x--\r\n',
    'long header': b'--x\r\nA: ' + b'b' * 10**5 + b'\r\n\r\nb\r\n--x--\r\n',
    'odd encoding': b'--x\r\nContent-Disposition: form-data; name="image"; '
    b'filename="a"\r\nContent-Transfer-Encoding: base64\r\n\r\n!\r\n--x--',
    'many parts': b'--x\r\nContent-Disposition: form-data; name="names"'
    b'\r\n\r\na\r\n' * 2000 + b'--x--\r\n',
}
PATHS = 'embed', 'compare', 'search', 'persons'
# Fields of a request, and what none of them may be.
FIELDS: dict[str, tuple[object, ...]] = {
    'modality': ('', 'Visible', '0', 'x' * 10**5, '\0', ['visible', 'x']),
    'top': ('0', '-1', '1.5', 'nan', '9' * 5000, '1e3', 'x'),
    'start': ('nan', 'inf', '1e999', 'now', '9' * 5000, '2026-01-01'),
    'end': ('-inf', 'NaN', '\u0661x', '{}'),
    'camera': ('\0', 'a\nb', 'x' * 5000, '\x1b[2J'),
    'person': ('a\0b', 'x' * 5000),
    'of_modality': ('\n', 'y' * 5000),
    'cammera': ('1',),
    'modalty': ('visible',),
    'topp': ('3',),
}
QUERIES = (
    *('limit=0', 'limit=-1', 'limit=1001', 'limit=nan', 'offset=-1'),
    *(f'offset={"9" * 5000}', 'limt=3', 'personn=a', 'camera=%00'),
    *('person=a%0Ab', 'person=' + 'x' * 5000, 'camera=%ff%fe&x=1'),
)
DELETES = (
    *('', 'name=', 'older_than=nan', 'older_than=inf', 'older_than=x'),
    *('name=a&person=b', 'nmae=a', 'person=a&older_then=3'),
    *('name=%00', 'name=' + 'x' * 5000, 'where=1', 'name=a&nme=b'),
    *('older_than=' + '9' * 400, 'person=p0&persn=p1', 'name=a%0Ab'),
)
HEADERS: tuple[dict[str, str | bytes], ...] = (
    {'Authorization': ''},
    {'Authorization': 'Bearer'},
    {'Authorization': f'Bearer {READ[:-1]}'},
    {'Authorization': f'Bearer {READ}x'},
    {'Authorization': f'Basic {READ}'},
    {'Authorization': f'Bearer Bearer {WRITE}'},
    {'Authorization': f'Bearer {READ},{WRITE}'},
    {'Authorization': f'Bearer {WRITE.upper()}'},
    {'Authorization': b'Bearer ' + WRITE.encode('utf-16')},
    {'Authorization': b'Bearer \xff\xfe'},
    {'Authorization': 'Bearer ' + 'w' * 10**6},
    {'X-Authorization': f'Bearer {WRITE}'},
    {'Cookie': f'token={WRITE}'},
    {'Host': '[::1'},
    {'Host': '[gone]'},
    {'Host': ''},
    {'Host': 'a b'},
    {'Host': '127.0.0.1@evil.example'},
    {'Host': b'\xff'},
    {'Origin': 'http://['},
    {'Origin': 'http://127.0.0.1:1@evil.example'},
    {'Origin': b'\xff\xfe'},
    {'Origin': 'null'},
)
NAMES = (
    *('../person.png', '/etc/passwd', 'x' * 300, 'gone', '.', ''),
    *('%00', 'cam0/../../person.png', 'pipe.png', 'a' * 5000, '%ff'),
    *('c:\\a', 'evil.html', '\u202e', 'cam0'),
)
FIXED: list[tuple[str, object, object]] = [
    *(('type', path, kind) for path in PATHS for kind in TYPES),
    *(('body', path, kind) for path in PATHS for kind in BODIES),
    *(('field', k, value) for k, values in FIELDS.items() for value in values),
    *(('list', query, None) for query in QUERIES),
    *(('delete', query, None) for query in DELETES),
    *(('header', number, None) for number in range(len(HEADERS))),
    *(('open', number, None) for number in range(13, len(HEADERS))),
    *(('image', name, None) for name in NAMES),
    *(
        ('upload', kind, path)
        for kind in WRONG
        for path in ('search', 'persons', 'embed')
    ),
    *(('method', method, None) for method in ('PUT', 'TRACE', 'OPTIONS')),
    *(('path', path, None) for path in ('/v1', '/static/../app.py')),
    ('path', '/static/%2e%2e/app.py', None),
    ('path', '/v1/image/%00', None),
    ('good', None, None),
]


class Broken(Exception):
    """The service has not answered as it should."""


def _client(base: Path, folder: Path, **settings: object) -> object:
    """Serve a copy of the small gallery in this process."""
    from fastapi.testclient import TestClient

    from mmgl.gallery.gallery import Gallery
    from mmgl.serving.app import create_app
    from mmgl.serving.settings import Settings

    logging.getLogger('httpx').setLevel(logging.ERROR)
    shutil.copy(base / 'served.db', folder / 'served.db')
    model = opened(base)
    gallery = Gallery.open(folder / 'served.db', model.model_hash)
    app = create_app(model, gallery, Settings(**settings))
    return TestClient(app, base_url='http://127.0.0.1')


def answered(
    base: Path, folder: Path, ask: Callable, **settings: object
) -> Callable[[], object]:
    """Send a request: what is given back, and nothing must have changed."""
    from .entrances import Refusal

    def run() -> object:
        with _client(base, folder, **settings) as client:
            gallery = client.app.state.service.gallery
            for name in NAMES if 'images' in settings else ():
                with contextlib.suppress(ValueError):
                    gallery.upsert(
                        np.eye(gallery.engine.dimensions)[0], [name]
                    )
            before = [(one.name, one.metadata) for one in gallery]
            answer = ask(client)
            after = [(one.name, one.metadata) for one in gallery]
            if before != after:
                return f'{answer.status_code}, but changed to {after}'
            if not client.get('/health').is_success:
                raise Broken('no health')
        if answer.is_client_error:
            raise Refusal(_sentence(answer))
        if answer.is_server_error:
            raise Broken(f'{answer.status_code}: {answer.text[:200]}')
        return answer.status_code, answer.text[:200]

    return run


def _sentence(answer: object) -> str:
    """What was wrong, which is one short text."""
    try:
        said = answer.json()['detail']
    except (ValueError, KeyError, TypeError):
        said = answer.text if len(answer.text) < 99 else None
    if not isinstance(said, str) or '\n' in said or len(said) > 600:
        raise Broken(f'{answer.status_code}: {answer.text[:200]}')
    return said


def _post(path: str, photograph: bytes, **fields: object) -> Callable:
    """A good request, but for fields."""
    uploads = dict(embed=['images'], compare=['first', 'second'])
    names = uploads.get(path, ['images' if path == 'persons' else 'image'])
    data: dict = dict(modality='visible')
    if path == 'compare':
        data = dict(first_modality='visible', second_modality='visible')
    if path == 'persons':
        data['names'] = 'cam0/0.png'
    files = [(name, ('a.png', photograph)) for name in names]
    return lambda client: client.post(
        f'/v1/{path}', files=files, data=data | fields
    )


def _raw(path: str, kind: str, body: bytes) -> Callable:
    head = {'Content-Type': kind.encode('latin-1')}
    return lambda client: client.post(
        f'/v1/{path}', content=body, headers=head
    )


def _listed(method: str) -> Callable:
    return lambda one, *_: (
        lambda client: client.request(method, f'/v1/persons?{one}')
    )


def _body(one: str, kind: str, *_: object) -> Callable:
    form = kind in ('many fields', 'giant field')
    url, parts = TYPES[7], 'multipart/form-data; boundary=x'
    return _raw(one, url if form else parts, BODIES[kind])


def _field(one: str, kind: object, photograph: bytes, *_: object) -> Callable:
    path = 'persons' if one == 'person' else 'search'
    return _post(path, photograph, **{one: kind})


def _headed(one: int, *_: object) -> Callable:
    return lambda client: client.delete(
        '/v1/persons?person=p0', headers=HEADERS[one]
    )


def _upload(one: str, kind: str, photograph: bytes, folder: Path) -> Callable:
    path = folder / 'a.png'
    WRONG[one](path)
    data = path.read_bytes() if path.is_file() else zlib.compress(b'a')
    return _post(kind, data)


# Place -> what is asked, of the rest of its row in FIXED.
ASKS: dict[str, Callable] = {
    'type': lambda one, kind, *_: _raw(one, kind, BODIES['no end']),
    'body': _body,
    'field': _field,
    'list': _listed('GET'),
    'delete': _listed('DELETE'),
    'header': _headed,
    'open': _headed,
    'image': lambda one, *_: lambda c: c.get(f'/v1/image?name={one}'),
    'upload': _upload,
    'method': lambda one, *_: lambda c: c.request(one, '/v1/persons'),
    'path': lambda one, *_: lambda c: c.get(one),
    'good': lambda one, kind, photograph, *_: _post('search', photograph),
}


@attack('service', short=60, long=len(FIXED) + 120, seconds=30)
def service(
    base: Path, folder: Path, number: int, rng: np.random.Generator
) -> Try:
    """The short form takes some of each kind; then bodies are damaged."""
    good = (base / 'person.png').read_bytes()
    if number >= len(FIXED):
        return _damaged(base, folder, good, rng)
    # Steps that share no factor with their number visit all.
    place, one, kind = FIXED[number * 101 % len(FIXED)]
    ask, settings = ASKS[place](one, kind, good, folder), {}
    if place == 'header':
        settings = dict(read_token=READ, write_token=WRITE)
    elif place == 'image':
        settings = dict(images=_pictures(folder, base))
    what = f'{place}, {str(one)[:20]}, {str(kind)[:20]!r}'
    run, works = answered(base, folder, ask, **settings), place == 'good'
    return Try(what, run, anything if works else refused, works)


def _pictures(folder: Path, base: Path) -> Path:
    """What may lie in a folder of images."""
    images = folder / 'images'
    (images / 'cam0').mkdir(parents=True)
    (images / 'evil.html').write_text('<script>')
    os.mkfifo(images / 'pipe.png')
    shutil.copy(base / 'person.png', folder / 'person.png')
    return images


def _damaged(
    base: Path, folder: Path, good: bytes, rng: np.random.Generator
) -> Try:
    """A good request, of which bytes are changed on the way."""
    part = b'--x\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n'
    body = part % (b'modality', b'visible') + part % (b'top', b'1')
    file = part.replace(b'%b"', b'image"; filename="a.png"', 1)
    body += file.replace(b'%b', good) + b'--x--\r\n'
    head = 'multipart/form-data; boundary=x'
    whole = answered(base, folder, _raw('search', head, body))()
    (folder / 'served.db').unlink()
    way, data = damaged(body, rng)
    run = answered(base, folder, _raw('search', head, data))
    # Its other fields are the client's, who may have meant them so.
    inside = data.find(b'visible') > 0
    return Try(f'body, {way}', run, same(whole) if inside else anything)
