"""Work-arounds work, and are still needed.

A test named ``..._still_needed`` fails once upstream is mended: then remove
the work-around, or narrow its version condition.
"""

import os
import subprocess
import sys
import warnings

import pytest
import torch
from mmengine import Config
from mmengine.config.utils import _get_package_and_cfg_path
from mmengine.registry import DefaultScope

from mmgl.utils import compat, versions
from mmgl.utils.paths import config_dir

GROUP = """
import os, torch, sys
from mmengine import Config
os.environ.update(RANK='0', WORLD_SIZE='1', LOCAL_RANK='0',
                  MASTER_ADDR='127.0.0.1', MASTER_PORT='0')
"""


def run_python(code):
    # Takes about 4 s: torch is imported in a process of its own, because a
    # process group cannot be undone.
    env = dict(os.environ, OMP_NUM_THREADS='1', CUDA_VISIBLE_DEVICES='')
    return subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', code],
        capture_output=True,
        text=True,
        env=env,
    )


def test_cpu_distributed_still_needed():
    result = run_python(
        GROUP
        + """
from mmengine.dist import init_dist
init_dist('pytorch', backend='gloo')
"""
    )
    assert result.returncode != 0
    assert 'NVIDIA' in result.stderr or 'CUDA' in result.stderr


def test_cpu_distributed_joins_group_and_clears_device_ids():
    result = run_python(
        GROUP
        + """
from mmgl.utils.compat import setup_cpu_distributed
cfg = Config(dict(launcher='pytorch', sync_bn='torch',
                  find_unused_parameters=True))
assert setup_cpu_distributed(cfg) and setup_cpu_distributed(cfg)
assert torch.distributed.get_backend() == 'gloo'
assert cfg.model_wrapper_cfg == dict(
    type='MMDistributedDataParallel', broadcast_buffers=False,
    find_unused_parameters=True, device_ids=None), cfg
assert cfg.sync_bn is None
"""
    )
    assert result.returncode == 0, result.stderr


def test_threads_of_gloo_still_outlive_their_group():
    """But not the work-around, which collects what holds the group."""
    result = run_python(
        """
import atexit, gc, pathlib
import torch.distributed as dist
from mmgl.utils.compat import leave_group

def threads():
    names = pathlib.Path('/proc/self/task').glob('*/comm')
    return sum('gloo' in name.read_text() for name in names)

dist.init_process_group('gloo', store=dist.HashStore(), rank=0, world_size=1)
circle = [dist.group.WORLD]
circle.append(circle)
gc.collect()
gc.disable()
# Comes after what is registered later.
atexit.register(lambda: print(threads()))
leave_group()
del circle
print(threads() > 0)
"""
    )
    assert result.stdout.split() == ['True', '0'], result


def test_cpu_distributed_leaves_single_process_alone():
    cfg = Config(dict(launcher='none'))
    assert not compat.setup_cpu_distributed(cfg)
    assert 'model_wrapper_cfg' not in cfg


@pytest.mark.skipif(torch.cuda.is_available(), reason='about the CPU')
@pytest.mark.parametrize(
    'launcher, match',
    [
        ('pytorch', 'WORLD_SIZE.*dist_train'),
        ('slurm', 'SLURM_PROCID'),
        ('mpi', 'OMPI_COMM_WORLD_RANK'),
        ('ssh', 'launcher must be'),
    ],
)
def test_cpu_distributed_names_missing_variables(monkeypatch, launcher, match):
    for name in ('RANK', 'WORLD_SIZE', 'LOCAL_RANK'):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ValueError, match=match):
        compat.setup_cpu_distributed(Config(dict(launcher=launcher)))


