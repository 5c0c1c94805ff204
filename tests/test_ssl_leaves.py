"""Configs of the contrastive rivals: views, heads and whole runs."""

import numpy as np
import pytest
import torch
from mmengine.optim import build_optim_wrapper
from ssl_parts import METHODS, ONE_STREAM, WIDTH, leaf, small
from torch import nn

from mmgl.checkpoints.fit import load_backbone
from mmgl.config.loading import build_runner, derive_loaders
from mmgl.datasets import Draw
from mmgl.engine.hooks import read_verdict
from mmgl.models.backbones import TwoStreamResNet
from mmgl.registry import DATASETS
from mmgl.utils.compat import registry_scope, select_wrapper
from mmgl.utils.errors import TrainingDivergedError

LEAVES = [
    f'{method}{leaf}'
    for method in METHODS
    for leaf in (
        '_two-stream_r50_96-100e_sysu',
        '-native_two-stream_r50_96-100e_sysu',
        '_two-stream_r18-narrow_synthetic',
    )
]


# ----------------------------------------------------------------------- views
def dataset_of(cfg, root):
    cfg.train_dataloader.dataset['data_root'] = root
    with registry_scope('mmgl'):
        return DATASETS.build(cfg.train_dataloader.dataset)


@pytest.mark.parametrize('name', LEAVES)
def test_views_depend_on_the_draw_alone(name, tiny_sysu):
    cfg = leaf(name)
    dataset = dataset_of(cfg, tiny_sysu)

    def views(position):
        torch.rand(3), np.random.rand(3)
        inputs = dataset[Draw(5, 0, 2, position, 0)]['inputs']
        return [view.numpy() for view in inputs]

    first, again, other = views(3), views(3), views(4)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not any(
        np.array_equal(a, b) for a, b in zip(first, other, strict=True)
    )
    # The views of one image differ too.
    assert not np.array_equal(first[0], first[1])


