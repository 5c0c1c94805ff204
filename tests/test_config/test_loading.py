import json
import os

import pytest
import torch
from mmengine import Config

from mmgl.apis.evaluation import run_evaluation
from mmgl.apis.training import run_training
from mmgl.config import loading as run_config
from mmgl.config.loading import (
    apply_init,
    derive_loaders,
    evaluation_config,
    init_names,
    load_config,
    training_config,
)
from mmgl.config.options import evaluation_parser, training_parser
from mmgl.config.shipped import find_config, list_configs
from mmgl.utils.errors import ConfigError, one_line, report_errors
from mmgl.utils.paths import config_dir


def build(config, *arguments):
    return training_config(training_parser().parse_args([config, *arguments]))


def weights(path):
    return torch.load(path, weights_only=False)['state_dict']


def test_defaults(toy_config):
    cfg = build(toy_config())
    assert cfg.work_dir == 'work_dirs/toy_config'
    assert not cfg.resume and cfg.load_from is None
    assert cfg.launcher == 'none' and cfg.randomness.seed == 0
    assert cfg.test_dataloader is None
    assert cfg.train_dataloader.persistent_workers is False
    assert not torch.cuda.is_available() or cfg.train_dataloader.pin_memory


def test_options(toy_config, tmp_path):
    cfg = build(
        toy_config(),
        '--work-dir',
        'here',
        '--seed',
        '7',
        '--no-validate',
        '--auto-scale-lr',
        '--cfg-options',
        'model.width=6',
        'train_cfg.max_epochs=1',
        'train_dataloader.num_workers=2',
    )
    assert cfg.work_dir == 'here' and cfg.randomness.seed == 7
    assert cfg.val_dataloader is None and cfg.auto_scale_lr.enable
    assert cfg.model.width == 6 and cfg.train_cfg.max_epochs == 1
    assert cfg.train_dataloader.persistent_workers is True


def test_a_key_wherever_it_stands(toy_config):
    cfg = build(
        toy_config(),
        *('--cfg-options', '*.length=8', 'val_dataloader.dataset.length=4'),
    )
    lengths = [
        cfg[f'{part}_dataloader'].dataset.length for part in ('train', 'val')
    ]
    assert lengths == [8, 4]
    with pytest.raises(ConfigError, match=r"no key 'lenght' in model, train"):
        build(toy_config(), '--cfg-options', '*.lenght=8')


def test_shipped_configs_have_names():
    names = list_configs('pretrain/*_regdb')
    assert names and all(n.startswith('pretrain/mmgl_') for n in names)
    name = names[0]
    path = config_dir() / f'mmgl/{name}.py'
    stem = name.removeprefix('pretrain/')
    for form in (name, stem, f'mmgl::{name}.py', f'configs/mmgl/{name}.py'):
        assert find_config(form).resolve() == path
    assert load_config(f'mmgl::{name}').filename == str(path)
    assert find_config('gone') is None
    assert load_config('_base_/default_runtime').default_scope == 'mmgl'


def test_work_dir_of_the_config_stands(toy_config):
    assert build(toy_config("work_dir = 'mine'\n")).work_dir == 'mine'


def test_workers_may_be_switched_off_in_any_config():
    cfg = Config(
        dict(
            train_dataloader=dict(
                num_workers=0, persistent_workers=True, prefetch_factor=4
            )
        )
    )
    derive_loaders(cfg)
    loader = cfg.train_dataloader
    assert not loader.persistent_workers and 'prefetch_factor' not in loader


@pytest.mark.parametrize('name', ['random', 'imagenet', 'mmgl'])
def test_init(toy_config, tmp_path, name):
    checkpoint = tmp_path / 'weights.pth'
    checkpoint.touch()
    arguments = ['--init', name]
    if name != 'random':
        arguments += ['--init-checkpoint', str(checkpoint)]
    extra = "model['init_from'] = dict(kind='other', stale=1)\n"
    cfg = build(toy_config(extra), *arguments)
    assert cfg.work_dir == f'work_dirs/toy_config_{name}'
    if name == 'random':
        assert cfg.model.init_from is None
    else:
        init = dict(cfg.model.init_from)
        assert init['kind'] == name
        assert init['checkpoint'] == str(checkpoint)
        assert not {'_delete_', 'stale'} & set(init)


def test_no_resnet_of_imagenet_for_another_network():
    cfg = load_config(
        config_dir() / 'mmgl/finetune/agw_mobilenetv2_64-81e_sysu.py'
    )
    apply_init(cfg, 'imagenet', None)
    assert cfg.model.init_from == dict(kind='imagenet', checkpoint=None)


def test_init_names_are_files():
    assert init_names() == ['imagenet', 'mmgl', 'random']


@pytest.mark.skipif(torch.cuda.is_available(), reason='about the CPU')
def test_amp_on_cpu(toy_config):
    cfg = build(toy_config(), '--amp=bf16')
    assert cfg.optim_wrapper.type == 'AutocastOptimWrapper'
    assert build(toy_config()).optim_wrapper.type == 'OptimWrapper'
    with pytest.raises(ValueError, match='needs a GPU'):
        build(toy_config(), '--amp', 'fp16')


