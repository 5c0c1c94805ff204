"""Every shipped config is read, checked, built, trained and evaluated.

A leaf takes two to four seconds: its network is narrowed, its images are
small and an epoch is one step; all else is what the config says.
"""

import math
from pathlib import Path

import pytest
import torch
from torch import nn

from mmgl.config.checking import LOADERS, check_config
from mmgl.config.classes import count_classes, leave_heads_out
from mmgl.config.loading import (
    apply_init,
    build_runner,
    derive_loaders,
    init_names,
    load_config,
)
from mmgl.models.backbones import OneStreamResNet
from mmgl.registry import MODELS
from mmgl.utils.compat import registry_scope
from mmgl.utils.paths import config_dir

LEAVES = sorted(
    str(path.relative_to(config_dir()))
    for path in (config_dir() / 'mmgl').rglob('*.py')
)
FINETUNING = [leaf for leaf in LEAVES if 'finetune' in leaf]
# The rivals of MMGL, without validation.
SSL = [leaf for leaf in LEAVES if '/ssl/' in leaf]
# MMGL itself: all leaves of folder pretrain, and those of ablations.
PRETRAINING = [leaf for leaf in LEAVES if leaf not in SSL + FINETUNING]
FULL_SIZE = [leaf for leaf in LEAVES if '_r50_' in leaf]
# Loss terms of a fine-tuning method, where they differ from AGW's.
TERMS = {
    'caj-plus': {'id/loss', 'id/loss_consistency', 'triplet/loss'},
    'deen': {*(f'id/loss_bn_{i}' for i in range(3)), 'embedding/loss'},
    'label-free': {'memory/loss_within', 'memory/loss_across'},
    'ddag': {'id/loss_bn', 'id/loss_part', 'triplet/loss', 'graph/loss'},
    'mpanet': {
        'id/loss',
        'center/loss',
        'separation/loss',
        'modality/loss_visible',
        'modality/loss_infrared',
        'modality/loss_kl',
    },
    'mutual-info': {
        f'distillation/loss_{term}' for term in ('ce', 'cml', 'vsd', 'vcd')
    }
    | {
        f'ranking/loss_{kind}_{branch}'
        for kind in ('obs', 'rep')
        for branch in ('infrared', 'visible', 'shared_gray', 'shared')
    },
    'nfs': {'id/loss', 'triplet/loss', 'contrast/loss'}
    | {f'backbone/layer{n}_loss_selection' for n in range(1, 5)},
}
TERMS['mutual-info-paper'] = {*TERMS['mutual-info'], 'distillation/loss_vml'}
# Loss terms of a self-supervised rival beside their sum.
SSL_TERMS = {
    'barlow-twins': set(),
    'byol': set(),
    'colorization': {'colour/loss'},
    'jigsaw': {'jigsaw/loss'},
    'psl': {'jigsaw/loss'},
    'simclr': set(),
    'simsiam': set(),
    'swav': set(),
}
NARROW_VIT = dict(
    embed_dims=24, num_layers=2, num_heads=2, feedforward_channels=48
)
# Backbone of a method whose name does not say it.
STREAMS = {
    'agw': 'agw',
    'caj': 'agw',
    'ddag': 'two-stream',
    'deen': 'two-stream',
    'label-free': 'agw',
    'mpanet': 'one-stream',
    'mutual-info': 'one-stream',
    'nfs': 'two-stream',
}
SYSU_METRICS = {
    f'{mode}_{shots}/{name}'
    for mode in ('all', 'indoor')
    for shots in ('single', 'multi')
    for name in ('rank1', 'rank5', 'rank10', 'rank20', 'mAP', 'mINP')
}
REGDB_METRICS = {
    f'{direction}/{name}'
    for direction in ('visible_to_infrared', 'infrared_to_visible')
    for name in ('rank1', 'rank5', 'rank10', 'rank20', 'mAP', 'mINP')
}
# Of data sets without SYSU-MM01's layout, by the end of a leaf's name.
METRICS = dict(
    regdb=REGDB_METRICS,
    own=REGDB_METRICS,
    llcm={
        name.replace('/', f'_{kind}/')
        for name in REGDB_METRICS
        for kind in ('single', 'published')
        if kind == 'single' or name.startswith('visible')
    },
)


