"""Feature files: arrays that make no sense, lost rows, damaged archives."""

import json
import pickle
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from scipy.io import loadmat, savemat

from .cases import Try, attack, damaged, refused, same
from .checkpoints import PAYLOADS
from .child import CANARY
from .entrances import tool

Arrays = dict[str, np.ndarray]
Change = Callable[[Arrays, np.random.Generator], object]


def score(
    base: Path,
    features: Path,
    folder: Path,
    data_root: Path | None = None,
    protocol: str = 'sysu',
) -> Callable[[], object]:
    """Score a feature file by ``eval-features``; the whole document."""
    out, given = folder / 'report.json', []
    if protocol == 'sysu':
        given = ['--data-root', data_root or base / 'protocol']

    def run() -> object:
        asked = '--protocol', protocol, '--features', features
        tool('eval-features', *asked, *given, '--out', out)
        return numbers(json.loads(out.read_text()))

    return run


def numbers(report: dict) -> list:
    """Its figures, to the last bit of single precision, and what it counts."""
    zeros = report.pop('settings').get('zero_features', 0)
    text = json.dumps(report, sort_keys=True)
    found = json.loads(text, parse_float=lambda one: round(float(one), 6))
    return [json.loads(json.dumps(found)), zeros]


def _rows(keep: Callable[[int], np.ndarray]) -> Change:
    """Keep some rows of all arrays."""

    def change(arrays: Arrays, rng: np.random.Generator) -> None:
        rows = keep(len(arrays['pids']))
        for name, array in arrays.items():
            arrays[name] = array[rows] if array.ndim else array

    return change


def _value(name: str, value: object, count: int = 1) -> Change:
    """Put a value into some rows of an array."""

    def change(arrays: Arrays, rng: np.random.Generator) -> None:
        array = arrays[name]
        if isinstance(value, float) and array.dtype.kind != 'f':
            array = array.astype(float)
        array[rng.permutation(len(array))[:count]] = value
        arrays[name] = array

    return change


def _array(name: str, make: Callable[[np.ndarray], object]) -> Change:
    """Replace an array."""
    return lambda arrays, rng: arrays.update({name: make(arrays[name])})


def _person(arrays: Arrays, rng: np.random.Generator) -> None:
    _rows(lambda n: arrays['pids'] != arrays['pids'][0])(arrays, rng)