def test_precision(toy_config, monkeypatch):
    monkeypatch.setattr(run_config, 'fast_precision', lambda: 'bf16')
    auto = ('--cfg-options', 'precision=auto')
    for options in (('--amp',), ('--amp=auto',), ('--amp=bf16',), auto):
        cfg = build(toy_config(), *options)
        assert cfg.precision == 'bf16'
        assert cfg.optim_wrapper.type == 'AutocastOptimWrapper'
    # The option is stronger than the config, in both directions.
    cfg = build(toy_config(), '--amp=fp32', *auto)
    assert cfg.optim_wrapper.type == 'OptimWrapper'
    with pytest.raises(ConfigError, match="got 'fp8'"):
        build(toy_config(), '--cfg-options', 'precision=fp8')


def test_channels_last_is_the_default_and_can_go(toy_config):
    leaf = 'mmgl/finetune/agw_r18-narrow_synthetic.py'
    hook = dict(type='ChannelsLastHook')
    assert load_config(leaf).default_hooks.channels_last == hook
    removed = ['--cfg-options', 'default_hooks.channels_last=None']
    given = [toy_config(), toy_config(), *removed]  # any file
    options = evaluation_parser().parse_args(given)
    in_file = toy_config('default_hooks = dict(channels_last=None)', 'a.py')
    for cfg in (
        build(in_file),
        build(toy_config(), *removed),
        run_config.evaluation_config(options),
    ):
        assert cfg.default_hooks and 'channels_last' not in cfg.default_hooks
    # A config may have no hooks of its own at all.
    assert build(toy_config(), '--cfg-options', 'default_hooks=None')


def test_deterministic_runs_prepare_cublas(monkeypatch):
    name = 'CUBLAS_WORKSPACE_CONFIG'
    monkeypatch.setattr(run_config.Runner, 'from_cfg', lambda cfg: cfg)
    # Set first, so that it is gone again after the test.
    monkeypatch.setenv(name, '')
    monkeypatch.delenv(name)
    for randomness in (None, dict(seed=1)):
        run_config.build_runner(Config(dict(randomness=randomness)))
        assert name not in os.environ
    deterministic = Config(dict(randomness=dict(deterministic=True)))
    run_config.build_runner(deterministic)
    assert os.environ[name] == ':4096:8'
    monkeypatch.setenv(name, ':16:8')
    run_config.build_runner(deterministic)
    assert os.environ[name] == ':16:8'


def test_unknown_type_of_amp(toy_config, capsys):
    with pytest.raises(SystemExit):
        build(toy_config(), '--amp', 'fp8')
    assert "'fp8' is none of auto, fp32, bf16, fp16" in capsys.readouterr().err
    # A config must not be taken for the type.
    with pytest.raises(SystemExit):
        training_parser().parse_args(['--amp', 'config.py'])
    assert 'a config comes before --amp' in capsys.readouterr().err


def test_evaluation_config_needs_no_training_data(toy_config, tmp_path):
    checkpoint = tmp_path / 'a.pth'
    checkpoint.touch()
    extra = (
        "train_dataloader['dataset']['data_root'] = 'nowhere'\n"
        "model['init_from'] = dict(kind='mmgl', checkpoint='gone')\n"
        'test_dataloader = test_cfg = test_evaluator = None\n'
    )
    options = evaluation_parser().parse_args(
        [
            toy_config(extra),
            str(checkpoint),
            '--flip-test',
            '--cfg-options',
            'val_dataloader.batch_size=3',
        ]
    )
    cfg = evaluation_config(options)
    assert cfg.train_dataloader is None and cfg.optim_wrapper is None
    assert cfg.model.flip_test and cfg.model.init_from is None
    assert cfg.load_from == str(checkpoint)
    # No test set of its own: the validation set.
    assert cfg.test_evaluator.type == 'ToyMetric'
    assert cfg.test_dataloader.batch_size == 3
    assert cfg.work_dir == 'work_dirs/toy_config/test'


def test_a_test_without_its_checkpoint_names_no_option_of_training(toy_config):
    given = evaluation_parser().parse_args([toy_config(), 'nothing.pth'])
    with pytest.raises(ConfigError, match="nothing.pth'.* give another check"):
        evaluation_config(given)


BAD_ARGUMENTS = [
    (['--init', 'other'], '--init must be one of imagenet, mmgl, random'),
    (['--init', 'mmgl'], 'init_from.checkpoint is not set.*--init-checkpoint'),
    (['--init', 'mmgl', '--init-checkpoint', 'x.pth'], "no file 'x.pth'"),
    (['--init-checkpoint', 'x.pth'], 'add --init mmgl'),
    (['--resume', 'x.pth'], "--resume: there is no file 'x.pth'"),
    (['--cfg-options', 'model.widht=3'], "did you mean 'width'"),
    (
        ['--cfg-options', 'train_cfg.max_epochs=1', 'model.width.a=3'],
        r'--cfg-options model\.width\.a: ',
    ),
    (['--cfg-options', 'model=None'], 'has no model to train with'),
    (['--cfg-options', 'train_dataloader=3'], 'must be a dict, got 3'),
    (['--cfg-options', 'train_cfg=None'], 'has no train_cfg to train'),
]


