import copy

import pytest
import torch
from torch.nn.modules.batchnorm import _BatchNorm

from mmgl.models.backbones import OneStreamResNet, TwoStreamResNet
from mmgl.models.pruned_backbone import PrunedBackbone, channel_subsets
from mmgl.models.pruning import load_pruned, prune_model, save_pruned
from mmgl.registry import MODELS
from mmgl.utils.compat import registry_scope

STAGES = ('layer1', 'layer2', 'layer3', 'layer4')


def model_cfg(depth=18, level='both', stages=STAGES, kind='TwoStreamResNet'):
    cell = dict(type='FeatureSearchCell', search_level=level)
    return dict(
        type='ReIDModel',
        backbone=dict(
            type=kind,
            depth=depth,
            base_channels=8,
            plugins={stage: cell for stage in stages},
        ),
        neck=dict(type='GlobalFeatureNeck'),
        heads=dict(id=dict(type='ClassifierHead', num_classes=4)),
    )


def hard_model(phase='hard', **kwargs):
    """A model as after training, some 70 % of its variables selected."""
    torch.manual_seed(11)
    with registry_scope('mmgl'):
        model = MODELS.build(model_cfg(**kwargs)).eval()
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
    for cell in model.backbone.plugins.values():
        for parameter in cell.parameters():
            parameter.data.normal_()
        if cell.by_channel:
            cell.channel_logit.data.add_(0.7)
        if cell.by_pixel:
            cell.pixel_weight.data.mul_(0.2)
            cell.pixel_bias.data.fill_(0.5)
        cell.set_phase(phase, 0.1)
    return model


def images(n=6, dtype=torch.float64):
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(n, 3, 96, 48, generator=generator, dtype=dtype)
    return x, dict(modality=torch.tensor([0, 1, 1, 0, 1, 0])[:n])


def check_equal(model, pruned):
    """In double precision: the products are the same, in another order."""
    x, targets = images()
    with torch.no_grad():
        want, got = (
            copy.deepcopy(m.backbone).double()(x, targets['modality'])
            for m in (model, pruned)
        )
    # Something depends on the image, or any two networks would be equal.
    assert want.std(dim=0).max() > 0.1
    torch.testing.assert_close(got, want, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize('depth', [18, 50])
@pytest.mark.parametrize('level', ['none', 'channel', 'spatial', 'both'])
def test_pruned_network_equals_the_gated_one(depth, level):
    model = hard_model(depth=depth, level=level)
    check_equal(model, prune_model(model))


@pytest.mark.parametrize(
    'settings',
    [
        dict(stages=('layer2', 'layer4')),
        dict(stages=('layer1',)),
        dict(kind='OneStreamResNet'),
    ],
)
def test_cells_at_some_stages_and_one_stream(settings):
    model = hard_model(**settings)
    check_equal(model, prune_model(model))


def test_fp32_differs_by_rounding_only():
    model = hard_model(level='channel')
    x, targets = images(dtype=torch.float32)
    with torch.no_grad():
        want, got = model(x, targets), prune_model(model)(x, targets)
    torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-4)


def test_gates_are_masks_to_the_last_bit():
    """The hard network is the plain one with closed channels set to 0."""
    model = hard_model(level='channel')
    gated = model.backbone
    plain = TwoStreamResNet(depth=18, base_channels=8).eval()
    plain.load_state_dict(
        {k: v for k, v in gated.state_dict().items() if 'plugins' not in k}
    )
    x, targets = images(dtype=torch.float32)
    subsets = channel_subsets(gated)
    for name, modality in (('visible', 0), ('infrared', 1)):
        index = targets['modality'] == modality
        value = getattr(plain, f'{name}_stem')(x[index])
        for stage in STAGES:
            value = getattr(plain, stage)(value)
            value = value * subsets[name][stage][:, None, None]
        assert torch.equal(gated(x, targets['modality'])[index], value)


