"""The gallery in one file: processes, threads, kills, other files."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest

from mmgl.gallery.embedded import EmbeddedEngine
from mmgl.gallery.gallery import Gallery
from mmgl.gallery.statements import sealed
from mmgl.utils.errors import ConfigError


def test_a_reader_sees_what_a_writer_does(tmp_path):
    path = tmp_path / 'people.db'
    writer, reader = Gallery.open(path), Gallery.open(path)
    assert reader.search(np.ones(4)) == [[]]
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(30, 4))
    for i in range(30):
        writer.upsert(rows[i], [f'{i % 20}'])
        if i % 7 == 3:
            writer.delete([f'{i - 2}'])
        query = rng.normal(size=4)
        assert reader.search(query, 5) == writer.search(query, 5)
        assert reader.count() == writer.count()
    writer.close()
    reader.close()


def test_threads_share_a_gallery(tmp_path):
    gallery = Gallery.open(tmp_path / 'people.db')
    errors = []

    def work(number):
        rng = np.random.default_rng(number)
        try:
            for i in range(15):
                gallery.upsert(rng.normal(size=5), [f'{number} {i}'])
                assert gallery.search(rng.normal(size=5), 3)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=[n]) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == [] and gallery.count() == 90
    gallery.close()


# Prints a line for each call that has returned.
_WRITER = """
    import random, sys
    import numpy as np
    from mmgl.gallery.gallery import Gallery

    path, seed = sys.argv[1], int(sys.argv[2])
    rng, number = random.Random(seed), np.random.default_rng(seed)
    gallery = Gallery.open(path)
    print('open', flush=True)
    for step in range(100000):
        names = [str(n) for n in rng.sample(range(200), rng.randint(1, 30))]
        if rng.random() < 0.3:
            gallery.delete(names)
            print('delete', *names, flush=True)
        else:
            rows = number.normal(size=(len(names), 16))
            rows[:, 0] = step + 1
            gallery.upsert(rows, names, [dict(time=step + 1)] * len(names))
            print('upsert', step + 1, *names, flush=True)
