import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from mmengine.hooks import Hook

from mmgl.apis.training import run_training
from mmgl.checkpoints.reader import is_intact
from mmgl.checkpoints.resume import find_resumable, resolve_resume
from mmgl.registry import HOOKS
from mmgl.utils.errors import ConfigError

HERE = Path(__file__).parent
TRAIN = HERE.parents[1] / 'tools/train.py'


def load(path):
    return torch.load(path, weights_only=False)


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


@pytest.fixture
def run_dir(tmp_path):
    """Checkpoints 9 and 10 of a run; the note names the latter."""
    for epoch in (9, 10):
        torch.save(dict(epoch=epoch), tmp_path / f'epoch_{epoch}.pth')
    torch.save({}, tmp_path / 'best_x_epoch_99.pth')
    note = tmp_path / 'last_checkpoint'
    note.write_text(str(tmp_path / 'epoch_10.pth'))
    return tmp_path


def cut(path):
    path.write_bytes(path.read_bytes()[:-40])


def test_newest_is_found(run_dir):
    assert find_resumable(run_dir) == run_dir / 'epoch_10.pth'


def test_note_wins_over_a_newer_file(run_dir):
    # As when the kill came between writing the checkpoint and the note.
    torch.save({}, run_dir / 'epoch_11.pth')
    assert find_resumable(run_dir) == run_dir / 'epoch_10.pth'


@pytest.mark.filterwarnings('error')
def test_moved_folder(run_dir):
    (run_dir / 'last_checkpoint').write_text('/elsewhere/epoch_9.pth')
    assert find_resumable(run_dir) == run_dir / 'epoch_9.pth'


def test_broken_checkpoint_falls_back(run_dir):
    cut(run_dir / 'epoch_10.pth')
    with pytest.warns(UserWarning, match=r'going on from .*epoch_9\.pth'):
        assert find_resumable(run_dir) == run_dir / 'epoch_9.pth'


@pytest.mark.parametrize('note', ['', None])
def test_lost_note_falls_back(run_dir, note):
    path = run_dir / 'last_checkpoint'
    path.unlink() if note is None else path.write_text(note)
    with pytest.warns(UserWarning, match='going on from'):
        assert find_resumable(run_dir) == run_dir / 'epoch_10.pth'


def test_all_broken(run_dir):
    for path in run_dir.glob('epoch_*.pth'):
        cut(path)
    with pytest.raises(ConfigError, match='damaged'):
        find_resumable(run_dir)


def test_nothing_to_resume(tmp_path):
    assert find_resumable(tmp_path) is None
    assert resolve_resume('auto', tmp_path / 'new') is None
    with pytest.raises(ConfigError, match='no checkpoint in the folder'):
        resolve_resume(str(tmp_path), tmp_path)


def test_named_checkpoints(run_dir):
    path = run_dir / 'epoch_9.pth'
    assert resolve_resume(str(path), '.') == path
    assert resolve_resume(str(run_dir), '.') == run_dir / 'epoch_10.pth'
    cut(path)
    assert not is_intact(path)
    with pytest.raises(ConfigError, match='damaged'):
        resolve_resume(str(path), '.')


def test_damage_inside_is_noticed(run_dir):
    path = run_dir / 'epoch_9.pth'
    torch.save(dict(weight=torch.full((1000,), 0.5)), path)
    content = path.read_bytes()
    at = content.index(torch.tensor([0.5]).numpy().tobytes() * 8) + 16
    path.write_bytes(content[:at] + b'\xff' + content[at + 1 :])
    assert not is_intact(path)


class Stop(Exception):
    pass


@HOOKS.register_module()
class StopAt(Hook):
    def __init__(self, iteration):
        self.iteration = iteration

    def after_train_iter(
        self, runner, batch_idx, data_batch=None, outputs=None
    ):
        if runner.iter + 1 == self.iteration:
            raise Stop


def test_interrupted_in_an_epoch_and_resumed_is_bit_exact(
    toy_config, tmp_path
):
    config = toy_config()
    run_training([config, '--work-dir', 'whole'])
    stopping = toy_config(
        "custom_hooks = [dict(type='IterationSeedHook'), "
        "dict(type='StopAt', iteration=12)]\n",
        'stopping.py',
    )
    with pytest.raises(Stop):
        run_training([stopping, '--work-dir', 'parts'])
    assert (tmp_path / 'parts/epoch_1.pth').is_file()
    # Other numbers were drawn meanwhile.
    torch.manual_seed(99)
    run_training([config, '--work-dir', 'parts', '--resume'])
    whole, parts = (
        load(tmp_path / d / 'epoch_3.pth') for d in ('whole', 'parts')
    )
    assert same(whole['state_dict'], parts['state_dict'])
    momentum = [
        [s['momentum_buffer'] for s in c['optimizer']['state'].values()]
        for c in (whole, parts)
    ]
    assert all(map(torch.equal, *momentum))


def test_without_the_seed_hook_it_would_not_be(toy_config, tmp_path):
    """The test above can fail: noise from the running generator differs."""
    plain = toy_config('custom_hooks = []\n')
    run_training([plain, '--work-dir', 'whole'])
    stopping = toy_config(
        "custom_hooks = [dict(type='StopAt', iteration=12)]\n", 'stopping.py'
    )
    with pytest.raises(Stop):
        run_training([stopping, '--work-dir', 'parts'])
    run_training([plain, '--work-dir', 'parts', '--resume'])
    whole, parts = (
        load(tmp_path / d / 'epoch_3.pth')['state_dict']
        for d in ('whole', 'parts')
    )
    assert not same(whole, parts)


def start(config, work_dir, *arguments, stop='0'):
    path = os.pathsep.join([str(HERE.parent), str(HERE.parents[1])])
    env = dict(os.environ, PYTHONPATH=path, OMP_NUM_THREADS='1', TOY_STOP=stop)
    return subprocess.Popen(
        [
            sys.executable,
            str(TRAIN),
            config,
            '--work-dir',
            str(work_dir),
            *arguments,
        ],
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_killed_in_an_epoch_and_resumed_is_bit_exact(toy_config, tmp_path):
    """SIGKILL; about 15 s, because three programs have to import torch."""
    config = toy_config()
    whole, parts = tmp_path / 'whole', tmp_path / 'parts'
    reference = start(config, whole)
    # The fourth of eight iterations of epoch 3.
    victim = start(config, parts, stop='20')
    deadline = time.time() + 300
    while not (tmp_path / 'stopped').exists():
        assert victim.poll() is None and time.time() < deadline
        time.sleep(0.05)
    victim.send_signal(signal.SIGKILL)
    victim.communicate()
    assert victim.returncode == -signal.SIGKILL
    assert (parts / 'epoch_2.pth').exists()
    assert not (parts / 'epoch_3.pth').exists()
    resumed = start(config, parts, '--resume', 'auto')
    for process in (reference, resumed):
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
    assert same(
        load(whole / 'epoch_3.pth')['state_dict'],
        load(parts / 'epoch_3.pth')['state_dict'],
    )
