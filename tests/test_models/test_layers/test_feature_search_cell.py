import pytest
import torch

from mmgl.models.backbones import TwoStreamResNet
from mmgl.models.functional.feature_search import (
    PHASES,
    logistic_noise,
    pixel_statistics,
)
from mmgl.models.layers import FeatureSearchCell

CELL = dict(type='FeatureSearchCell')
STAGES = ('layer1', 'layer2', 'layer3', 'layer4')


def features(b=6, c=5, h=4, w=3, seed=1):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(b, c, h, w, generator=generator).relu()
    return x, torch.arange(b) % 2


def searching(cell, phase='search', temperature=0.5):
    """A cell whose parameters are all at random, in a phase."""
    generator = torch.Generator().manual_seed(7)
    for parameter in cell.parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        parameter.data.copy_(noise)
    cell.set_phase(phase, temperature)
    return cell


def naive(cell, x, modality, hard):
    """The definition, image by image, without noise."""
    out = []
    for image, m in zip(x, modality.tolist(), strict=True):
        logits = cell.channel_logit + cell.channel_offset[m]
        gate = (
            (logits > 0).float()
            if hard
            else (logits / cell.temperature).sigmoid()
        )
        image = torch.stack([g * c for g, c in zip(gate, image, strict=True)])
        maps = []
        for value in (image.mean(0), image.amax(0)):
            std = (value.var(unbiased=False) + 1e-5).sqrt()
            maps.append((value - value.mean()) / std)
        padded = torch.nn.functional.pad(torch.stack(maps), (3, 3, 3, 3))
        logits = torch.empty(image.shape[1:])
        for i in range(image.shape[1]):
            for j in range(image.shape[2]):
                window = padded[:, i : i + 7, j : j + 7]
                logits[i, j] = (
                    (window * cell.pixel_weight[0]).sum()
                    + cell.pixel_bias[0]
                    + cell.pixel_offset[m]
                )
        gate = (
            (logits > 0).float()
            if hard
            else (logits / cell.temperature).sigmoid()
        )
        out.append(image * gate)
    return torch.stack(out)


@pytest.mark.parametrize('hard', [False, True])
def test_cell_equals_the_definition_with_gradients(hard):
    cell = searching(FeatureSearchCell(5), 'hard' if hard else 'search')
    x, modality = features()
    x.requires_grad_()
    weight = torch.randn(x.shape)
    got = cell.eval()(x, modality)
    want = naive(cell, x, modality, hard)
    torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-5)
    inputs = [x] if hard else [x, *cell.parameters()]
    for a, b in zip(
        torch.autograd.grad((got * weight).sum(), inputs),
        torch.autograd.grad((want * weight).sum(), inputs),
        strict=True,
    ):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


def test_hard_gates_close_something_here():
    # Or the equality above would say nothing.
    cell = searching(FeatureSearchCell(5), 'hard').eval()
    x, modality = features()
    y = cell(x, modality)
    subsets = cell.channel_subsets()
    assert not torch.equal(*subsets)
    for image, m in zip(y, modality.tolist(), strict=True):
        assert (image[~subsets[m]] == 0).all()
    open_pixels = (y[:, subsets.all(0)] > 0).any(1)
    assert 0 < open_pixels.float().mean() < 1


def test_start_scale_is_near_one():
    cell = FeatureSearchCell(64).eval()
    cell.set_phase('search', 1.0)
    x, modality = features(c=64)
    scale = (cell(x, modality) / x.clamp(min=1e-9)).max().item() ** 4
    assert scale == pytest.approx(0.948, abs=2e-3)
    cell.train()
    torch.manual_seed(0)
    # With noise at temperature 1 the mean gate is .973.
    noisy = (cell(x, modality).sum() / x.sum()).item() ** 4
    assert 0.75 < noisy < 0.85


@pytest.mark.parametrize(
    'level, parameters',
    [('none', 0), ('channel', 15), ('spatial', 101), ('both', 116)],
)
def test_levels(level, parameters):
    cell = FeatureSearchCell(5, search_level=level)
    assert sum(p.numel() for p in cell.parameters()) == parameters
    searching(cell)
    x, modality = features()
    changed = not torch.equal(cell(x, modality), x)
    assert changed == (level != 'none')
    terms = cell.auxiliary_losses()
    assert ('channel_iou' in terms) == (level in ('channel', 'both'))
    assert ('pixel_kept' in terms) == (level in ('spatial', 'both'))
    assert ('loss_selection' in terms) == (level != 'none')
    assert cell.channel_subsets().shape == (2, 5)


def test_noise_only_while_training():
    cell = searching(FeatureSearchCell(5))
    x, modality = features()
    assert not torch.equal(cell(x, modality), cell(x, modality))
    torch.manual_seed(3)
    one = cell(x, modality)
    torch.manual_seed(3)
    assert torch.equal(cell(x, modality), one)
    cell.eval()
    assert torch.equal(cell(x, modality), cell(x, modality))


@pytest.mark.parametrize('phase', PHASES)
def test_search_parameters_have_a_gradient_in_the_search_only(phase):
    cell = searching(FeatureSearchCell(5), phase)
    x, modality = features()
    y = cell(x, modality)
    (y.square().sum() + cell.auxiliary_losses()['loss_selection']).backward()
    for name, parameter in cell.named_parameters():
        # Never None: distributed training waits for each gradient.
        moved = parameter.grad.abs().sum() > 0
        assert moved == (phase == 'search'), name


