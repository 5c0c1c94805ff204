import inspect

import pytest
import toy  # noqa: F401
from mmengine import Config
from mmengine.runner import Runner
from torch import nn

from mmgl.config.checking import check_config
from mmgl.config.keys import TOP_KEYS
from mmgl.config.loading import derive_loaders, load_config
from mmgl.config.signatures import expected_kind, read_signature
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