"""


def kill_while_writing(path, seed):
    """Kill a writer at a random moment and return what it had said."""
    code = textwrap.dedent(_WRITER)
    process = subprocess.Popen(
        [sys.executable, '-c', code, str(path), str(seed)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == 'open\n'
    time.sleep(random.Random(seed).uniform(0.0, 0.4))
    process.send_signal(signal.SIGKILL)
    said = process.stdout.read()
    process.wait()
    # The last line may be cut.
    return said.splitlines() if said.endswith('\n') else said.splitlines()[:-1]


def replay(lines, state):
    for line in lines:
        word, *names = line.split()
        if word == 'upsert':
            step, *names = names
            state.update((name, float(step)) for name in names)
        else:
            for name in names:
                state.pop(name, None)


def check_kills(path, kills):
    """What was acknowledged is there; of the last call, all or nothing."""
    state, calls = {}, 0
    for seed in range(kills):
        lines = kill_while_writing(path, seed)
        calls += len(lines)
        replay(lines, state)
        with Gallery.open(path) as gallery:
            there = {r.name: r.metadata['time'] for r in gallery}
            changed = {
                name
                for name in there.keys() | state.keys()
                if there.get(name) != state.get(name)
            }
            # One call was under way: it has been done as a whole, or not.
            stamps = {there.get(name) for name in changed}
            assert len(stamps) <= 1, changed
            assert gallery.count() == len(there)
            if there:
                (found,) = gallery.search(np.ones(16), len(there))
                assert {match.name for match in found} == there.keys()
        state = there
    return calls


def test_nothing_acknowledged_is_lost_by_kills(tmp_path):
    assert check_kills(tmp_path / 'people.db', 3) > 3


@pytest.mark.slow
def test_fifty_kills(tmp_path):
    assert check_kills(tmp_path / 'people.db', 50) > 500


def test_other_files_are_refused(tmp_path):
    text = tmp_path / 'text.db'
    text.write_text('not a database, but long enough to have a header' * 99)
    with pytest.raises(ConfigError, match='damaged or no gallery'):
        Gallery.open(text)
    other = tmp_path / 'other.db'
    with sqlite3.connect(other) as db:
        db.execute('CREATE TABLE mine (x)')
    before = other.read_bytes()
    with pytest.raises(ConfigError, match='something else'):
        Gallery.open(other)
    assert other.read_bytes() == before
    with pytest.raises(ConfigError, match='is no file'):
        Gallery.open(tmp_path)
    with pytest.raises(ConfigError, match='no folder'):
        Gallery.open(tmp_path / 'nowhere' / 'people.db')


@pytest.mark.parametrize('place', [0.0, 0.3, 0.6, 0.95])
def test_damage_is_named(tmp_path, place):
    path = tmp_path / 'people.db'
    rng = np.random.default_rng(0)
    with Gallery.open(path) as gallery:
        gallery.upsert(
            rng.normal(size=(300, 64)), [str(i) for i in range(300)]
        )
        want = gallery.search(np.ones(64), 300)
    data = bytearray(path.read_bytes())
    start = int(place * len(data))
    data[start : start + 40] = os.urandom(40)
    path.write_bytes(data)
    try:
        with Gallery.open(path) as gallery:
            got = gallery.search(np.ones(64), 300)
    except ConfigError as error:
        assert 'damaged' in str(error)
    else:
        assert got == want


def change(path, *statement):
    with sqlite3.connect(path) as db:
        db.execute(*statement)


@pytest.mark.parametrize(
    'statement, what',
    [
        ("UPDATE items SET person = 'bob'", 'not what was written'),
        ("UPDATE items SET metadata = '{}'", 'not what was written'),
        ("UPDATE items SET name = 'b'", 'not what was written'),
        ('UPDATE items SET id = -1', '1 records, 0 found'),
        ("UPDATE facts SET value = '9' WHERE key = 'dimensions'", '3 numbers'),
        ("UPDATE facts SET value = '-3' WHERE key = 'dimensions'", 'have -3'),
        (
            'CREATE TRIGGER t AFTER INSERT ON items BEGIN '
            'DELETE FROM items; END',
            'other tables',
        ),
        ('DROP INDEX by_person', 'other tables'),
    ],
)
def test_a_file_that_others_changed_is_refused(tmp_path, statement, what):
    path = tmp_path / 'people.db'
    with Gallery.open(path) as gallery:
        gallery.upsert(np.eye(3)[0], ['a'], [dict(person='ann')])
    change(path, statement)
    with pytest.raises(ConfigError, match=what):
        with Gallery.open(path) as gallery:
            gallery.search(np.eye(3)[0])


def test_check_sums_of_earlier_versions_are_read(tmp_path):
    path = tmp_path / 'people.db'
    with Gallery.open(path) as gallery:
        gallery.upsert(np.eye(3)[0], ['a'], [dict(person='ann')])
    seal = sealed(np.eye(3, dtype=np.float32)[0].tobytes())
    change(path, 'UPDATE items SET feature = ?', [seal])
    with Gallery.open(path) as gallery:
        (match,) = gallery.search([1, 1, 0])[0]
    assert match.name == 'a' and match.metadata == dict(person='ann')


def test_a_locked_gallery_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr('mmgl.gallery.embedded._PATIENCE', 0.1)
    path = tmp_path / 'people.db'
    with Gallery.open(path) as gallery:
        gallery.upsert(np.eye(3), list('abc'))
        other = sqlite3.connect(path, isolation_level=None)
        other.execute('BEGIN IMMEDIATE')
        with pytest.raises(ConfigError, match='written by another process'):
            gallery.upsert(np.eye(3), list('def'))
        assert len(gallery.search(np.ones(3))[0]) == 3
        other.execute('ROLLBACK')
        other.close()
        gallery.upsert(np.eye(3), list('def'))
        assert gallery.count() == 6


def test_a_full_disk_leaves_everything(tmp_path):
    path = tmp_path / 'people.db'
    with Gallery.open(path) as gallery:
        gallery.upsert(np.eye(3), list('abc'))
        engine = gallery.engine
        assert isinstance(engine, EmbeddedEngine)
        pages = engine._db.execute('PRAGMA page_count').fetchone()[0]
        engine._db.execute(f'PRAGMA max_page_count = {pages}')
        rows = np.random.default_rng(0).normal(size=(9999, 3))
        with pytest.raises(ConfigError, match='cannot be written'):
            gallery.upsert(rows, [f'n{i}' for i in range(9999)])
        assert gallery.count() == 3
        assert len(gallery.search(np.ones(3))[0]) == 3