@pytest.mark.parametrize('name', LEAVES)
def test_views_fit_the_method(name, tiny_sysu):
    cfg = leaf(name)
    dataset = dataset_of(cfg, tiny_sysu)
    sizes = [tuple(view.shape[1:]) for view in dataset[0]['inputs']]
    whole = (96, 48) if 'synthetic' in name else (288, 144)
    assert sizes[:2] == [whole] * 2
    if name.startswith('swav'):
        crops = cfg.model.head.loss.num_crops
        assert len(sizes) == sum(crops) and crops[0] == 2
        assert set(sizes[2:]) == {(whole[0] // 2, whole[1] // 2)}
    else:
        assert len(sizes) == 2


def test_infrared_views_stay_grey(tiny_sysu):
    """Jitter of hue and saturation cannot make a thermal image coloured."""
    cfg = leaf('simclr')
    dataset = dataset_of(cfg, tiny_sysu)
    infrared = np.flatnonzero(dataset.field('modality') == 1)[:8]
    coloured = 0
    for position, index in enumerate(infrared):
        view = dataset[Draw(int(index), 0, 0, position, 0)]['inputs'][0]
        view = view.int()
        coloured += int((view - view[:1]).abs().max()) > 2
    assert coloured == 0


# ------------------------------------------------------------- whole leaves
@pytest.mark.parametrize('name', LEAVES)
def test_heads_fit_the_backbone(name):
    """Widths are numbers in the configs; they must follow the network."""
    model = leaf(name).model
    network = model.backbone.network
    width = network.get('base_channels', 64) * (
        8 if network.depth == 18 else 32
    )
    assert model.neck.in_channels == width
    neck = model.neck.out_channels
    predictor = model.head.get('predictor')
    if predictor:
        assert predictor.in_channels == predictor.out_channels == neck
    if 'barlow' in name:
        assert model.head.in_channels == neck
    if 'swav' in name:
        assert model.head.loss.feat_dim == neck


@pytest.mark.parametrize('name', [n for n in LEAVES if 'swav' in n])
def test_hook_of_swav_fits_the_loader(name):
    cfg = leaf(name)
    (hook,) = (h for h in cfg.custom_hooks if h.type == 'mmgl.SwAVQueueHook')
    assert hook.batch_size == cfg.train_dataloader.batch_size
    assert hook.queue_length % hook.batch_size == 0
    assert hook.feat_dim == cfg.model.neck.out_channels
    assert 0 < hook.epoch_queue_starts <= cfg.train_cfg.max_epochs / 3
    assert cfg.find_unused_parameters


def prepare(cfg, root, work_dir, epochs=1, iters=2, batch_size=8, **kwargs):
    """Point a config at tiny data."""
    cfg['work_dir'] = str(work_dir)
    loader = cfg.train_dataloader
    loader.update(num_workers=0, batch_size=batch_size)
    loader.dataset['data_root'] = root
    loader.sampler.update(
        batch_size=batch_size, num_pairs_per_epoch=batch_size * iters // 2
    )
    cfg.train_cfg['max_epochs'] = epochs
    cfg.update(kwargs)
    derive_loaders(cfg)


def run(cfg, *args, **kwargs):
    """Train on tiny data; returns the Runner."""
    prepare(cfg, *args, **kwargs)
    runner = build_runner(cfg)
    runner.train()
    return runner


@pytest.mark.parametrize('method', METHODS)
def test_two_steps_through_the_runner(method, tiny_sysu, tmp_path):
    cfg = small(method, ONE_STREAM if method == 'simsiam' else None)
    runner = run(cfg, tiny_sysu, tmp_path)
    assert runner.iter == 2
    scalars = runner.message_hub.log_scalars
    history = scalars['train/loss'].data[0]
    assert len(history) == 2 and np.isfinite(history).all()
    for part in ('backbone', 'neck'):
        spread = scalars[f'train/{part}/spread'].data[0]
        assert len(spread) == 2 and 0.01 < spread.min() <= 1
    if method == 'swav':
        # Frozen for 11 iterations.
        prototypes = runner.model.head.loss_module.prototypes.weight
        assert prototypes.grad is None and not prototypes.requires_grad
    backbone = runner.model.backbone.network
    target = type(backbone)(18, WIDTH // 8)
    report = load_backbone(target, tmp_path / 'epoch_1.pth', 'mmgl')
    assert not report.fresh


def test_queue_of_swav_is_filled_and_resumed(tiny_sysu, tmp_path):
    """Two epochs at once are as one and another; three Runners, 5 s."""

    def config():
        cfg = small('swav')
        (hook,) = (
            h for h in cfg.custom_hooks if h.type == 'mmgl.SwAVQueueHook'
        )
        hook.update(
            batch_size=4,
            queue_length=8,
            epoch_queue_starts=0,
            feat_dim=WIDTH,
            frozen_layers_cfg=dict(prototypes=1),
        )
        cfg.param_scheduler = []
        return cfg

    def train(work_dir, epochs, **kwargs):
        return run(config(), tiny_sysu, work_dir, epochs, 1, 4, **kwargs)

    whole = train(tmp_path / 'whole', 2)
    queue = whole.model.head.loss_module.queue
    assert queue.shape == (2, 8, WIDTH)
    # Full after two batches, with vectors of length 1.
    assert (queue.norm(dim=2) - 1).abs().max() < 1e-5

    work_dir = tmp_path / 'parts'
    train(work_dir, 1)
    assert (work_dir / 'queue.pth').is_file()
    second = train(work_dir, 2, resume=True)
    assert second.iter == 2
    assert torch.equal(second.model.head.loss_module.queue, queue)
    state = whole.model.state_dict()
    for name, value in second.model.state_dict().items():
        assert torch.equal(value, state[name]), name


def test_mixed_precision_is_for_the_backbone(tiny_sysu, tmp_path):
    cfg = small('barlow-twins')
    prepare(cfg, tiny_sysu, tmp_path, iters=1)
    cfg['optim_wrapper'] = select_wrapper(cfg.optim_wrapper, 'bf16')
    runner = build_runner(cfg)
    kinds = {}

    def note(name):
        def hook(module, args, output):
            kinds[name] = output.dtype

        return hook

    model = runner.model
    model.backbone.network.visible_stem.conv1.register_forward_hook(
        note('backbone')
    )
    model.neck.fc0.register_forward_hook(note('neck'))
    model.head.loss_module.register_forward_hook(note('loss'))
    runner.train()
    assert kinds.pop('backbone') != torch.float32
    assert set(kinds.values()) == {torch.float32} and len(kinds) == 2


def test_collapse_ends_the_run_with_a_verdict(tiny_sysu, tmp_path):
    cfg = small('simsiam')
    cfg.optim_wrapper.optimizer['lr'] = 0.0
    prepare(cfg, tiny_sysu, tmp_path)
    runner = build_runner(cfg)
    with torch.no_grad():
        for parameter in runner.model.neck.fc2.parameters():
            parameter.zero_()
    with pytest.raises(TrainingDivergedError, match='neck/spread'):
        runner.train()
    assert read_verdict(tmp_path).startswith('collapsed features: neck/')
    # Found before the epoch was saved.
    assert not (tmp_path / 'epoch_1.pth').exists()


def test_native_recipes_by_parameter():
    model = nn.ModuleDict(
        dict(
            backbone=TwoStreamResNet(18, 4),
            neck=nn.ModuleDict(
                dict(fc0=nn.Linear(2, 2), bn0=nn.BatchNorm1d(2))
            ),
            head=nn.ModuleDict(dict(predictor=nn.Linear(2, 2))),
        )
    )
    special = {
        id(p)
        for m in model.modules()
        if isinstance(m, nn.modules.batchnorm._BatchNorm)
        for p in m.parameters()
    }
    special |= {
        id(p) for name, p in model.named_parameters() if name.endswith('bias')
    }

    def groups(method):
        cfg = leaf(f'{method}-native_two-stream_r50_96-100e_sysu')
        wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
        return {
            id(p): group
            for group in wrapper.optimizer.param_groups
            for p in group['params']
        }

    rates = {
        'simclr': (0.1125, 0.1125),
        'byol': (0.1125, 0.1125),
        'barlow-twins': (0.075, 0.075 * 0.024),
    }
    for method, (rate, special_rate) in rates.items():
        for key, group in groups(method).items():
            decay = 0 if key in special else 1e-6
            assert group['weight_decay'] == pytest.approx(decay)
            assert group['lr'] == pytest.approx(
                special_rate if key in special else rate
            )
    fixed = {
        key for key, group in groups('simsiam').items() if group.get('fix_lr')
    }
    assert fixed == {id(p) for p in model['head'].parameters()}
    (swav,) = {
        (g['lr'], g['momentum'], g['weight_decay'])
        for g in groups('swav').values()
    }
    assert swav == (0.225, 0, 0)
