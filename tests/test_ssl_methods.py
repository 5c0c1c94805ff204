"""The contrastive rivals: mmpretrain's classes on this package's parts."""

import math

import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate
from mmengine.logging import MessageHub
from mmengine.optim import build_optim_wrapper
from torch import nn

from mmgl.apis.run_config import build_runner, derive_loaders, load_config
from mmgl.datasets import Draw
from mmgl.engine.hooks import TrainingDivergedError, read_verdict
from mmgl.models.backbones import OneStreamResNet, TwoStreamResNet
from mmgl.models.export import export_backbone
from mmgl.models.weights import load_backbone
from mmgl.registry import DATASETS, MODELS
from mmgl.structures import ReIDDataSample
from mmgl.utils.compat import registry_scope, select_amp_wrapper
from mmgl.utils.paths import config_dir

METHODS = ['simclr', 'swav', 'byol', 'simsiam', 'barlow-twins']
LEAVES = [
    f'{method}{leaf}' for method in METHODS
    for leaf in ('_two-stream_r50_96-100e_sysu',
                 '-native_two-stream_r50_96-100e_sysu',
                 '_two-stream_r18-narrow_synthetic')
]
WIDTH = 32
ONE_STREAM = {'model.backbone.network.type': 'OneStreamResNet'}


def leaf(name):
    if name in METHODS:
        name += '_two-stream_r18-narrow_synthetic'
    return load_config(config_dir() / f'mmgl/ssl/{name}.py')


def narrow(value):
    """Give all vectors of neck and head one length."""
    for key, item in value.items():
        if key in ('in_channels', 'hid_channels', 'out_channels', 'feat_dim'):
            value[key] = WIDTH
        elif isinstance(item, dict):
            narrow(item)