def test_closed_channels_can_be_zeroed_in_the_weights_to_the_last_bit():
    """What removes them: nothing reads them, whatever stands in them."""
    model = hard_model(level='channel')
    gated = model.backbone
    kept = channel_subsets(gated)['infrared']
    plain = OneStreamResNet(depth=18, base_channels=8).eval()
    plain.load_state_dict(
        {
            k.replace('infrared_stem', 'stem'): v
            for k, v in gated.state_dict().items()
            if 'plugins' not in k and 'visible' not in k
        }
    )
    for before, after in zip(STAGES, STAGES[1:], strict=False):
        first = getattr(plain, after)[0]
        for conv in (first.conv1, first.downsample[0]):
            conv.weight.data[:, ~kept[before]] = 0
    x, targets = images(dtype=torch.float32)
    index = targets['modality'] == 1
    with torch.no_grad():
        want = gated(x, targets['modality'])[index]
        got = plain(x[index], torch.ones(int(index.sum())).long())
    assert torch.equal(got[:, kept['layer4']], want[:, kept['layer4']])
    assert (want[:, ~kept['layer4']] == 0).all()
    assert (got[:, ~kept['layer4']] != 0).any()


def test_channels_are_gone():
    model = hard_model(depth=50)
    pruned = prune_model(model).backbone
    for name, subsets in channel_subsets(model.backbone).items():
        stream = getattr(pruned, name)
        before = None
        for stage in STAGES:
            blocks, kept = getattr(stream, stage), int(subsets[stage].sum())
            assert 0 < kept < len(subsets[stage])
            assert len(blocks[-1].conv3.weight) == kept
            assert len(blocks[-1].bn3.running_var) == kept
            # Earlier blocks carry the channel in their shortcuts.
            assert len(blocks[0].conv3.weight) == len(subsets[stage])
            if before is not None:
                assert blocks[0].conv1.weight.shape[1] == before
                assert blocks[0].downsample[0].weight.shape[1] == before
            before = kept
    streams = (pruned.visible, pruned.infrared)
    sizes = [sum(p.numel() for p in s.parameters()) for s in streams]
    whole = sum(
        p.numel()
        for n, p in model.backbone.named_parameters()
        if 'plugins' not in n and 'visible' not in n
    )
    assert max(sizes) < whole
    assert not any('plugins' in name for name in pruned.state_dict())


def test_model_is_left_alone():
    model = hard_model()
    before = copy.deepcopy(model.state_dict())
    prune_model(model)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_saved_and_loaded(tmp_path):
    model = hard_model(depth=50)
    path = tmp_path / 'new' / 'pruned.pth'
    pruned = save_pruned(model, model_cfg(depth=50), path)
    assert [p.name for p in path.parent.iterdir()] == ['pruned.pth']
    with registry_scope('mmgl'):
        loaded = load_pruned(path)
    x, targets = images(dtype=torch.float32)
    with torch.no_grad():
        assert torch.equal(loaded(x, targets), pruned(x, targets))
    assert not loaded.training


def test_refusals(tmp_path):
    with pytest.raises(ValueError, match='search has ended'):
        prune_model(hard_model('search'))
    with registry_scope('mmgl'):
        cfg = model_cfg()
        cfg['backbone'].pop('plugins')
        with pytest.raises(ValueError, match='search has ended'):
            prune_model(MODELS.build(cfg))
    model = hard_model()
    model.backbone.plugins['layer2'].channel_offset.data[1] = -99
    with pytest.raises(ValueError, match=r"\['layer2'\] for infrared"):
        prune_model(model)
    model = hard_model()
    model.backbone.plugins['layer2'] = torch.nn.Identity()
    with pytest.raises(ValueError, match='layer2, a Identity'):
        prune_model(model)
    with pytest.raises(ValueError, match='non-local'):
        PrunedBackbone(OneStreamResNet(18, 8, non_local='agw'))
    with pytest.raises(FileNotFoundError, match='no file'):
        load_pruned(tmp_path / 'a.pth')
    torch.save(dict(state_dict={}), tmp_path / 'b.pth')
    with pytest.raises(ValueError, match='lacks'):
        load_pruned(tmp_path / 'b.pth')
