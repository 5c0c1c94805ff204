"""Tables of one's own images, written by a grammar and damaged."""

import csv
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np

from .cases import Try, anything, attack, damaged, pick, same
from .splits import FILES, WRONG, verified

# What may stand in a column, beside what is wrong as an identity, too.
CELLS = {
    'modality': ('thermal', 'VISIBLE', '2', ''),
    'camid': ('-1', '1.5', 'lobby', '9' * 30, 'nan', ''),
    'split': ('training', '', 'test;train'),
    'path': ('../1.jpg', '/dev/zero', 'cam1', 'a\x00b', '', 'cam1/0/0.jpg'),
    'pid': ('', 'nan', '<NA>'),
}


def listed(root: Path) -> Callable[[], object]:
    """List the training half: whose images, and how many."""

    def run() -> object:
        from mmgl.datasets import ReIDTable

        data = ReIDTable(str(root), 'train', str(root / 'people.csv'))
        return data.metainfo['pids'], data.labels().tolist()

    return run


def write(path: Path, rows: list[list[str]], **how: str) -> None:
    text = io.StringIO(newline='')
    csv.writer(text, **how).writerows(rows)
    path.write_text(text.getvalue(), newline='')


@attack('own table', short=24, long=400)
def own_table(
    base: Path, folder: Path, number: int, rng: np.random.Generator
) -> Try:
    """A table in another notation, damaged, or with something wrong in it."""
    from own_data import HEADER, rows_of

    root = folder / 'data'
    root.mkdir()
    for path in (base / 'sysu').iterdir():
        (root / path.name).symlink_to(path)
    rows = [list(map(str, row)) for row in rows_of(root, most=1)]
    path = root / 'people.csv'
    write(path, [list(HEADER), *rows])
    whole = listed(root)()
    if number % 4 == 0:  # another way to write the same
        order = rng.permutation(len(HEADER))
        table = [[row[i] for i in order] for row in [list(HEADER), *rows]]
        ends = str(pick(['\n', '\r\n'], rng))
        write(path, table, lineterminator=ends)
        if rng.random() < 0.5:
            path.write_bytes(b'\xef\xbb\xbf' + path.read_bytes())
        return Try('listed, same', listed(root), same(whole), must_work=True)
    if number % 4 == 1:
        kind = pick(list(FILES), rng)
        path.write_bytes(FILES[kind])
        return Try(f'listed, {kind}', listed(root))
    if number % 4 == 2:
        way, content = damaged(path.read_bytes(), rng)
        path.write_bytes(content)
        # A changed name is another person.
        return Try(f'listed, {way}', listed(root), anything)
    column = str(pick(list(CELLS), rng))
    wrong = str(pick(CELLS[column], rng))
    if column == 'modality':
        wrong = str(pick([wrong, *set(WRONG.values()) - {'0'}], rng))
    rows[int(rng.integers(len(rows)))][HEADER.index(column)] = wrong
    write(path, [list(HEADER), *rows])
    if number % 8 < 4:
        return Try(f'listed, wrong {column}', listed(root))
    options = '--table', str(path)
    run = verified('table', root, *options)
    return Try(f'verify-dataset, wrong {column}', run)