def test_slurm_ranks_are_translated(monkeypatch, tmp_path):
    scontrol = tmp_path / 'scontrol'
    scontrol.write_text('#!/bin/sh\necho node7\necho node8\n')
    scontrol.chmod(0o755)
    for name, value in dict(
        PATH=f'{tmp_path}:{os.environ["PATH"]}',
        SLURM_PROCID='3',
        SLURM_NTASKS='4',
        SLURM_LOCALID='1',
        SLURM_NODELIST='node[7-8]',
        RANK='',
        WORLD_SIZE='',
        LOCAL_RANK='',
        MASTER_PORT='1',
    ).items():
        monkeypatch.setenv(name, value)
    # setenv first, so that the variable set by the code is undone as well.
    monkeypatch.setenv('MASTER_ADDR', '')
    monkeypatch.delenv('MASTER_ADDR')
    compat._export_ranks('slurm')
    names = ('RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'MASTER_ADDR')
    assert [os.environ[n] for n in names] == ['3', '4', '1', 'node7']


@pytest.mark.skipif(torch.cuda.is_available(), reason='about the CPU')
def test_amp_wrapper_still_needed():
    from mmengine.optim import AmpOptimWrapper

    parameter = torch.nn.Parameter(torch.zeros(1))
    with pytest.raises(AssertionError, match='only available'):
        AmpOptimWrapper(
            dtype='bfloat16', optimizer=torch.optim.SGD([parameter], 0.1)
        )


def test_select_wrapper(monkeypatch):
    given = dict(type='OptimWrapper', optimizer=1, clip_grad=2)
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    bf16 = compat.select_wrapper(given, 'bf16')
    assert bf16 == dict(given, type='AutocastOptimWrapper')
    assert compat.select_wrapper(bf16, 'fp32') == given
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    fp16 = compat.select_wrapper(given, 'fp16')
    assert fp16 == dict(
        given, type='AmpOptimWrapper', dtype='float16', loss_scale='dynamic'
    )
    assert compat.select_wrapper(fp16, 'fp32') == given
    assert given['type'] == 'OptimWrapper'
    with pytest.raises(ValueError, match='ApexOptimWrapper'):
        compat.select_wrapper(dict(type='ApexOptimWrapper'), 'bf16')


def test_type_of_mixed_precision(monkeypatch):
    given = dict(type='AmpOptimWrapper', loss_scale=512.0, optimizer=1)
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    bf16 = compat.select_wrapper(given, 'bf16')
    assert bf16 == dict(type='AutocastOptimWrapper', optimizer=1)
    named = dict(bf16, device_type='cuda')
    assert compat.select_wrapper(named, 'fp16') == dict(
        type='AmpOptimWrapper',
        dtype='float16',
        loss_scale='dynamic',
        optimizer=1,
    )
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    assert compat.select_wrapper(named, 'bf16') == bf16
    with pytest.raises(ValueError, match='use bf16'):
        compat.select_wrapper(given, 'fp16')


def test_registry_scope_overrides_an_earlier_runner():
    DefaultScope.get_instance('earlier', scope_name='mmengine')
    with compat.registry_scope():
        assert DefaultScope.get_current_instance().scope_name == 'mmgl'
    assert DefaultScope.get_current_instance().scope_name == 'mmengine'
    compat.forget_default_scope()
    assert DefaultScope.get_current_instance() is None


def test_lost_batches_still_need_an_end():
    """A batch that cannot be sent: waited for, unless the worker ends."""
    result = run_python("""
from torch.utils.data import DataLoader
from mmgl.utils.compat import end_with_lost_batches

def load():
    loader = DataLoader([lambda: 0], None, num_workers=1, timeout=3)
    try:
        next(iter(loader))
    except RuntimeError as error:
        print(str(error).partition('. ')[0])

load()
end_with_lost_batches()
load()
""")
    waited, ended = result.stdout.splitlines()
    assert waited == 'DataLoader timed out after 3 seconds', result.stderr
    assert ended.startswith('DataLoader worker (pid'), result.stderr
    assert 'worker of a data loader: Can' in result.stderr


def test_only_exact_upstream_warnings_are_silenced():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        compat.silence_upstream_warnings()
        warnings.warn(
            'Fail to import ``MultiScaleDeformableAttention`` from '
            '``mmcv.ops``',
            UserWarning,
        )
        warnings.warn('Fail to import something of ours', UserWarning)
        warnings.warn(
            '`torch.cuda.amp.GradScaler(args...)` is deprecated. Please',
            FutureWarning,
        )
        warnings.warn(
            'pkg_resources is deprecated as an API. See', UserWarning
        )
    assert [str(w.message) for w in caught] == [
        'Fail to import something of ours'
    ]


def test_table_of_packages_still_needed():
    result = run_python(
        'import mmengine.config.utils as u; print("mmgl" in u.MODULE2PACKAGE)'
    )
    assert result.stdout.strip() == 'False', result.stderr
    compat.know_own_configs()
    package, _ = _get_package_and_cfg_path('mmgl::mmgl/pretrain/a.py')
    assert package == 'mmgl'


def test_import_is_light():
    result = run_python(
        'import sys, mmgl; '
        'print("torch" in sys.modules, '
        '"mmengine" in sys.modules)'
    )
    assert result.stdout.split() == ['False', 'False'], result.stderr


def test_the_loader_of_mmengine_is_left_alone():
    result = run_python("""
import mmengine.runner, mmgl, mmgl.engine
from mmengine.runner import CheckpointLoader
print(CheckpointLoader._schemes[''].__module__)
""")
    assert result.stdout.strip() == ('mmengine.runner.checkpoint'), (
        result.stderr
    )


# ------------------------------------------------------- text of a config
@pytest.fixture
def formatted(monkeypatch):
    """Texts that yapf is given, by mmengine as it comes."""
    from mmengine.config import config

    if not hasattr(config, 'FormatCode'):
        compat.format_configs_once()
        pytest.skip('this mmengine imports yapf each time')
    from yapf.yapflib.yapf_api import FormatCode

    texts = []

    def count(text, style_config):
        texts.append(text)
        return FormatCode(text, style_config=style_config)

    monkeypatch.setattr(config, 'FormatCode', count)
    return texts


def test_formatting_configs_once_still_needed(formatted):
    cfg = Config(dict(a=1))
    assert cfg.pretty_text == cfg.pretty_text == 'a = 1\n'
    assert len(formatted) == 2


def test_a_formatted_config_reads_as_by_yapf(formatted):
    cfg = Config.fromfile(
        config_dir() / 'mmgl/finetune/agw_r18-narrow_synthetic.py'
    )
    cfg.odd = ['a\n\nb = 1', "'", dict(a=dict(b=[dict(c=(1, None))] * 9))]
    plain = cfg.pretty_text
    compat.format_configs_once()
    compat.format_configs_once()
    assert cfg.pretty_text == plain
    known = len(formatted)
    cfg.odd = 2
    assert cfg.pretty_text != plain and len(formatted) == known + 1
    cfg['not a name'] = 1
    with pytest.raises(SyntaxError):
        cfg.pretty_text  # noqa: B018


@pytest.mark.parametrize(
    'text, expected',
    [
        ('2.11.0+cpu', (2, 11, 0)),
        ('0.11.0rc0', (0, 11, 0)),
        ('1.2', (1, 2)),
        ('2.4.0.dev1', (2, 4, 0)),
    ],
)
def test_release(text, expected):
    assert versions.release(text) == expected


def test_release_refuses_words():
    with pytest.raises(ValueError, match='unknown'):
        versions.release('unknown')


def fake_versions(monkeypatch, **found):

    def version(name):
        if name not in found:
            raise versions.metadata.PackageNotFoundError(name)
        return found[name]

    monkeypatch.setattr(versions.metadata, 'version', version)


@pytest.mark.parametrize('mmcv', ['mmcv', 'mmcv-lite', 'onedl-mmcv'])
def test_any_mmcv_is_accepted(monkeypatch, mmcv):
    fake_versions(
        monkeypatch,
        **{mmcv: '2.2.0', 'mmengine': '0.10.7', 'onedl-mmpretrain': '1.3.6'},
    )
    versions.check_versions()
    # mmgl-lite has none of them.
    fake_versions(monkeypatch)
    versions.check_versions()


@pytest.mark.parametrize(
    'found, match',
    [
        (
            dict(mmengine='0.10.6', mmcv='2.2.0', mmpretrain='1.2.0'),
            r'>=0\.10\.7.*found mmengine 0\.10\.6.*pip',
        ),
        (
            dict(mmengine='0.10.7', mmcv='2.4.0', mmpretrain='1.2.0'),
            'mmcv 2.4',
        ),
    ],
)
def test_wrong_versions_are_refused(monkeypatch, found, match):
    fake_versions(monkeypatch, **found)
    with pytest.raises(ImportError, match=match):
        versions.check_versions()
