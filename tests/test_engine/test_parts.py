import os
import time
from collections import Counter

import pytest
import torch
from mmengine.fileio import get_file_backend

from mmgl.engine import AutocastOptimWrapper
from mmgl.engine.runner import ReIDRunner
from mmgl.registry import OPTIM_WRAPPERS


def test_runs_of_one_second_have_names_of_their_own(monkeypatch):
    monkeypatch.setattr(time, 'time', lambda: 1e9)
    monkeypatch.setattr(ReIDRunner, '_begun', Counter())
    names = []
    for _ in range(3):
        run = object.__new__(ReIDRunner)
        run._distributed, run._launcher = False, 'none'
        run.setup_env(dict(mp_cfg=dict(mp_start_method='fork')))
        names.append(run.timestamp)
    assert names == [names[0], f'{names[0]}_2', f'{names[0]}_3']


def atomic():
    return get_file_backend('x', backend_args=dict(backend='atomic'))


def test_atomic_backend_writes(tmp_path):
    path = tmp_path / 'new' / 'a.txt'
    atomic().put(b'one', path)
    atomic().put_text('zwei ü', path)
    assert path.read_text(encoding='utf-8') == 'zwei ü'
    assert [p.name for p in path.parent.iterdir()] == ['a.txt']


def test_atomic_backend_keeps_old_file_when_writing_fails(
    tmp_path, monkeypatch
):
    path = tmp_path / 'a.pth'
    path.write_bytes(b'old')

    def killed(fd):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, 'fsync', killed)
    with pytest.raises(KeyboardInterrupt):
        atomic().put(b'new and longer', path)
    assert path.read_bytes() == b'old'
    # What is left behind is no checkpoint by name, and is overwritten.
    assert [p.name for p in tmp_path.glob('*.pth')] == ['a.pth']
    monkeypatch.undo()
    atomic().put(b'new', path)
    assert [p.name for p in tmp_path.iterdir()] == ['a.pth']


def test_autocast_wrapper_trains_in_bfloat16():
    torch.manual_seed(0)
    model = torch.nn.Linear(8, 1)
    before = model.weight.detach().clone()
    wrapper = OPTIM_WRAPPERS.build(
        dict(
            type='AutocastOptimWrapper',
            optimizer=torch.optim.SGD(model.parameters(), lr=0.1),
        )
    )
    assert isinstance(wrapper, AutocastOptimWrapper)
    with wrapper.optim_context(model):
        y = model(torch.ones(4, 8))
    assert y.dtype == torch.bfloat16
    wrapper.update_params(y.float().square().mean())
    assert model.weight.dtype == torch.float32
    assert not torch.equal(model.weight, before)
    with wrapper.optim_context(model):
        pass
    assert model(torch.ones(1, 8)).dtype == torch.float32


def test_autocast_follows_the_model_or_the_option():
    model = torch.nn.Linear(2, 1)
    sgd = torch.optim.SGD(model.parameters(), lr=0.1)
    for kind in ('cpu', None):
        wrapper = AutocastOptimWrapper(kind, optimizer=sgd)
        with wrapper.optim_context(model):
            assert torch.is_autocast_enabled('cpu')
            assert torch.get_autocast_dtype('cpu') == torch.bfloat16
    AutocastOptimWrapper('cuda', optimizer=sgd)
    for kind in ('gpu', 'meta'):
        with pytest.raises(ValueError, match=f"device_type='{kind}'.*'cuda'"):
            AutocastOptimWrapper(kind, optimizer=sgd)
