"""Split files of SYSU-MM01 and RegDB, written by a grammar."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from scipy.io import loadmat, savemat

from .cases import Try, attack, damaged, pick, same
from .entrances import Refusal, tool

Number = tuple[int, np.random.Generator]
# What may stand in place of an identity.
WRONG = {
    'fraction': '7.7',
    'zero': '0',
    'negative': '-3',
    'word': 'abc',
    'NaN': 'nan',
    'infinity': 'inf',
    'huge': '9' * 30,
    'without images': '87654',
    'hexadecimal': '0x1f',
    'arabic digits': '\u0661\u0662',
    'underscore': '1_0',
    'quoted': '"5"',
    'formula': '=1+1',
}
# Whose first identity is put into the list of those to train on.
OTHERS = {'repeated': 'train', 'of the test': 'test', 'of another': 'val'}
SEPARATORS = (',', ', ', ',,', ' ', '\n', '\r\n', '\t')
FILES = {
    'empty': b'',
    'blank': b' \n\n',
    'header only': b'id\n',
    'binary': bytes(range(256)),
    'UTF-16': '1,2,3'.encode('utf-16'),
    'nulls': b'1,2\x00,3',
    'a megabyte of digits': b'1' * 10**6,
    'HTML': b'<html><body>404</body></html>',
}


def linked(source: Path, folder: Path, copied: str) -> Path:
    """Link a data set into the folder, with its split files as copies."""
    root = folder / 'data'
    root.mkdir()
    for path in source.iterdir():
        if path.name != copied:
            (root / path.name).symlink_to(path)
    (root / copied).mkdir()
    for path in (source / copied).iterdir():
        (root / copied / path.name).write_bytes(path.read_bytes())
    return root


def sysu_labels(root: Path, split: str) -> Callable[[], object]:
    """List a split; its identities and the number of its images."""

    def run() -> object:
        from mmgl.datasets import SYSUMM01

        data = SYSUMM01(str(root), split)
        return sorted(set(data.field('raw_pid').tolist())), len(data)

    return run


def regdb_labels(root: Path) -> Callable[[], object]:
    """List the training half of the first trial."""

    def run() -> object:
        from mmgl.datasets import RegDB

        data = RegDB(str(root), 'train', trial=1)
        return data.field('raw_pid').tolist(), len(data)

    return run


def verified(layout: str, root: Path, *more: str) -> Callable[[], object]:
    """Check a folder; problems are as good as a refusal."""

    def run() -> object:
        try:
            tool('verify-dataset', '--root', root, '--layout', layout, *more)
        except SystemExit as stop:
            if stop.code != 1:
                raise
            raise Refusal('problems were found') from None
        return 'no problem'

    return run


@attack('SYSU-MM01 id list', short=40, long=400)
def id_list(
    base: Path, folder: Path, number: int, rng: np.random.Generator
) -> Try:
    """A list in another notation, or with something that is no identity."""
    root = linked(base / 'sysu', folder, 'exp')
    path = root / 'exp/train_id.txt'
    ids = path.read_text().strip().replace(',', ' ').split()
    whole = sysu_labels(base / 'sysu', 'train')()
    if number % 4 == 0:  # another way to write the same
        rng.shuffle(ids)
        text = str(pick(SEPARATORS, rng)).join(ids) + str(
            pick(['', '\n'], rng)
        )
        path.write_bytes(text.encode())
        run = sysu_labels(root, 'train')
        return Try('listed, same ids', run, same(whole), must_work=True)
    if number % 4 == 1:
        kind = pick(list(FILES), rng)
        path.write_bytes(FILES[kind])
    elif number % 4 == 2:
        kind = pick(list(OTHERS), rng)
        source = base / f'sysu/exp/{OTHERS[kind]}_id.txt'
        ids.insert(0, source.read_text().strip().replace(',', ' ').split()[0])
        path.write_text(','.join(ids))
    else:
        kind = pick(list(WRONG), rng)
        ids.insert(int(rng.integers(len(ids))), WRONG[kind])
        path.write_text(','.join(ids))
    if kind != 'of another' and (number % 8 < 4 or kind == 'of the test'):
        return Try(f'listed, {kind}', sysu_labels(root, 'train'))
    return Try(f'verify-dataset, {kind}', verified('sysu', root))


def _regdb_rows(path: Path) -> list[str]:
    return path.read_text().splitlines()


def _with_label(
    label: str,
) -> Callable[[list[str], np.random.Generator], None]:
    def change(rows: list[str], rng: np.random.Generator) -> None:
        place = int(rng.integers(len(rows)))
        rows[place] = f'{rows[place].rsplit(" ", 1)[0]} {label}'

    return change


def _with_path(path: str) -> Callable[[list[str], np.random.Generator], None]:
    def change(rows: list[str], rng: np.random.Generator) -> None:
        place = int(rng.integers(len(rows)))
        rows[place] = f'{path} {rows[place].rsplit(" ", 1)[1]}'

    return change


ROWS: dict[str, Callable[[list[str], np.random.Generator], object]] = {
    'fraction': _with_label('7.7'),
    'negative': _with_label('-3'),
    'word': _with_label('abc'),
    'huge': _with_label('9' * 30),
    'gap in labels': _with_label('99'),
    'no label': lambda rows, rng: rows.append(rows.pop(0).split()[0]),
    'repeated row': lambda rows, rng: rows.append(rows[0]),
    'lost person': lambda rows, rng: rows.__delitem__(slice(0, 10)),
    'missing image': _with_path('Visible/1/gone.bmp'),
    'outside': _with_path('../../../etc/passwd'),
    'absolute': _with_path('/etc/passwd'),
    'empty row': lambda rows, rng: rows.insert(1, ' 1'),
    'garbage': lambda rows, rng: rows.append('\x00\xff'),
}


@attack('RegDB list', short=30, long=400)
def regdb_list(
    base: Path, folder: Path, number: int, rng: np.random.Generator
) -> Try:
    """A list of a trial that is not what it should be."""
    root = linked(base / 'regdb', folder, 'idx')
    path = root / 'idx/train_visible_1.txt'
    rows = _regdb_rows(path)
    if number % 4 == 0:
        kind = pick(list(FILES), rng)
        path.write_bytes(FILES[kind])
    elif number % 4 == 1:
        kind = 'exchanged lists'
        other = root / 'idx/train_thermal_1.txt'
        one, two = path.read_bytes(), other.read_bytes()
        path.write_bytes(two)
        other.write_bytes(one)
    else:
        kind = pick(list(ROWS), rng)
        ROWS[kind](rows, rng)
        path.write_text('\n'.join(rows))
    if number % 2 and kind != 'lost person':
        return Try(f'verify-dataset, {kind}', verified('regdb', root))
    return Try(f'listed, {kind}', regdb_labels(root))


@attack('RegDB trial', short=4, long=12)
def trial(
    base: Path, folder: Path, number: int, rng: np.random.Generator
) -> Try:
    """Trials that there are not."""
    trials = (
        0,
        11,
        -1,
        1.5,
        '1',
        None,
        True,
        10**12,
        float('nan'),
        [],
        {},
        'x',
    )

    def run() -> object:
        from mmgl.datasets import RegDB

        return len(RegDB(str(base / 'regdb'), 'train', trial=trials[number]))

    return Try(f'trial={trials[number]!r}', run)


def _cells(path: Path) -> np.ndarray:
    return loadmat(path)['rand_perm_cam']


def _entry(value: object) -> Callable[[np.ndarray, np.random.Generator], None]:
    def change(cells: np.ndarray, rng: np.random.Generator) -> None:
        cells[0, 0][0, 0] = np.asarray(value)

    return change


PERMUTATIONS: dict[str, Callable] = {
    'NaN': _entry(np.full((10, 10), np.nan)),
    'fractions': _entry(np.full((10, 10), 7.7)),
    'zeros': _entry(np.zeros((10, 10))),
    'out of range': _entry(np.full((10, 10), 10**6)),
    'repeated images': _entry(np.ones((10, 10))),
    'nine trials': _entry(np.arange(1, 91).reshape(9, 10) % 10 + 1),
    'text': _entry('abc'),
    'one row': _entry(np.arange(1, 11)),
    'three dimensions': _entry(np.ones((10, 10, 2))),
    'complex': _entry(np.full((10, 10), 1 + 1j)),
    'lost cameras': lambda cells, rng: cells[2:],
    'plain numbers': lambda cells, rng: np.ones((6, 1)),
}


@attack('permutations', short=12, long=300)
def permutations(
    base: Path, folder: Path, number: int, rng: np.random.Generator
) -> Try:
    """rand_perm_cam.mat, wrong or damaged: the same figures, or refused."""
    from .features import score

    root = linked(base / 'protocol', folder, 'exp')
    path = root / 'exp/rand_perm_cam.mat'
    whole = score(base, base / 'sysu.npz', folder)()
    run = score(base, base / 'sysu.npz', folder, root)
    if number % 2:
        cells = _cells(path)
        kind = list(PERMUTATIONS)[number // 2 % len(PERMUTATIONS)]
        changed = PERMUTATIONS[kind](cells, rng)
        cells = cells if changed is None else changed
        savemat(path, dict(rand_perm_cam=cells))
        return Try(f'eval-features, {kind}', run)
    savemat(path, dict(rand_perm_cam=_cells(path)), do_compression=True)
    way, data = damaged(path.read_bytes(), rng)
    path.write_bytes(data)
    return Try(f'eval-features, {way}', run, same(whole))


@attack('split files, of another kind', short=4, long=12)
def special(
    base: Path, folder: Path, number: int, rng: np.random.Generator
) -> Try:
    """Folders, pipes, loops and nothing at all in place of a split file."""
    layout, name, copied = (
        ('sysu', 'train_id.txt', 'exp'),
        ('regdb', 'train_visible_1.txt', 'idx'),
    )[number % 2]
    root = linked(base / layout, folder, copied)
    path = root / copied / name
    path.unlink()
    kinds: Sequence[tuple[str, Callable[[], object]]] = (
        ('nothing', lambda: None),
        ('folder', path.mkdir),
        ('pipe', lambda: os.mkfifo(path)),
        ('loop', lambda: path.symlink_to(path)),
        ('dangling link', lambda: path.symlink_to('gone')),
        ('device', lambda: path.symlink_to('/dev/zero')),
    )
    kind, make = kinds[number // 2]
    make()
    run = (
        sysu_labels(root, 'train') if layout == 'sysu' else regdb_labels(root)
    )
    return Try(f'{layout}, {kind}', run)
