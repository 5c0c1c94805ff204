import errno
import json
import multiprocessing as mp
import os
import resource
import signal
import stat

import numpy as np
import pytest
import torch

from mmgl.utils.errors import ConfigError
from mmgl.utils.files import (
    check_output,
    check_output_folder,
    replace_whole,
    write_json,
)


def test_file_is_replaced_whole_or_not_at_all(tmp_path):
    path = tmp_path / 'new' / 'a.txt'
    with replace_whole(path) as partial:
        partial.write_text('first')
        assert not path.exists()
    assert path.read_text() == 'first'
    with pytest.raises(KeyboardInterrupt), replace_whole(path) as partial:
        partial.write_text('half')
        raise KeyboardInterrupt
    assert path.read_text() == 'first'
    # Nothing is left behind either way.
    assert list(path.parent.iterdir()) == [path]


def test_file_has_usual_permissions_and_a_link_stays_one(tmp_path):
    path, link = tmp_path / 'real.json', tmp_path / 'link.json'
    link.symlink_to(path)
    write_json(link, [1])
    assert link.is_symlink() and json.loads(path.read_text()) == [1]
    plain = tmp_path / 'plain'
    plain.touch()
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(
        plain.stat().st_mode
    )


def die_while_writing(path):
    with replace_whole(path) as partial:
        partial.write_text('half')
        os.kill(os.getpid(), signal.SIGKILL)


def test_leftovers_of_killed_writers_go_and_those_of_living_ones_stay(
    tmp_path,
):
    path = tmp_path / 'a[1].json'
    killed = mp.get_context('fork').Process(
        target=die_while_writing, args=(path,)
    )
    killed.start()
    killed.join(60)
    assert killed.exitcode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    assert left.suffix == '.part'
    # Of an older version, and of another file.
    (tmp_path / '.a[1].json.4711.part').touch()
    old = tmp_path / '.a[1].json.4711.new'
    old.touch()
    os.utime(old, (0, 0))
    other = tmp_path / '.other.json.4711.part'
    other.touch()
    with replace_whole(path) as living:
        living.write_text('living')
        write_json(path, 'second')
        assert sorted(tmp_path.iterdir()) == sorted([living, other, path])
    assert path.read_text() == 'living'
    assert sorted(tmp_path.iterdir()) == sorted([other, path])


@pytest.fixture
def small_disk():
    """No file of this process grows beyond 64 KiB."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**16, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def save_array(path):
    with path.open('wb') as file:
        np.savez(file, np.zeros(2**16))


@pytest.mark.parametrize(
    'write',
    [
        lambda path: path.write_bytes(bytes(2**17)),
        lambda path: torch.save(torch.zeros(2**16), path),
        save_array,
    ],
    ids=['bytes', 'torch', 'numpy'],
)
def test_full_disk_leaves_what_was_there(small_disk, tmp_path, write):
    path = tmp_path / 'a.bin'
    for old in (None, b'old'):
        if old is not None:
            path.write_bytes(old)
        with (
            pytest.raises(ConfigError, match=r'cannot write .*a\.bin: '),
            replace_whole(path) as partial,
        ):
            write(partial)
        assert [p.read_bytes() for p in tmp_path.iterdir()] == [old] * bool(
            old
        )


def test_other_errors_of_the_writer_stay_what_they_are(tmp_path):
    for error in (RuntimeError('own'), FileNotFoundError(errno.ENOENT, 'x')):
        with pytest.raises(type(error)) as caught:
            with replace_whole(tmp_path / 'a') as partial:
                partial.write_text('half')
                raise error
        assert caught.value is error
    assert not list(tmp_path.iterdir())


def test_bad_names_are_refused_before_the_work(tmp_path, monkeypatch):
    (tmp_path / 'file').touch()
    for name, suffixes, words in (
        ('a.txt', ('.json',), 'must end in .json'),
        ('', (), 'is a folder'),
        ('file/a.json', ('.json',), 'file is a file, not a folder'),
        ('file/deeper/a.json', (), 'file is a file, not a folder'),
        ('n' * 250, (), 'name too long'),
    ):
        with pytest.raises(ConfigError, match=f'cannot write .*{words}'):
            check_output(tmp_path / name, suffixes)
    with pytest.raises(ConfigError, match='no ordinary file'):
        check_output('/dev/full')
    with pytest.raises(ConfigError, match='an input, which would be lost'):
        check_output(tmp_path / 'file', inputs=[tmp_path / '.' / 'file'])
    with pytest.raises(ConfigError, match='file is a file, not a folder'):
        check_output_folder(tmp_path / 'file')
    monkeypatch.setattr(os, 'access', lambda path, mode: False)  # not as root
    for check in (check_output, check_output_folder):
        with pytest.raises(ConfigError, match=f'{tmp_path} is not writable'):
            check(tmp_path / 'new' / 'a.json')
    monkeypatch.undo()
    check_output(tmp_path / 'new' / 'A.JSON', ('.json',))
    check_output_folder(tmp_path / 'new' / 'er')
    assert [p.name for p in tmp_path.iterdir()] == ['file']