@pytest.fixture
def roots(tiny_sysu, tiny_regdb, tiny_llcm, tiny_shards, tiny_table):
    return dict(
        SYSUMM01=tiny_sysu,
        RegDB=tiny_regdb,
        LLCM=tiny_llcm,
        StreamedPairs=tiny_shards,
        ReIDTable=tiny_sysu,
        table=tiny_table,
    )


def method_of(leaf):
    """First part of a name, without the variant behind a known method."""
    name = Path(leaf).stem.split('_')[0]
    return next(
        (method for method in STREAMS if f'{name}-'.startswith(f'{method}-')),
        name,
    )


def ssl_method(leaf):
    """Key of a self-supervised rival; both schedules have the same."""
    return Path(leaf).stem.split('_')[0].removesuffix('-native')


def load(leaf):
    return load_config(config_dir() / leaf)


def use_tiny_data(cfg, roots, work_dir):
    """Point at tiny data with batches of 2 x 2 images per modality."""
    cfg['work_dir'] = str(work_dir)
    for name in LOADERS:
        loader = cfg.get(name)
        if loader is None:
            continue
        loader['num_workers'] = 0
        kind = loader.dataset.type
        if roots[kind] is None:
            pytest.skip('webdataset is not installed')
        key = 'shards' if kind == 'StreamedPairs' else 'data_root'
        loader.dataset[key] = roots[kind]
        if kind == 'ReIDTable':
            loader.dataset['table'] = roots['table']
    loader = cfg.train_dataloader
    loader['batch_size'] = 8
    if loader.sampler.type in ('IdentitySampler', 'PseudoLabelSampler'):
        loader.sampler.update(num_ids=2, num_instances=2, num_iters=1)
        # 8 + 4 ids of tiny SYSU-MM01, 6 of each half of tiny RegDB.
        classes = {'SYSUMM01': 12, 'RegDB': 6, 'LLCM': 6}.get(
            loader.dataset.type
        )
        count_classes(cfg)
        for head in cfg.model.heads.values():
            if classes and 'num_classes' in head:
                head['num_classes'] = classes
    else:
        loader.sampler.update(batch_size=8, num_pairs_per_epoch=4)
    for hook in cfg.get('custom_hooks') or ():
        if hook.type == 'PseudoLabelHook':
            hook.update(k1=8, k2=3, min_samples=3)
    cfg.train_cfg['max_epochs'] = 1
    derive_loaders(cfg)


def shrink(cfg):
    """Narrow the network and the images."""
    backbone = cfg.model.backbone
    backbone = backbone.get('network', backbone)
    if backbone.type == 'mmpretrain.MobileNetV2':
        backbone.update(widen_factor=0.25)
    elif backbone.type == 'mmpretrain.VisionTransformer':
        backbone.update(arch=NARROW_VIT)
    else:
        backbone.update(depth=18, base_channels=8)
    if cfg.model.type.startswith('mmpretrain.'):
        shrink_heads(cfg.model.neck)
        shrink_heads(cfg.model.head)
    for name in LOADERS:
        if cfg.get(name) is not None:
            shrink_images(cfg[name]['dataset']['pipeline'])
    # Some load images, too.
    shrink_images(cfg.get('custom_hooks'))


def shrink_heads(value):
    """Make all vectors of neck and head as long as the features."""
    for key, item in value.items():
        if key in ('in_channels', 'hid_channels', 'out_channels', 'feat_dim'):
            value[key] = 64
        elif isinstance(item, dict):
            shrink_heads(item)


