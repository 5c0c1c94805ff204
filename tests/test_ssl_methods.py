"""The contrastive rivals: mmpretrain's classes on this package's parts."""

import math

import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate
from mmengine.logging import MessageHub
from ssl_parts import METHODS, ONE_STREAM, WIDTH, small
from torch import nn

from mmgl.checkpoints.export import export_backbone
from mmgl.checkpoints.fit import load_backbone
from mmgl.models.backbones import OneStreamResNet, TwoStreamResNet
from mmgl.registry import MODELS
from mmgl.structures import ReIDDataSample
from mmgl.utils.compat import registry_scope


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
        items.append(
            dict(
                inputs=views if method == 'swav' else torch.stack(views),
                data_samples=ReIDDataSample(
                    pid=0, modality=m, camid=1, index=1
                ),
            )
        )
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
    idle = [
        name
        for name, p in model.named_parameters()
        if p.requires_grad and p.grad is None
    ]
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
    mine, its = (
        m.network.infrared_stem.conv1.weight for m in (online, copied)
    )
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
        return (self.row.expand(len(x[0]), -1),)


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
        lambda module, args, output: outputs.append(output[0])
    )
    loss = float(loss_of(model, 'barlow-twins').detach())
    a, b = (z.detach().double().numpy() for z in outputs)
    a, b = ((z - z.mean(0)) / np.sqrt(z.var(0) + 1e-5) for z in (a, b))
    expected = 0
    for i in range(WIDTH):
        for j in range(WIDTH):
            c = (a[:, i] * b[:, j]).mean()
            expected += (c - 1) ** 2 if i == j else 0.0051 * c**2
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
        target, path, 'mmgl', allow_missing=('non_local.', 'plugins.')
    )
    source = model.backbone.network.state_dict()
    mine = target.state_dict()
    assert set(report.matched) == set(source)
    assert all(torch.equal(mine[k], v) for k, v in source.items())
    assert all(name.startswith('non_local.') for name in report.fresh)
    others = {name.split('.')[0] for name in report.dropped}
    expected = {'neck', 'head'} | (
        {'target_net'} if method == 'byol' else set()
    )
    assert others <= expected and 'neck' in others
    assert ('target_net' in others) == (method == 'byol')


def test_one_stream_checkpoint_transfers_and_exports(tmp_path):
    model = build('byol', ONE_STREAM)
    target = OneStreamResNet(18, WIDTH // 8)
    load_backbone(target, model.state_dict(), 'mmgl')
    source = model.backbone.network.state_dict()
    assert all(
        torch.equal(v, source[k]) for k, v in target.state_dict().items()
    )
    path = export_backbone(model, tmp_path / 'backbone.pth')
    names = torch.load(path, weights_only=True)['state_dict']
    assert set(names) == {f'backbone.{name}' for name in source}
    both = TwoStreamResNet(18, WIDTH // 8)
    load_backbone(both, path, 'mmgl', stems='duplicate')
    assert torch.equal(
        both.infrared_stem.conv1.weight, source['stem.conv1.weight']
    )