@pytest.mark.parametrize('arguments, message', BAD_ARGUMENTS)
def test_mistakes_end_in_one_sentence(toy_config, capsys, arguments, message):
    with pytest.raises(SystemExit) as caught:
        run_training([toy_config(), *arguments])
    assert caught.value.code == 2
    shown = capsys.readouterr().err.splitlines()
    assert len(shown) == 1 and shown[0].startswith('error: ')
    with pytest.raises(ConfigError, match=message):
        build(toy_config(), *arguments)


def test_missing_and_broken_configs(toy_config, tmp_path):
    with pytest.raises(ConfigError, match="no config.*default_runtime.py'"):
        load_config('configs/_base_/default_runtme.py')
    with pytest.raises(ConfigError, match='part of other configs'):
        build(str(run_config.config_dir() / '_base_/default_runtime.py'))
    for text, message in (
        ('a = (', 'SyntaxError'),
        ('a = b', 'NameError'),
        ("_base_ = 'gone.py'", 'gone.py'),
    ):
        path = tmp_path / 'broken.py'
        path.write_text(text)
        with pytest.raises(ConfigError, match=f'broken.py: .*{message}'):
            load_config(path)
    with pytest.raises(ConfigError, match='base_batch_size'):
        build(toy_config('auto_scale_lr = None\n'), '--auto-scale-lr')


def test_debug_shows_the_traceback(toy_config, monkeypatch):
    config = toy_config()
    with pytest.raises(ConfigError):
        run_training([config, '--init', 'x', '--debug'])
    monkeypatch.setenv('MMGL_DEBUG', '1')
    with pytest.raises(ConfigError):
        run_training([config, '--init', 'x'])


@pytest.mark.parametrize(
    'error, text',
    [
        (ConfigError('one\n  two'), 'one two'),
        (KeyError('missing'), 'KeyError: missing'),
        (TypeError('bad'), 'TypeError: bad'),
    ],
)
def test_one_line(error, text):
    assert one_line(error) == text


def test_errors_of_other_ranks_say_so(monkeypatch, capsys):
    monkeypatch.setenv('RANK', '3')
    with pytest.raises(SystemExit), report_errors():
        raise FileNotFoundError('no data')
    assert capsys.readouterr().err == 'error (rank 3): no data\n'


def test_train_then_evaluate(toy_config, tmp_path, capfd):
    config = toy_config()
    runner = run_training([config, '--cfg-options', 'train_cfg.max_epochs=2'])
    assert runner.epoch == 2
    folder = tmp_path / 'work_dirs/toy_config'
    checkpoint = folder / 'epoch_2.pth'
    meta = torch.load(checkpoint, weights_only=False)['meta']
    assert meta['trained_on'] == dict(
        dataset='regdb', split='train', trial=1, num_pids=7
    )
    out = tmp_path / 'results/metrics.json'
    metrics = run_evaluation([config, str(checkpoint), '--out', str(out)])
    saved = json.loads(out.read_text())
    assert saved['metrics'] == metrics and 'toy/error' in metrics
    assert saved['settings']['checkpoint'] == str(checkpoint)
    # The config of the training run is still that of the training run.
    assert Config.fromfile(folder / 'toy_config.py').train_dataloader
    shown = capfd.readouterr()
    assert 'Failed to search registry' not in shown.out + shown.err


def test_amp_run_trains(toy_config):
    run_training(
        [toy_config(), '--amp', '--cfg-options', 'train_cfg.max_epochs=1']
    )


def test_batch_size_of_a_computing_sampler_is_checked(toy_config, capsys):
    from mmengine.dataset import DefaultSampler

    from mmgl.registry import DATA_SAMPLERS

    @DATA_SAMPLERS.register_module(force=True)
    class PlanningSampler(DefaultSampler):
        batch_size = 6

    config = toy_config(
        "train_dataloader['sampler'] = dict(type='PlanningSampler')\n"
    )
    with pytest.raises(SystemExit):
        run_training([config])
    assert 'set train_dataloader.batch_size=6' in capsys.readouterr().err


def test_divergence_ends_the_run_in_one_sentence(
    toy_config, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv('TOY_SCALE', 'nan')
    with pytest.raises(SystemExit) as caught:
        run_training([toy_config()])
    assert caught.value.code == 3
    shown = capsys.readouterr().err
    assert shown.startswith(
        'error: training diverged, non-finite loss: loss, loss_toy at'
    )
    assert shown.count('\n') == 1
    assert not list(tmp_path.rglob('*.pth'))
