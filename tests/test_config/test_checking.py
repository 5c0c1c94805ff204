import inspect
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
import toy  # noqa: F401
from mmengine import Config
from mmengine.runner import Runner
from mmpretrain.models import MobileNetV2, TIMMBackbone
from torch import nn
from torch.utils.data import DataLoader

from mmgl.config.checking import check_config
from mmgl.config.components import check_backend
from mmgl.config.keys import TOP_KEYS, Loader
from mmgl.config.loading import derive_loaders, load_config
from mmgl.config.numbers import check_numbers
from mmgl.config.signatures import expected_kind, fits, read_signature
from mmgl.utils.errors import ConfigError


@pytest.fixture
def config(toy_config):
    cfg = load_config(toy_config())
    derive_loaders(cfg)
    return cfg


def test_a_right_config_passes(config):
    check_config(config)


# What is changed, and what the message must say about it.
MISTAKES = [
    ('model.widht', 3, "model: ToyModel has no argument 'widht'.*'width'"),
    ('model.whatever', 3, 'it takes flip_test, init_from, width'),
    ('model.width', 'four', "model.width of ToyModel must be int, got 'four'"),
    ('model.width', True, 'must be int'),
    ('model.flip_test', 1, 'must be bool'),
    ('model.type', 'ToyModle', "model.type: no model.*mean 'ToyModel'"),
    ('model.type', 3, 'model.type must name'),
    ('optim_wrapper.optimizer.mometum', 0.9, "optimizer: SGD.*'momentum'"),
    ('optim_wrapper.clipgrad', {}, "OptimWrapper.*'clip_grad'"),
    ('param_scheduler.start_facter', 1, "LinearLR.*'start_factor'"),
    ('default_hooks.checkpoint.intervall', 1, "'interval'"),
    ('default_hooks.checkpoint.type', 'Checkpoint', 'no hook is called'),
    ('custom_hooks.0.type', 'IterSeedHook', "mean 'IterationSeedHook'"),
    ('train_dataloader.batchsize', 4, "'batch_size'"),
    ('train_dataloader.dataset.lenght', 4, "dataset: ToyDataset.*'length'"),
    ('train_dataloader.sampler.shufle', 1, "'shuffle'"),
    ('val_evaluator.type', 'ToyMetrc', "'ToyMetric'"),
    ('train_cfg.max_epoch', 3, 'max_epoch'),
    ('train_dataloder', {}, "key 'train_dataloder'.*'train_dataloader'"),
    ('test_dataloader', [1], 'test_dataloader must be a dict'),
    (
        'val_dataloader.dataset.data_root',
        'data/nothing',
        r"data_root: there is no folder 'data/nothing'.*make_synthetic.py",
    ),
    ('model', 3, 'model must be a dict, got 3'),
    ('model.type', 'os.system', "model.type: no package .* called 'os'"),
    ('model.type', 'mmgl.cli.main', "no model is called 'mmgl.cli.main'"),
    ('default_scope', 'antigravity', "default_scope: no package .*'antigrav"),
    ('runner_type', 'os.system', "runner.*no package .* called 'os'"),
    ('optim_wrapper.constructor', 'os.getcwd', "no package .* called 'os'"),
    ('train_dataloader.batch_size', 0, 'batch_size must be at least 1, got 0'),
    ('train_dataloader.batch_size', 2.5, 'batch_size must be int'),
    ('train_dataloader.batch_size', True, 'batch_size must be int'),
    ('train_dataloader.num_workers', -1, 'num_workers must be at least 0'),
    ('train_dataloader.prefetch_factor', 0, 'prefetch_factor must be at lea'),
    ('train_dataloader.dataset', None, 'dataset must be a dict, got None'),
    (
        'train_dataloader.sampler',
        {'_delete_': True},
        'train_dataloader.sampler has no type',
    ),
    ('optim_wrapper.optimizer.lr', -1, 'optimizer.lr must be at least 0'),
    ('optim_wrapper.optimizer.lr', math.nan, 'lr must be finite, got nan'),
    ('optim_wrapper.optimizer.lr', math.inf, 'lr must be finite, got inf'),
    ('optim_wrapper.optimizer.lr', '0.1', 'optimizer.lr of SGD must be float'),
    ('optim_wrapper.optimizer.momentum', 1, 'momentum must be below 1, got 1'),
    ('optim_wrapper.optimizer.momentum', -0.1, 'must be at least 0, got -0.1'),
    ('optim_wrapper.optimizer.weight_decay', -1, 'weight_decay must be at le'),
    ('optim_wrapper.optimizer', {'_delete_': True}, 'optimizer has no type'),
    ('optim_wrapper.lr', 0.5, "OptimWrapper has no argument 'lr'"),
    ('optim_wrapper.clip_grad', dict(max_nrm=1), "clip_grad: .*'max_nrm'"),
    ('optim_wrapper.clip_grad', dict(type='sum'), 'type must be norm or'),
    (
        'optim_wrapper.paramwise_cfg',
        dict(custom_kyes={}),
        "paramwise_cfg: unknown key 'custom_kyes'.*'custom_keys'",
    ),
    (
        'optim_wrapper.paramwise_cfg',
        dict(custom_keys=dict(backbone=dict(lr_mlt=1))),
        "custom_keys.backbone: nothing reads 'lr_mlt'.*'lr_mult'",
    ),
    (
        'param_scheduler',
        dict(_delete_=True, type='MultiStepLR', milestones=['abc']),
        r"milestones of MultiStepLR must be List\[int\], got \['abc'\]",
    ),
    (
        'param_scheduler',
        dict(_delete_=True, type='MultiStepLR'),
        "param_scheduler.0: .*missing .*'milestones'",
    ),
    ('param_scheduler.begin', -1, 'param_scheduler.begin must be at least 0'),
    ('param_scheduler.start_factor', 2, 'param_scheduler.0: .*between 0 and'),
    ('train_cfg.max_epochs', 0, 'max_epochs must be at least 1, got 0'),
    ('train_cfg.val_interval', 0, 'val_interval must be at least 1, got 0'),
    ('default_hooks.chekpoint', dict(interval=2), "no type.*'checkpoint'"),
    ('default_hooks.checkpoint.interval', 0, 'interval must be at least 1'),
    ('default_hooks.checkpoint.foo', 1, "CheckpointHook has no argument 'fo"),
    ('default_hooks.timer', 3, 'timer must be a dict with a type, got 3'),
    ('optim_wrapper.paramwise_cfg', 3, 'paramwise_cfg must be a dict, got 3'),
    ('randomness', None, 'randomness must be a dict, got None'),
    ('default_hooks.loger', None, "no such hook to remove.*'logger'"),
    (
        'custom_hooks',
        ['a'],
        "custom_hooks.0 must be a dict with a type, got '",
    ),
    ('custom_hooks.0.priority', 'FIRST', "priority must be one of .*'FIRST'"),
    ('log_processor', dict(window=1), "LogProcessor .*'window_size'"),
    ('visualizer', dict(vis_backend=[]), "Visualizer .*'vis_backends'"),
    ('log_level', 'LOUD', "log_level must be 'DEBUG', .* got 'LOUD'"),
    ('randomness.seed', -1, 'randomness.seed must be at least 0, got -1'),
    ('randomness.seed', 2**32, 'randomness.seed must be at most 4294967295'),
    ('randomness.sed', 1, "randomness: unknown key 'sed'.*'seed'"),
    ('auto_scale_lr.enabel', 1, "auto_scale_lr: unknown key 'enabel'"),
    ('env_cfg.mp_cfg', dict(mp_start_method='frok'), "'fork', 'spawn' or"),
    ('env_cfg.tf23', True, "env_cfg: unknown key 'tf23'.*'tf32'"),
    ('env_cfg.tf32', 'yes', "env_cfg.tf32 must be True, .* got 'yes'"),
    ('default_hooks.memory.type', 'ChannelsFirstHook', "'ChannelsLastHook'"),
    ('load_from', 'nothing.pth', "load_from: there is no file 'nothing.pth'"),
    (
        'model.init_from',
        dict(kind='mmgl', checkpoint=None),
        'model.init_from.checkpoint is not set.*--init-checkpoint',
    ),
]