LOST: dict[str, Change] = {
    'last quarter lost': _rows(lambda n: np.arange(n * 3 // 4)),
    'one row lost': _rows(lambda n: np.arange(1, n)),
    'row repeated': _rows(lambda n: np.r_[np.arange(n), 0]),
    'one person lost': _person,
    'no row': _rows(lambda n: np.arange(0)),
    'one row': _rows(lambda n: np.arange(1)),
}
WRONG: dict[str, Change] = {
    'NaN features': _value('features', np.nan),
    'infinite features': _value('features', np.inf),
    'zero features': _value('features', 0.0),
    'all zero': _array('features', np.zeros_like),
    'features too large': _array('features', lambda x: x * 1e300),
    'text features': _array('features', lambda x: x.astype(str)),
    'complex features': _array('features', lambda x: x + 1j),
    'flat features': _array('features', lambda x: x[:, 0]),
    'three dimensions': _array('features', lambda x: x[:, :, None]),
    'no column': _array('features', lambda x: x[:, :0]),
    'longer features': _array('features', lambda x: np.r_[x, x[:1]]),
    'shorter pids': _array('pids', lambda x: x[:-1]),
    'fractional pid': _value('pids', 7.7),
    'negative pid': _value('pids', -3),
    'NaN pid': _value('pids', np.nan),
    'text pids': _array('pids', lambda x: np.array([f'p{n}' for n in x])),
    'huge pid': _value('pids', 2**62),
    'camera 0': _value('camids', 0),
    'camera 7': _value('camids', 7),
    'modality 2': _value('modality', 2),
    'modality exchanged': _array('modality', lambda x: 1 - x),
    'image 0': _value('index', 0),
    'image repeated': _array('index', np.ones_like),
    'no labels': lambda arrays, rng: arrays.pop('pids'),
    'scalar': _array('pids', lambda x: np.array(3)),
}
SAME: dict[str, Change] = {
    'shuffled rows': lambda arrays, rng: _rows(rng.permutation)(arrays, rng),
    'other integers': _array('pids', lambda x: x.astype(np.int16)),
    'more arrays': lambda arrays, rng: arrays.update(notes=np.zeros(3)),
}
# RegDB's labels count anew in each half, and it has neither cameras nor
# image numbers to be wrong.
SYSU_ONLY = {
    *('camera 0', 'camera 7', 'image 0', 'image repeated'),
    *('last quarter lost', 'one row lost', 'one person lost'),
    *('modality exchanged',),
}


@attack('feature arrays', short=34, long=400)
def arrays(
    base: Path, folder: Path, number: int, rng: np.random.Generator
) -> Try:
    """An .npz whose arrays are wrong, or right in another way."""
    protocol = ('sysu', 'regdb')[number // 34 % 2]
    kinds = LOST | WRONG | SAME
    kind = list(kinds)[number % len(kinds)]
    if protocol == 'regdb' and kind in SYSU_ONLY:
        kind = 'NaN features'
    content = dict(np.load(base / f'{protocol}.npz'))
    rows = len(content['pids'])
    kinds[kind](content, rng)
    file = folder / 'features.npz'
    np.savez(file, **content)
    run, what = (
        score(base, file, folder, None, protocol),
        f'{protocol}, {kind}',
    )
    if kind in SAME:
        whole = score(base, base / f'{protocol}.npz', folder, None, protocol)()
        return Try(what, run, same(whole))
    # The official code scores them; the report has to say how many.
    zeros = {'zero features': 1, 'all zero': rows}
    if kind in zeros:
        return Try(what, run, lambda value: value[1] == zeros[kind])
    return Try(what, run)


@attack('damaged features', short=40, long=400)
def broken(
    base: Path, folder: Path, number: int, rng: np.random.Generator
) -> Try:
    """Bytes of an .npz or a .mat changed."""
    if number % 2:
        file = folder / 'features.npz'
        way, data = damaged((base / 'sysu.npz').read_bytes(), rng)
        features = file
    else:
        for path in (base / 'mat').iterdir():
            (folder / path.name).symlink_to(path)
        file = folder / 'feat_net_cam1.mat'
        cell = loadmat(file)['feature']
        file.unlink()
        savemat(file, dict(feature=cell), do_compression=True)
        way, data = damaged(file.read_bytes(), rng)
        features = folder
    file.write_bytes(data)
    whole = score(base, base / ('sysu.npz' if number % 2 else 'mat'), folder)()
    run = score(base, features, folder)
    return Try(f'{file.suffix}, {way}', run, same(whole))


@attack('hostile features', short=4, long=60)
def hostile(
    base: Path, folder: Path, number: int, rng: np.random.Generator
) -> Try:
    """Pickles where arrays should be."""
    payload = list(PAYLOADS)[number // 4 % len(PAYLOADS)]
    thing = PAYLOADS[payload](folder, folder / CANARY)
    kind = ('object array', 'pickle', 'pickle as .mat', 'object ids')[
        number % 4
    ]
    file = folder / 'features.npz'
    content = dict(np.load(base / 'sysu.npz'))
    if kind == 'pickle':
        file.write_bytes(pickle.dumps(thing, 2))
    elif kind == 'pickle as .mat':
        for camera in range(1, 7):
            path = folder / f'feat_cam{camera}.mat'
            path.write_bytes(pickle.dumps(thing, 2))
        file = folder
    else:
        name = 'features' if kind == 'object array' else 'pids'
        content[name] = np.array([thing], dtype=object)
        np.savez(file, **content)
    return Try(kind, score(base, file, folder))


# A record of a cost, and a line of a log, that no picture can be made of.
COSTS: tuple[dict, ...] = (
    dict(seconds='60'),
    dict(seconds=True),
    dict(seconds=float('nan')),
    dict(accuracy=-1),
    dict(accuracy=[50]),
    dict(spread=float('inf')),
    dict(label=None),
    dict(spread='2'),
    dict(colour='red'),
    dict(accuracy=150.0),
)
LINES: tuple[object, ...] = (
    dict(loss='1'),
    dict(loss=None),
    dict(step='x'),
    dict(step=None),
    dict(step=[1]),
    dict(epoch='x'),
    dict(epoch=-1),
    [1],
    3,
    None,
)


@attack('records', short=20, long=240)
def records(
    base: Path, folder: Path, number: int, rng: np.random.Generator
) -> Try:
    """JSON that pictures and tables are made of."""
    command = ('cost', 'plot-curves')[number // 2 % 2]
    wrong = COSTS if command == 'cost' else LINES
    change, lines = wrong[number // 4 % len(wrong)], []
    if command == 'cost':
        file = folder / 'records.json'
        good = dict(label='a', seconds=60, accuracy=50.0, spread=2.0)
    else:
        file = folder / 'scalars.json'
        good = dict(lr=0.1, loss=1.0, epoch=1, iter=1, step=1)
        lines = [good | dict(step=n, iter=n) for n in (2, 3)]
    what = str(change)
    if number % 2:
        bad = good | change if isinstance(change, dict) else change
        texts = map(json.dumps, [bad, *lines])
    else:
        what, data = damaged(json.dumps(good).encode(), rng)
        texts = [data.decode('latin-1'), *map(json.dumps, lines)]
    content = '\n'.join(texts)
    text = f'[{content}]' if command == 'cost' else content
    file.write_bytes(text.encode('latin-1'))
    fine = refused if number % 2 else same(None)
    out = folder / 'a.png'
    run = partial(tool, command, file, '--out', out)
    return Try(f'{command}, {what}', run, fine)