def test_selection_loss_and_log():
    cell = searching(
        FeatureSearchCell(
            5, channel_target=0.7, spatial_target=0.4, loss_weight=2.0
        )
    )
    x, modality = features()
    x.requires_grad_()
    torch.manual_seed(3)
    cell(x, modality)
    terms = cell.auxiliary_losses()
    assert cell.auxiliary_losses() == {}
    # Again by hand, with the same draws.
    torch.manual_seed(3)
    logits = cell.channel_logits()
    channel = ((logits + logistic_noise(logits)) / 0.5).sigmoid()
    hidden = torch.stack(
        [
            image * channel[m][:, None, None]
            for image, m in zip(x, modality.tolist(), strict=True)
        ]
    )
    maps = torch.nn.functional.conv2d(
        pixel_statistics(hidden, 5), cell.pixel_weight, padding=3
    )
    logits = maps + cell.pixel_biases()[modality][:, None, None, None]
    pixel = ((logits + logistic_noise(logits)) / 0.5).sigmoid()
    want = 2 * ((channel.mean() - 0.7) ** 2 + (pixel.mean() - 0.4) ** 2)
    torch.testing.assert_close(terms['loss_selection'], want)
    visible, infrared = cell.channel_subsets().tolist()
    both = sum(a and b for a, b in zip(visible, infrared, strict=True))
    either = sum(a or b for a, b in zip(visible, infrared, strict=True))
    assert terms['channel_kept'].item() == pytest.approx(
        (sum(visible) + sum(infrared)) / 10
    )
    assert 0 < both < either
    assert terms['channel_iou'].item() == pytest.approx(both / either)
    torch.testing.assert_close(
        terms['pixel_kept'], (logits > 0).float().mean()
    )
    # It pulls on the logits.
    terms['loss_selection'].backward()
    assert cell.channel_logit.grad.abs().sum() > 0


@pytest.mark.parametrize('phase', ['warm-up', 'hard'])
def test_no_selection_loss_outside_the_search(phase):
    cell = searching(FeatureSearchCell(5), phase)
    cell(*features())
    assert cell.auxiliary_losses()['loss_selection'] == 0
    cell.eval()
    cell(*features())
    assert cell.auxiliary_losses() == {}


def test_order_of_the_batch_does_not_matter():
    cell = searching(FeatureSearchCell(5)).eval()
    x, modality = features()
    order = torch.randperm(len(x))
    torch.testing.assert_close(
        cell(x[order], modality[order]), cell(x, modality)[order]
    )
    # One draw for each modality: in training too, but for the pixels.
    cell = searching(FeatureSearchCell(5, search_level='channel'))
    torch.manual_seed(0)
    one = cell(x, modality)
    torch.manual_seed(0)
    assert torch.equal(cell(x[order], modality[order]), one[order])


def test_autocast_keeps_the_gates_exact():
    cell = searching(FeatureSearchCell(5)).eval()
    x, modality = features()
    with torch.autocast('cpu', dtype=torch.bfloat16):
        half = cell(x.bfloat16(), modality)
        assert torch.equal(cell(x, modality), cell(x, modality))
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(
        half.float(), cell(x, modality), atol=0.05, rtol=0.05
    )


def test_bad_settings():
    with pytest.raises(ValueError, match='search_level'):
        FeatureSearchCell(4, search_level='pixel')
    with pytest.raises(ValueError, match='spatial_target'):
        FeatureSearchCell(4, spatial_target=1.2)
    for phase, temperature in (('late', 1.0), ('search', 0.0)):
        with pytest.raises(ValueError, match='phase'):
            FeatureSearchCell(4).set_phase(phase, temperature)


# ------------------------------------------------------------ in the backbone
def two_streams(plugins=None):
    torch.manual_seed(5)
    return TwoStreamResNet(depth=18, base_channels=8, plugins=plugins)


def images(n=4):
    generator = torch.Generator().manual_seed(2)
    return (
        torch.randn(n, 3, 96, 48, generator=generator),
        torch.arange(n) % 2,
    )


@pytest.mark.parametrize('training', [True, False])
def test_open_gates_are_the_plain_backbone(training):
    plain = two_streams().train(training)
    searched = two_streams({stage: CELL for stage in STAGES}).train(training)
    searched.load_state_dict(plain.state_dict(), strict=False)
    x, modality = images()
    assert torch.equal(searched(x, modality), plain(x, modality))
    for cell in searched.plugins.values():
        cell.set_phase('search', 1.0)
    assert not torch.equal(searched(x, modality), plain(x, modality))


def test_parameters_of_all_cells_of_a_resnet50():
    backbone = TwoStreamResNet(50, plugins={stage: CELL for stage in STAGES})
    numbers = {
        kind: sum(
            p.numel()
            for n, p in backbone.plugins.named_parameters()
            if kind in n
        )
        for kind in ('channel', 'pixel')
    }
    # 3 x (256 + 512 + 1024 + 2048), and 4 x (98 + 1 + 2).
    assert numbers == dict(channel=11_520, pixel=404)
    plain = TwoStreamResNet(50)
    assert (
        sum(p.numel() for p in backbone.parameters())
        - sum(p.numel() for p in plain.parameters())
        == 11_924
    )


def test_identity_loss_reaches_search_parameters():
    backbone = two_streams({stage: CELL for stage in STAGES})
    for cell in backbone.plugins.values():
        cell.set_phase('search', 1.0)
    x, modality = images()
    logits = torch.nn.Linear(64, 4)(backbone(x, modality).mean((2, 3)))
    torch.nn.functional.cross_entropy(logits, torch.arange(4)).backward()
    for name, parameter in backbone.plugins.named_parameters():
        assert parameter.grad.abs().sum() > 0, name
    assert len(backbone.auxiliary_losses()) == 16