def shrink_images(value):
    """Make the images of a pipeline and those inside it small."""
    if isinstance(value, list | tuple):
        for item in value:
            shrink_images(item)
    elif isinstance(value, dict):
        if value.get('type') in ('PILResize', 'Resize'):
            value['scale'] = (48, 96)
        elif value.get('type') == 'mmpretrain.RandomResizedCrop':
            height, width = value['scale']
            if height * width > 96 * 48:
                value['scale'] = (height // 3, width // 3)
        elif value.get('type') == 'mmpretrain.RandomCrop':
            value.update(crop_size=(96, 48), padding=4)
        for item in value.values():
            shrink_images(item)


class Recorder:
    """Keeps what a Runner reports."""

    def __init__(self, runner):
        self.losses, self.metrics = {}, {}
        runner.visualizer.add_scalars = self

    def __call__(self, values, step=None, file_path=None):
        kept = self.losses if 'loss' in values else self.metrics
        kept.update(values)


def run(cfg):
    """Train one step, then validate or test; returns losses and metrics."""
    check_config(cfg)
    runner = build_runner(cfg)
    backbone = runner.model.backbone
    before = [p.detach().clone() for p in backbone.parameters()]
    record = Recorder(runner)
    runner.train()
    assert runner.iter == 1
    still = sum(
        torch.equal(old, new)
        for old, new in zip(before, backbone.parameters(), strict=True)
    )
    # A non-local block starts as the identity: behind its zero weights the
    # first step moves nothing.
    # PSL has no loss behind the second stage of four.
    most = 0.55 if cfg.get('find_unused_parameters') else 0.5
    assert still < most * len(before)
    metrics = record.metrics
    if cfg.get('test_cfg') is not None:
        metrics = runner.test()
    return record.losses, {k: v for k, v in metrics.items() if '/' in k}


def test_configs_are_where_they_belong():
    assert len(PRETRAINING) >= 9 and len(FINETUNING) >= 6
    assert sorted(PRETRAINING + SSL + FINETUNING) == LEAVES
    assert all(
        leaf.startswith(('mmgl/pretrain/', 'mmgl/ablation/'))
        for leaf in PRETRAINING
    )
    # Three leaves of each rival: the paper's schedule, its own, and small.
    assert sorted(SSL) == sorted(
        f'mmgl/ssl/{method}{leaf}.py'
        for method in SSL_TERMS
        for leaf in (
            '_two-stream_r50_96-100e_sysu',
            '-native_two-stream_r50_96-100e_sysu',
            '_two-stream_r18-narrow_synthetic',
        )
    )


@pytest.mark.parametrize('leaf', LEAVES)
def test_leaf_is_short_and_names_no_python(leaf):
    text = (config_dir() / leaf).read_text()
    assert len(text.splitlines()) <= 20
    assert 'import' not in text


@pytest.mark.parametrize('leaf', LEAVES)
def test_leaf_trains_and_evaluates(leaf, roots, tmp_path):
    cfg = load(leaf)
    if 'init_from' in cfg.model:
        apply_init(cfg, 'random', None)
    use_tiny_data(cfg, roots, tmp_path)
    shrink(cfg)
    losses, metrics = run(cfg)
    if leaf in SSL:
        terms, expected = SSL_TERMS[ssl_method(leaf)], set()
    elif leaf in PRETRAINING:
        terms = {'permutation/loss', 'part/loss_position', 'part/loss_pcc'}
        expected = (
            {
                f'permutation/{who}{what}_acc'
                for who in ('', 'visible_', 'infrared_')
                for what in ('stripe', 'exact')
            }
            if cfg.get('val_cfg') is not None
            else set()
        )
    else:
        variant = Path(leaf).stem.split('_')[0]
        terms = TERMS.get(variant) or TERMS.get(
            method_of(leaf), {'id/loss', 'triplet/loss'}
        )
        data = Path(leaf).stem.split('_')[-1]
        expected = METRICS.get(data, SYSU_METRICS)
    assert {k for k in losses if 'loss' in k} == terms | {'loss'}
    assert all(math.isfinite(v) for v in losses.values())
    assert set(metrics) == expected
    # Where all features are alike, a rank is a sum of chances.
    assert all(0 <= v <= 100 + 1e-9 for v in metrics.values())


@pytest.mark.slow
@pytest.mark.parametrize('leaf', FULL_SIZE)
def test_leaf_at_full_size(leaf, roots, tmp_path):
    """ResNet-50 at 288 x 144 on tiny data: 15 to 75 seconds each."""
    cfg = load(leaf)
    if 'init_from' in cfg.model:
        apply_init(cfg, 'random', None)
    use_tiny_data(cfg, roots, tmp_path)
    losses, _ = run(cfg)
    assert math.isfinite(losses['loss'])


# ------------------------------------------------------------ initial weights
def matching_pretraining(leaf):
    """The pre-training config of the same backbone and data."""
    network = Path(leaf).stem.split('_')[1]
    name = f'two-stream_{network}_'
    if network.startswith('r'):
        name = STREAMS.get(method_of(leaf), method_of(leaf)) + '_r'
    data = Path(leaf).stem.split('_')[-1].removesuffix('-select')
    found = [
        other
        for other in PRETRAINING
        if '/pretrain/' in other
        and f'_{name}' in Path(other).stem
        and Path(other).stem.endswith(data)
    ]
    assert len(found) == 1, f'{leaf} has {found} for --init mmgl'
    return found[0]


def write_imagenet(path, leaf):
    """A classifier with the names of torchvision or mmpretrain, narrowed."""
    cfg = load(leaf)
    shrink(cfg)
    if cfg.model.backbone.type == 'AnyBackbone':
        with registry_scope('mmgl'):
            network = MODELS.build(cfg.model.backbone.network)
        state = network.state_dict()
        torch.save(state, path)
        # As a module of the stem is called here.
        stem = cfg.model.backbone.stem[0]
        return {
            k.replace(stem, stem.replace('.', '_')): v
            for k, v in state.items()
        }
    backbone = OneStreamResNet(depth=18, base_channels=8)
    state = {
        name.removeprefix('stem.'): value
        for name, value in backbone.state_dict().items()
    }
    state.update(nn.Linear(64, 10).state_dict(prefix='fc.'))
    torch.save(state, path)
    return state


@pytest.mark.parametrize('leaf', FINETUNING)
@pytest.mark.parametrize('init', ['random', 'imagenet', 'mmgl'])
def test_finetuning_starts_from_every_init(leaf, init, tmp_path):
    assert init in init_names()
    path = tmp_path / 'init.pth'
    source = {}
    if init == 'imagenet':
        source = write_imagenet(path, leaf)
    elif init == 'mmgl':
        other = load(matching_pretraining(leaf))
        shrink(other)
        with registry_scope('mmgl'):
            pretrainer = MODELS.build(other.model)
        source = pretrainer.state_dict()
        torch.save(dict(state_dict=source), path)
    cfg = load(leaf)
    apply_init(cfg, init, None if init == 'random' else str(path))
    shrink(cfg)
    leave_heads_out(cfg.model)
    with registry_scope('mmgl'):
        model = MODELS.build(cfg.model)
    model.init_weights()
    for name, value in model.backbone.state_dict().items():
        if name.startswith('networks.'):
            name = name.split('.', 2)[2]  # the same in each of several
        if name.startswith('plugins.'):
            continue  # of the method, never in an initial checkpoint
        if init == 'mmgl':
            assert torch.equal(value, source[f'backbone.{name}']), name
        elif init == 'imagenet' and not name.startswith('non_local.'):
            name = name.removeprefix('trunk.').split('stem.')[-1]
            assert torch.equal(value, source[name]), name
    if init == 'random':
        assert model.init_report is None
