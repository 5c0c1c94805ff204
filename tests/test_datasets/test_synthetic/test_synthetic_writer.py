"""Determinism, reuse, refusal and resumption of the writer."""

import json
import os
import shutil
import signal
import subprocess
import sys

import pytest

from mmgl.datasets.synthetic import Difficulty, write_regdb, write_sysu
from mmgl.datasets.synthetic import writer as writer_module


def read_tree(root):
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob('*')
        if path.is_file()
    }


@pytest.mark.parametrize('workers', [1, 2])
def test_bytes_depend_on_the_seed_alone(regdb_root, tmp_path, workers):
    # Draws 240 images; two workers also start two interpreters: seconds.
    write_regdb(tmp_path / 'again', 'tiny', workers=workers)
    assert read_tree(tmp_path / 'again') == read_tree(regdb_root)


def test_finished_root_is_reused(sysu_root, monkeypatch):
    def fail(*_):
        raise RuntimeError('a finished root must not be drawn again')

    monkeypatch.setattr(writer_module, 'sysu_image', fail)
    before = os.stat(sysu_root / 'synthetic.json').st_mtime_ns
    manifest = write_sysu(sysu_root, 'tiny')
    assert manifest['complete']
    assert manifest['counts']['images'] == 528
    assert os.stat(sysu_root / 'synthetic.json').st_mtime_ns == before


def test_missing_files_are_restored(sysu_root, tmp_path):
    root = tmp_path / 'copy'
    shutil.copytree(sysu_root, root)
    lost = sorted(root.glob('cam3/*/0002.jpg'))[:3]
    for path in [*lost, root / 'exp' / 'train_id.txt']:
        path.unlink()
    (root / 'exp' / 'rand_perm_cam.mat').write_bytes(b'damaged')
    calls = []
    write_sysu(root, 'tiny', progress=lambda *a: calls.append(a))
    assert read_tree(root) == read_tree(sysu_root)
    assert calls[0] == (525, 528) and calls[-1] == (528, 528)


def test_interrupted_run_is_resumed(regdb_root, tmp_path, monkeypatch):
    # Draws 240 images: about 2 seconds.
    class KillError(Exception):
        pass

    root, drawn = tmp_path / 'cut', []
    real = writer_module.regdb_image

    def cut(*args):
        if len(drawn) == 50:
            raise KillError
        drawn.append(args)
        return real(*args)

    monkeypatch.setattr(writer_module, 'regdb_image', cut)
    with pytest.raises(KillError):
        write_regdb(root, 'tiny')
    found = json.loads((root / 'synthetic.json').read_text())
    assert not found['complete']
    assert len(list(root.glob('*/*/*.jpg'))) == 50
    monkeypatch.setattr(writer_module, 'regdb_image', real)
    write_regdb(root, 'tiny')
    assert read_tree(root) == read_tree(regdb_root)


@pytest.mark.parametrize(
    'changed, word',
    [
        (dict(seed=1), 'seed'),
        (dict(preset='mini'), 'preset'),
        (dict(difficulty=Difficulty(noise=2)), 'difficulty'),
    ],
)
def test_other_settings_are_refused(sysu_root, changed, word):
    settings = dict(preset='tiny', seed=0) | changed
    with pytest.raises(ValueError, match=f'made with {word}'):
        write_sysu(sysu_root, **settings)


def test_other_layout_is_refused(sysu_root):
    with pytest.raises(ValueError, match='layout'):
        write_regdb(sysu_root, 'tiny')


def test_foreign_files_are_never_touched(tmp_path):
    (tmp_path / 'cam1').mkdir()
    with pytest.raises(ValueError, match='cam1'):
        write_sysu(tmp_path, 'tiny')
    assert [path.name for path in tmp_path.iterdir()] == ['cam1']


def test_root_that_is_a_file_is_refused(tmp_path):
    (tmp_path / 'root').write_text('mine')
    with pytest.raises(ValueError, match='root.* is a file; choose another'):
        write_sysu(tmp_path / 'root', 'tiny')
    assert (tmp_path / 'root').read_text() == 'mine'


def test_damaged_manifest_is_refused(tmp_path):
    (tmp_path / 'synthetic.json').write_text('[1')
    with pytest.raises(ValueError, match='not a manifest'):
        write_sysu(tmp_path, 'tiny')


def test_stale_scratch_folders_are_removed(regdb_root, tmp_path):
    root = tmp_path / 'copy'
    shutil.copytree(regdb_root, root)
    next(root.glob('Visible/*/*.jpg')).unlink()
    for name in ('.partial-old', '.partial-new'):
        (root / name).mkdir()
    os.utime(root / '.partial-old', (0, 0))
    write_regdb(root, 'tiny')
    assert not (root / '.partial-old').exists()
    # It may belong to a process that is still at work.
    assert (root / '.partial-new').exists()


KILLED = """
import os, signal, sys
from mmgl.datasets.synthetic import writer
def kill(*_):
    os.kill(os.getpid(), signal.SIGKILL)
writer.regdb_image = kill
writer.write_regdb(sys.argv[1], 'tiny')
"""


def test_scratch_of_a_killed_process_goes_at_once(regdb_root, tmp_path):
    root = tmp_path / 'copy'
    shutil.copytree(regdb_root, root)
    next(root.glob('Visible/*/*.jpg')).unlink()
    code = subprocess.run([sys.executable, '-c', KILLED, root]).returncode
    assert code == -signal.SIGKILL and list(root.glob('.partial-*'))
    write_regdb(root, 'tiny')
    assert read_tree(root) == read_tree(regdb_root)
    # Also where there is nothing left to do.
    subprocess.run([sys.executable, '-c', KILLED, root], check=True)
    (root / '.partial-old').mkdir()
    os.utime(root / '.partial-old', (0, 0))
    write_regdb(root, 'tiny')
    assert not list(root.glob('.partial-*'))


@pytest.mark.parametrize(
    'wrong',
    [
        dict(preset='huge'),
        *(dict(seed=seed) for seed in (-1, 0.5, float('inf'))),
        *(dict(workers=n) for n in (0, -2, 1.5, 10**12, float('nan'))),
    ],
)
def test_wrong_settings_name_the_value(tmp_path, wrong):
    name, value = next(iter(wrong.items()))
    with pytest.raises(ValueError, match=f'{name}={value!r}'):
        write_sysu(tmp_path / 'root', **wrong)
    assert not (tmp_path / 'root').exists()


def test_difficulty_must_be_a_difficulty(tmp_path):
    with pytest.raises(TypeError, match='Difficulty'):
        write_sysu(tmp_path / 'root', difficulty=dict(noise=1))