@pytest.mark.parametrize('key, value, message', MISTAKES)
def test_a_mistake_is_named(config, key, value, message):
    if key.startswith('train_cfg'):
        config.train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=1)
    if key == 'default_hooks.checkpoint.type':
        config.default_hooks.checkpoint = dict(type='CheckpointHook')
    if key.endswith('data_root'):
        config.val_dataloader.dataset['data_root'] = value
    else:
        config.merge_from_dict({key: value})
    with pytest.raises(ConfigError, match=message) as caught:
        check_config(config)
    assert '\n' not in str(caught.value)


def test_own_variables_and_urls_are_allowed(config):
    config.merge_from_dict(
        dict(
            num_ids=8,
            test_pipeline=[],
            backbone=dict(type='None'),
            load_from='https://example.org/a.pth',
        )
    )
    config.model['init_from'] = dict(
        kind='imagenet', checkpoint='torchvision://resnet50'
    )
    check_config(config)


def test_parts_of_other_packages_are_found_in_their_scope():
    erasing = dict(type='mmpretrain.RandomErasing', erase_prob=0.5)
    compose = dict(
        type='mmpretrain.RandAugment',
        _scope_='mmpretrain',
        policies=[dict(type='AutoContrast')],
        num_policies=1,
        magnitude_level=1,
    )

    def check(transform):
        dataset = dict(type='SYSUMM01', split='val', pipeline=[transform])
        check_config(Config(dict(train_dataloader=dict(dataset=dataset))))

    check(erasing)
    check(compose)
    with pytest.raises(ConfigError, match="pipeline.0.*'erase_prob'"):
        check(dict(type='mmpretrain.RandomErasing', erase_porb=0.5))
    with pytest.raises(ConfigError, match='AutoContrast'):
        # Without _scope_ its children are looked up here, and not found.
        compose.pop('_scope_')
        check(compose)


