"""Shards, packs and galleries that lie about what they hold."""

import io
import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from .cases import Try, anything, attack, damaged, pick, refused, same
from .child import CANARY

IMAGES = 8


def streamed(location: object) -> Callable[[], object]:
    """Read all images of shards; how many there were."""

    def run() -> object:
        from mmgl.datasets import StreamedPairs
        from mmgl.datasets.samplers import StreamSampler

        load = [dict(type='LoadImageFromBytes')]
        data = StreamedPairs(str(location), pipeline=load, shuffle_buffer=1)
        draws = list(StreamSampler(data, IMAGES, seed=0))
        for start in range(0, len(draws), IMAGES):
            data.__getitems__(draws[start : start + IMAGES])
        return f'{len(draws)} images'

    return run


def _row(**changes: object) -> Callable[[dict], None]:
    return lambda index: index['shards'][0].update(changes)


def _index(**changes: object) -> Callable[[dict], None]:
    return lambda index: index.update(changes)


def _command(canary: str) -> Callable[[dict], None]:
    return _row(name=f'pipe:touch {canary}')


INDEXES: dict[str, Callable[[dict], object]] = {
    'command': _command(CANARY),
    'outside': _row(name='../../../etc/passwd'),
    'absolute': _row(name='/etc/passwd'),
    'URL': _row(name='http://127.0.0.1:9/a.tar'),
    'file URL': _row(name='file:/etc/passwd'),
    'missing shard': _row(name='gone.tar'),
    'folder': _row(name='.'),
    'number as name': _row(name=3),
    'no images': _row(images=0),
    'negative': _row(images=-5),
    'too many': _row(images=10**6),
    'too few': _row(images=1),
    'more than memory': _row(images=10**30),
    'fraction': _row(images=2.5),
    'true': _row(images=True),
    'text': _row(images='10'),
    'NaN': _row(images=float('nan')),
    'null': _row(images=None),
    'other format': _index(format=99),
    'no format': lambda index: index.pop('format'),
    'no shards': _index(shards=[]),
    'shards as dict': _index(shards={}),
    'shards as text': _index(shards='abc'),
    'rows as lists': _index(shards=[['a.tar', 3]]),
    'shard twice': lambda index: index['shards'].append(index['shards'][0]),
}


@attack('shard index', short=25, long=150)
def index(
    base: Path, folder: Path, number: int, rng: np.random.Generator
) -> Try:
    """An index of shards, tampered with or damaged."""
    shards = folder / 'shards'
    shutil.copytree(base / 'shards', shards)
    path = shards / 'visible.json'
    if number < len(INDEXES):
        kind = list(INDEXES)[number]
        content = json.loads(path.read_text())
        INDEXES[kind](content)
        path.write_text(json.dumps(content))
        return Try(kind, streamed(shards))
    kind, data = damaged(path.read_bytes(), rng)
    path.write_bytes(data)
    # Other white space is no damage, another digit may be found later.
    return Try(kind, streamed(shards), anything)


def _link(target: str, kind: bytes) -> tarfile.TarInfo:
    member = tarfile.TarInfo('000000000.jpg')
    member.type, member.linkname = kind, target
    return member


def _file(name: str, data: bytes) -> tuple[tarfile.TarInfo, io.BytesIO]:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    return member, io.BytesIO(data)


MEMBERS: dict[str, Callable[[], list[tuple]]] = {
    'symbolic link': lambda: [(_link('/etc/passwd', tarfile.SYMTYPE),)],
    'hard link': lambda: [(_link('/etc/passwd', tarfile.LNKTYPE),)],
    'device': lambda: [(_link('', tarfile.CHRTYPE),)],
    'pipe': lambda: [(_link('', tarfile.FIFOTYPE),)],
    'absolute': lambda: [_file('/tmp/000000000.jpg', b'x')],
    'outside': lambda: [_file('../000000000.jpg', b'x')],
    'text as image': lambda: [_file('0.jpg', b'no image')],
    'no image': lambda: [_file('0.txt', b'nothing')],
    'pickle': lambda: [_file('0.pyd', b'cos\nsystem\n(S"touch canary"\ntR.')],
    'pickled notes': lambda: [
        _file('0.jpg', b'x'),
        _file('0.pickle', b'cos\nsystem\n(S"touch canary"\ntR.'),
    ],
    'empty': list,
    'notes as list': lambda: [_file('0.jpg', b'x'), _file('0.json', b'[1]')],
    'broken notes': lambda: [_file('0.jpg', b'x'), _file('0.json', b'{')],
}


@attack('shard', short=13, long=200)
def shard(
    base: Path, folder: Path, number: int, rng: np.random.Generator
) -> Try:
    """A tar file with strange members, or damaged."""
    shards = folder / 'shards'
    shutil.copytree(base / 'shards', shards)
    if number < len(MEMBERS):
        kind = list(MEMBERS)[number]
        for path in shards.glob('visible-*.tar'):
            with tarfile.open(path, 'w') as tar:
                for member in MEMBERS[kind]():
                    tar.addfile(*member)
        return Try(kind, streamed(shards))
    for path in shards.glob('visible-*.tar'):
        kind, data = damaged(path.read_bytes(), rng)
        path.write_bytes(data)
    # Pixels have no sums.
    return Try(kind, streamed(shards), anything)