def small(method, options=None):
    """Config of a method with a network of a few channels."""
    cfg = leaf(method)
    cfg.model.backbone.network.update(depth=18, base_channels=WIDTH // 8)
    narrow(cfg.model.neck)
    narrow(cfg.model.head)
    cfg.merge_from_dict(options or {})
    return cfg


def build(method, options=None):
    torch.manual_seed(0)
    MessageHub.get_current_instance().update_info('max_iters', 10)
    with registry_scope('mmgl'):
        model = MODELS.build(small(method, options).model)
    model.init_weights()
    return model.train()


def views_of(method):
    return [(32, 16)] * 2 + [(16, 8)] * (4 if method == 'swav' else 0)


def batch(method, modality):
    """A collated batch of noise as the data set would give it."""
    torch.manual_seed(1)
    items = []
    for m in modality:
        views = [
            torch.randint(256, (3, *size), dtype=torch.uint8)
            for size in views_of(method)
        ]
        items.append(dict(
            inputs=views if method == 'swav' else torch.stack(views),
            data_samples=ReIDDataSample(
                pid=0, modality=m, camid=1, index=1)))
    return pseudo_collate(items)


def loss_of(model, method, modality=(0, 1, 1, 0, 1, 0)):
    data = model.data_preprocessor(batch(method, modality), training=True)
    return model(**data, mode='loss')['loss']


# -------------------------------------------------------------------- gradient
@pytest.mark.parametrize('method', METHODS)
def test_both_stems_learn(method):
    model = build(method)
    assert type(model).__module__.startswith('mmpretrain.')
    loss_of(model, method).backward()
    network = model.backbone.network
    for stem in (network.visible_stem, network.infrared_stem):
        assert stem.conv1.weight.grad.abs().sum() > 0
    idle = [name for name, p in model.named_parameters()
            if p.requires_grad and p.grad is None]
    assert not idle


@pytest.mark.parametrize('method', METHODS)
@pytest.mark.parametrize('modality', [0, 1])
def test_batch_of_one_modality(method, modality):
    model = build(method)
    loss = loss_of(model, method, [modality] * 4)
    loss.backward()
    network = model.backbone.network
    stems = [network.visible_stem, network.infrared_stem]
    assert math.isfinite(loss.detach())
    assert stems[modality].conv1.weight.grad.abs().sum() > 0
    assert stems[1 - modality].conv1.weight.grad is None


@pytest.mark.parametrize('method', METHODS)
def test_one_stream_by_one_override(method):
    model = build(method, ONE_STREAM)
    assert type(model.backbone.network) is OneStreamResNet
    loss_of(model, method).backward()
    assert model.backbone.network.stem.conv1.weight.grad.abs().sum() > 0


def test_target_of_byol_routes_by_modality():
    model = build('byol')
    x = torch.randn(4, 4, 32, 16)
    x[:, 3] = torch.tensor([0, 1, 1, 0]).view(-1, 1, 1)
    loss_of(model, 'byol')
    # The first step copies: the same features from a network of its own.
    target = model.target_net.module[0]
    online, copied = model.backbone, target
    assert torch.allclose(online(x)[0], copied(x)[0], atol=1e-6)
    copied.eval()
    mine, its = (m.network.infrared_stem.conv1.weight
                 for m in (online, copied))
    assert mine.data_ptr() != its.data_ptr() and not its.requires_grad
    before = copied(x)[0]
    with torch.no_grad():
        its.zero_()
    changed = (copied(x)[0] != before).flatten(1).any(1)
    assert changed.tolist() == [False, True, True, False]
    # An average after the first step, not a copy.
    with torch.no_grad():
        mine.add_(1)
    start = its.clone()
    loss_of(model, 'byol')
    share = 0.01 * (math.cos(math.pi / 10) + 1) / 2
    assert torch.allclose(its, start + share * (mine - start), atol=1e-6)


# -------------------------------------------------------------- initial losses
class Constant(nn.Module):
    """Neck that returns what it was given once for every row."""

    def __init__(self, row):
        super().__init__()
        self.row = row

    def forward(self, x):
        return (self.row.expand(len(x[0]), -1), )


def test_simclr_of_equal_features_is_log_of_the_others():
    model = build('simclr')
    model.neck = Constant(torch.randn(1, WIDTH))
    # 6 images, 12 rows: 11 candidates that look alike.
    loss = float(loss_of(model, 'simclr').detach())
    assert loss == pytest.approx(math.log(11))


def test_swav_of_uniform_scores_is_log_of_the_prototypes():
    model = build('swav')
    with torch.no_grad():
        model.head.loss_module.prototypes.weight[:] = torch.randn(1, WIDTH)
    loss = float(loss_of(model, 'swav').detach())
    assert loss == pytest.approx(math.log(100), rel=1e-5)


@pytest.mark.parametrize('method, best', [('byol', -4), ('simsiam', -1)])
def test_bounds_of_the_predicting_methods(method, best):
    model = build(method)
    assert abs(float(loss_of(model, method).detach())) <= -best
    row = torch.randn(1, WIDTH)
    model.neck = Constant(row)
    if method == 'byol':
        model.target_net.module[1] = Constant(row)
        model.target_net.update_parameters = lambda model: None
    for sign in (1, -1):
        model.head.predictor = Constant(sign * row)
        loss = float(loss_of(model, method).detach())
        assert loss == pytest.approx(sign * best)


def test_barlow_twins_by_its_formula():
    model = build('barlow-twins')
    outputs = []
    model.neck.register_forward_hook(
        lambda module, args, output: outputs.append(output[0]))
    loss = float(loss_of(model, 'barlow-twins').detach())
    a, b = (z.detach().double().numpy() for z in outputs)
    a, b = ((z - z.mean(0)) / np.sqrt(z.var(0) + 1e-5) for z in (a, b))
    expected = 0
    for i in range(WIDTH):
        for j in range(WIDTH):
            c = (a[:, i] * b[:, j]).mean()
            expected += (c - 1)**2 if i == j else 0.0051 * c**2
    assert loss == pytest.approx(expected, rel=1e-4)


# -------------------------------------------------------------------- transfer
@pytest.mark.parametrize('method', METHODS)
def test_checkpoint_transfers(method, tmp_path):
    model = build(method)
    loss_of(model, method)
    path = tmp_path / 'epoch_1.pth'
    torch.save(dict(state_dict=model.state_dict()), path)
    # AGW's network has non-local blocks that no rival has trained.
    target = TwoStreamResNet(18, WIDTH // 8, non_local='agw')
    report = load_backbone(
        target, path, 'mmgl', allow_missing=('non_local.', 'plugins.'))
    source = model.backbone.network.state_dict()
    mine = target.state_dict()
    assert set(report.matched) == set(source)
    assert all(torch.equal(mine[k], v) for k, v in source.items())
    assert all(name.startswith('non_local.') for name in report.fresh)
    others = {name.split('.')[0] for name in report.dropped}
    expected = {'neck', 'head'} | (
        {'target_net'} if method == 'byol' else set())
    assert others <= expected and 'neck' in others
    assert ('target_net' in others) == (method == 'byol')


def test_one_stream_checkpoint_transfers_and_exports(tmp_path):
    model = build('byol', ONE_STREAM)
    target = OneStreamResNet(18, WIDTH // 8)
    load_backbone(target, model.state_dict(), 'mmgl')
    source = model.backbone.network.state_dict()
    assert all(torch.equal(v, source[k])
               for k, v in target.state_dict().items())
    path = export_backbone(model, tmp_path / 'backbone.pth')
    names = torch.load(path, weights_only=True)['state_dict']
    assert set(names) == {f'backbone.{name}' for name in source}
    both = TwoStreamResNet(18, WIDTH // 8)
    load_backbone(both, path, 'mmgl', stems='duplicate')
    assert torch.equal(both.infrared_stem.conv1.weight,
                       source['stem.conv1.weight'])


# ----------------------------------------------------------------------- views
@pytest.mark.parametrize('name', LEAVES)
def test_views_depend_on_the_draw_alone(name, tiny_sysu):
    cfg = leaf(name)
    cfg.train_dataloader.dataset['data_root'] = tiny_sysu
    with registry_scope('mmgl'):
        dataset = DATASETS.build(cfg.train_dataloader.dataset)

    def views(position):
        torch.rand(3), np.random.rand(3)
        inputs = dataset[Draw(5, 0, 2, position, 0)]['inputs']
        return [view.numpy() for view in inputs]

    first, again, other = views(3), views(3), views(4)
    assert all(np.array_equal(a, b)
               for a, b in zip(first, again, strict=True))
    assert not any(np.array_equal(a, b)
                   for a, b in zip(first, other, strict=True))
    # The views of one image differ too.
    assert not np.array_equal(first[0], first[1])


@pytest.mark.parametrize('name', LEAVES)
def test_views_fit_the_method(name, tiny_sysu):
    cfg = leaf(name)
    cfg.train_dataloader.dataset['data_root'] = tiny_sysu
    with registry_scope('mmgl'):
        dataset = DATASETS.build(cfg.train_dataloader.dataset)
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
    cfg.train_dataloader.dataset['data_root'] = tiny_sysu
    with registry_scope('mmgl'):
        dataset = DATASETS.build(cfg.train_dataloader.dataset)
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
        8 if network.depth == 18 else 32)
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
    hook, = (h for h in cfg.custom_hooks if h.type == 'mmgl.SwAVQueueHook')
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
        batch_size=batch_size, num_pairs_per_epoch=batch_size * iters // 2)
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
        hook, = (h for h in cfg.custom_hooks
                 if h.type == 'mmgl.SwAVQueueHook')
        hook.update(batch_size=4, queue_length=8, epoch_queue_starts=0,
                    feat_dim=WIDTH, frozen_layers_cfg=dict(prototypes=1))
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
    cfg['optim_wrapper'] = select_amp_wrapper(cfg.optim_wrapper)
    runner = build_runner(cfg)
    kinds = {}

    def note(name):
        def hook(module, args, output):
            kinds[name] = output.dtype
        return hook

    model = runner.model
    model.backbone.network.visible_stem.conv1.register_forward_hook(
        note('backbone'))
    model.neck.fc0.register_forward_hook(note('neck'))
    model.head.loss_module.register_forward_hook(note('loss'))
    runner.train()
    assert kinds.pop('backbone') != torch.float32
    assert set(kinds.values()) == {torch.float32} and len(kinds) == 2


def test_collapse_ends_the_run_with_a_verdict(tiny_sysu, tmp_path):
    cfg = small('simsiam')
    cfg.optim_wrapper.optimizer['lr'] = 0.
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
    model = nn.ModuleDict(dict(
        backbone=TwoStreamResNet(18, 4),
        neck=nn.ModuleDict(dict(fc0=nn.Linear(2, 2),
                                bn0=nn.BatchNorm1d(2))),
        head=nn.ModuleDict(dict(predictor=nn.Linear(2, 2)))))
    special = {id(p) for m in model.modules()
               if isinstance(m, nn.modules.batchnorm._BatchNorm)
               for p in m.parameters()}
    special |= {id(p) for name, p in model.named_parameters()
                if name.endswith('bias')}

    def groups(method):
        cfg = leaf(f'{method}-native_two-stream_r50_96-100e_sysu')
        wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
        return {id(p): group for group in wrapper.optimizer.param_groups
                for p in group['params']}

    rates = {'simclr': (.1125, .1125), 'byol': (.1125, .1125),
             'barlow-twins': (.075, .075 * .024)}
    for method, (rate, special_rate) in rates.items():
        for key, group in groups(method).items():
            decay = 0 if key in special else 1e-6
            assert group['weight_decay'] == pytest.approx(decay)
            assert group['lr'] == pytest.approx(
                special_rate if key in special else rate)
    fixed = {key for key, group in groups('simsiam').items()
             if group.get('fix_lr')}
    assert fixed == {id(p) for p in model['head'].parameters()}
    swav, = {(g['lr'], g['momentum'], g['weight_decay'])
             for g in groups('swav').values()}
    assert swav == (.225, 0, 0)