def test_batch_size_of_loader_and_sampler():
    loader = dict(
        batch_size=8, sampler=dict(type='CrossModalPairSampler', batch_size=8)
    )
    check_config(Config(dict(train_dataloader=loader)))
    loader['batch_size'] = 16
    with pytest.raises(ConfigError, match='batch_size is 16 but.*is 8'):
        check_config(Config(dict(train_dataloader=loader)))


def test_keys_of_the_runner_are_known():
    arguments = set(inspect.signature(Runner.__init__).parameters)
    assert arguments - {'self', 'cfg'} <= TOP_KEYS


class Base(nn.Module):
    def __init__(self, a: int, b: 'float | None' = None):
        super().__init__()


class Forwards(Base):
    def __init__(self, c: str = '', *, d: list = (), **kwargs):
        super().__init__(**kwargs)


class Closed(Forwards):
    def __init__(self, e: bool = False):
        super().__init__()


class Keeps:
    def __init__(self, f=1, **kwargs):
        self.kwargs = kwargs


class Refuses(nn.Module):
    def __init__(self, f=1, **kwargs):
        super().__init__(**kwargs)


@pytest.mark.parametrize(
    'component, names, is_open',
    [
        (Base, {'a', 'b'}, False),
        (Forwards, {'a', 'b', 'c', 'd'}, False),
        (Closed, {'e'}, False),
        (Keeps, {'f'}, True),
        (Refuses, {'f'}, False),
        (lambda x, **kwargs: x, {'x'}, True),
    ],
)
def test_signature_follows_kwargs(component, names, is_open):
    signature = read_signature(component)
    assert set(signature.parameters) == names
    assert signature.is_open is is_open


@pytest.mark.parametrize(
    'name, value, expected',
    [
        ('a', 3, None),
        ('a', 3.0, None),
        ('a', 3.5, 'int'),
        ('a', '3', 'int'),
        ('a', None, 'int'),
        ('b', 3, None),
        ('b', None, None),
        ('b', '3', 'float'),
        ('c', 3, 'str'),
        ('d', 3, 'list'),
        ('d', (1, 2), None),
    ],
)
def test_scalar_annotations(name, value, expected):
    assert expected_kind(read_signature(Forwards), name, value) == expected


@pytest.mark.parametrize(
    'hint, value, fine',
    [
        (list[int], [1, 2], True),
        (list[int], (1, 2), True),
        (list[int], ['a'], False),
        (list[int], dict(type='X'), False),
        (Sequence[str], 'abc', False),
        (tuple[int, int], [1], False),
        (tuple[float, ...], [1, 2.5], True),
        (dict[str, float], dict(a=1), True),
        (dict[str, float], dict(a='b'), False),
        (Literal['a', None], None, True),
        (Literal[1], True, False),
        (nn.Module | None, dict(type='X'), True),
        (nn.Module | None, None, True),
        (nn.Module, None, False),
        (nn.ModuleList, 3, False),
        (float | torch.Tensor, 0.1, True),
        (float | torch.Tensor, 'a', False),
        (Path, 'folder', True),
        (Any, object(), True),
        ('unknown', 3, True),
    ],
)
def test_values_and_annotations(hint, value, fine):
    assert fits(value, hint) is fine


@pytest.mark.parametrize(
    'name, low, high',
    [('lr', 0, 1e9), ('batch_size', 1, 2**40), ('seed', 0, 2**32 - 1)],
)
def test_both_ends_of_a_range(name, low, high):
    for value in (low, high):
        check_numbers({name: value}, 'x')
    with pytest.raises(ConfigError, match=f'^x.{name} must be at least'):
        check_numbers({name: low - 1}, 'x')
    with pytest.raises(ConfigError, match=f'^x.{name} must be a number'):
        check_numbers({name: [low, high]}, 'x')
    if name == 'seed':
        with pytest.raises(ConfigError, match='at most 4294967295'):
            check_numbers({name: high + 1}, 'x')


def test_each_number_of_a_list_is_checked():
    check_numbers(dict(milestones=[0, 5], prob=[0.3, 0.7]), 'x')
    with pytest.raises(ConfigError, match='^x.milestones.1 must be at least'):
        check_numbers(dict(milestones=[0, -5]), 'x')


@pytest.mark.parametrize(
    'value', [dict(backend='atomic', bakend=1), dict(backend='moon'), 'atomic']
)
def test_file_backends_that_cannot_be(value):
    with pytest.raises(ConfigError, match='^hook.backend_args must be such'):
        check_backend(value, 'hook.backend_args')
    check_backend(dict(backend='atomic'), 'hook.backend_args')


def test_every_key_of_a_loader_is_known():
    arguments = inspect.signature(DataLoader).parameters
    assert arguments.keys() <= Loader.__annotations__.keys()


def test_what_is_unusual_but_right(config):
    config.default_hooks['timer'] = None
    config.default_hooks.checkpoint['interval'] = -1
    config.optim_wrapper['clip_grad'] = dict(type='value', clip_value=1)
    check_config(config)


def test_arguments_of_timm_go_past_its_wrapper():
    """As docs/compose.md prints them."""
    signature = read_signature(TIMMBackbone)
    assert signature.is_open and 'model_name' in signature.parameters
    assert not read_signature(MobileNetV2).is_open