def packed(base: Path, pack: Path) -> Callable[[], object]:
    """Read images of a pack; the sum of their pixels."""

    def run() -> object:
        from mmgl.datasets import SYSUMM01

        resize = dict(
            type='PILResize', scale=(48, 96), interpolation='lanczos'
        )
        steps = [dict(type='LoadImageFromFile'), resize]
        root = str(base / 'sysu')
        data = SYSUMM01(root, 'train', steps, packed=str(pack))
        return sum(int(data[n]['img'].sum()) for n in range(IMAGES))

    return run


def _evil_steps(header: dict) -> None:
    header['steps'] = [dict(type='os.system', command=f'touch {CANARY}')]


HEADERS: dict[str, Callable[[dict], object]] = {
    'steps that run code': _evil_steps,
    'other format': lambda header: header.update(format=9),
    'other shape': lambda header: header.update(shape=[48, 96]),
    'negative shape': lambda header: header.update(shape=[-1, 48]),
    'text shape': lambda header: header.update(shape='ab'),
    'huge shape': lambda header: header.update(shape=[10**9, 10**9]),
    'no steps': lambda header: header.pop('steps'),
    'steps as text': lambda header: header.update(steps='abc'),
    'unknown step': lambda header: header.update(steps=[dict(type='Gone')]),
}
COLUMNS: dict[str, Callable[[dict], object]] = {
    'pickled paths': lambda arrays: arrays.update(
        paths=arrays['paths'].astype(object)
    ),
    'shorter column': lambda arrays: arrays.update(done=arrays['done'][:-1]),
    'paths outside': lambda arrays: arrays.update(
        paths=np.array([f'../../{one}' for one in arrays['paths']])
    ),
    'not done': lambda arrays: arrays.update(done=arrays['done'] & False),
    'text heights': lambda arrays: arrays.update(
        heights=arrays['heights'].astype(str)
    ),
    'no column': lambda arrays: arrays.pop('row_sums'),
    'negative heights': lambda arrays: arrays.update(
        heights=-arrays['heights']
    ),
}


@attack('pack', short=17, long=200)
def pack(
    base: Path, folder: Path, number: int, rng: np.random.Generator
) -> Try:
    """A pack whose header or index lies, or whose bytes changed."""
    where = folder / 'pack'
    shutil.copytree(base / 'pack', where)
    path = where / 'index.npz'
    if number == 0:
        whole = packed(base, base / 'pack')
        return Try('good', whole, anything, must_work=True)
    if number <= len(HEADERS) + len(COLUMNS):
        arrays = dict(np.load(path))
        kinds = HEADERS | COLUMNS
        kind = list(kinds)[number - 1]
        header = json.loads(str(arrays['header']))
        kinds[kind](header if kind in HEADERS else arrays)
        np.savez(path, **arrays | dict(header=json.dumps(header)))
        return Try(kind, packed(base, where))
    path = where / str(pick(['index.npz', 'images.npy'], rng))
    size = path.stat().st_size
    head = path.read_bytes()[: 128 if path.suffix == '.npy' else size]
    kind, data = damaged(head, rng)
    path.write_bytes(data + path.read_bytes()[len(head) :])
    fine = same(packed(base, base / 'pack')())
    return Try(f'{path.name}, {kind}', packed(base, where), fine)


def _searched(path: Path) -> Callable[[], object]:
    def run() -> object:
        from mmgl.gallery.index import GalleryIndex

        index = GalleryIndex.load(path)
        queries = np.random.default_rng(1).normal(size=(5, 8))
        found, ids = index.search(queries, 10)
        return found.tolist(), ids.tolist()

    return run


IDS = (-1, 7.9, float('nan'), 2**63, 'a', None, True, [1, 2])
ROWS: dict[str, object] = {
    'NaN': np.full((1, 8), np.nan),
    'infinite': np.full((1, 8), np.inf),
    'zero': np.zeros((1, 8)),
    'huge': np.full((1, 8), 1e300),
    'flat': np.ones(8),
    'narrow': np.ones((1, 7)),
    'text': np.full((1, 8), 'a'),
    'complex': np.full((1, 8), 1j),
    'objects': np.full((1, 8), None),
}


@attack('gallery', short=18, long=150)
def gallery(
    base: Path, folder: Path, number: int, rng: np.random.Generator
) -> Try:
    """Numbers and features that a gallery may not take, and its file."""
    if number < len(IDS):
        given = dict(features=np.ones((1, 8)), ids=[IDS[number]])
        kind, fine = f'id {IDS[number]!r}', refused
    elif number < len(IDS) + len(ROWS):
        kind = list(ROWS)[number - len(IDS)]
        given = dict(features=ROWS[kind])
        # Of whatever length, a feature is its own nearest.
        fine = same(1.0) if kind == 'huge' else refused
    else:
        kind, data = damaged((base / 'gallery.index').read_bytes(), rng)
        path = folder / 'gallery.index'
        path.write_bytes(data)
        whole = _searched(base / 'gallery.index')()
        return Try(f'file, {kind}', _searched(path), same(whole))

    def run() -> object:
        from mmgl.gallery.index import GalleryIndex

        index = GalleryIndex(8).add(**given)
        return round(float(index.search(given['features'], 1)[0][0, 0]), 3)

    return Try(f'add, {kind}', run, fine)
