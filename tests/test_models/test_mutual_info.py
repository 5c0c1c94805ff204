"""The network of the MutualInfo configs has the published sizes."""

import pytest
import torch
from small_models import num_parameters as size

from mmgl import build_model
from mmgl.config.loading import load_config
from mmgl.registry import MODELS
from mmgl.structures import ReIDDataSample
from mmgl.utils.compat import registry_scope
from mmgl.utils.paths import config_dir


@pytest.fixture(scope='module')
def model():
    """Three ResNet-50 with classifiers of 395 identities: a few seconds."""
    return build_model('finetune/mutual-info_r50_128-600e_sysu')


def test_parameters(model):
    # torchvision's ResNet-50 without its classifier; three factors gamma.
    assert size(model.backbone) == 3 * (23_508_032 + 3)
    assert size(model.neck) == 3 * (2 * 2048 + 2_809_012)
    assert size(model.heads['distillation']) == 3 * (
        2048 * 395 + 395 + 233_355
    )
    assert size(model.heads['ranking']) == 0


def test_feature_at_full_size(model):
    """Four passes of one image, two seconds; the modality plays no role."""
    x = torch.randn(1, 3, 256, 128)
    with torch.no_grad():
        feature = model(x, dict(modality=torch.tensor([0])))
        again = model(x, dict(modality=torch.tensor([1])))
    assert feature.shape == (1, 8192)
    assert torch.equal(feature, again)
    assert len(set(feature.view(4, 2048).mean(1).tolist())) == 4


def narrow(variant=''):
    cfg = load_config(
        config_dir()
        / 'mmgl/finetune'
        / f'mutual-info{variant}_r18-narrow_synthetic.py'
    )
    cfg.model.backbone.network['base_channels'] = 8
    with registry_scope('mmgl'):
        return MODELS.build(cfg.model)


@pytest.mark.parametrize('variant', ['', '-paper'])
def test_every_parameter_gets_a_gradient(variant):
    """Distributed training waits for those that get none."""
    net = narrow(variant)
    targets = dict(modality=torch.arange(8) // 2 % 2, pid=torch.arange(8) % 2)
    losses = net(torch.randn(8, 3, 48, 24), targets, mode='loss')
    sum(v for k, v in losses.items() if 'loss' in k).backward()
    lacking = [
        name
        for name, p in net.named_parameters()
        if p.requires_grad and p.grad is None
    ]
    assert not lacking
    frozen = [
        name for name, p in net.named_parameters() if not p.requires_grad
    ]
    assert frozen == [
        f'neck.bn.{name}.bias' for name in ('visible', 'infrared', 'shared')
    ]


def test_test_feature_has_length_one_as_a_whole():
    net = narrow().eval()
    samples = [ReIDDataSample(pid=0, modality=m) for m in (0, 1)]
    with torch.no_grad():
        net(
            torch.randn(2, 3, 48, 24),
            dict(modality=torch.tensor([0, 1])),
            samples,
            mode='predict',
        )
    for sample in samples:
        assert sample.feature.shape == (4 * 64,)
        assert sample.feature.norm().item() == pytest.approx(1, abs=1e-5)


def test_plain_config_has_the_terms_of_the_public_code():
    cfg = load_config(
        config_dir() / 'mmgl/finetune/mutual-info_r18-narrow_synthetic.py'
    )
    head = narrow().heads['distillation']
    assert (head.kl_mode, head.cml) == ('released', 'released')
    assert head.loss_weights == dict(ce=1, cml=8, vsd=2, vcd=2, vml=0)
    assert 'LossRampHook' not in str(cfg.custom_hooks)


def test_variant_has_the_terms_of_the_paper():
    head = narrow('-paper').heads['distillation']
    assert (head.kl_mode, head.cml) == ('paper', 'sinkhorn')
    assert head.loss_weights == dict(ce=1, cml=8, vsd=1, vcd=1, vml=1)
    for leaf, end in (
        ('r18-narrow_synthetic', 1),
        ('r50_128-600e_sysu', 10),
        ('r50_64-600e_regdb', 10),
    ):
        plain, paper = (
            load_config(config_dir() / f'mmgl/finetune/{name}_{leaf}.py')
            for name in ('mutual-info', 'mutual-info-paper')
        )
        assert paper.custom_hooks == plain.custom_hooks + [
            dict(type='LossRampHook', loss='heads.distillation', end=end)
        ]


@pytest.mark.parametrize('variant', ['', '-paper'])
def test_losses_under_autocast_are_those_of_fp32(variant):
    net = narrow(variant)
    for module in net.heads['distillation'].modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    x = torch.randn(8, 3, 48, 24)
    targets = dict(modality=torch.arange(8) // 2 % 2, pid=torch.arange(8) % 2)
    want = net(x, targets, mode='loss')
    with torch.autocast('cpu', dtype=torch.bfloat16):
        got = net(x, targets, mode='loss')
    for name, value in want.items():
        if 'loss' in name:
            assert got[name].dtype == torch.float32
            assert got[name].item() == pytest.approx(
                value.item(), rel=0.1, abs=2e-2
            ), name
