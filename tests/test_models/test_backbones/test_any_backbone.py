"""Networks of mmpretrain and timm as one- and two-stream backbones."""

import copy
import sys

import numpy as np
import pytest
import torch
import torchvision
from small_models import FINETUNE, PRETRAIN, global_batch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

import mmgl
from mmgl.checkpoints.fit import load_backbone
from mmgl.models.backbones import AnyBackbone, TwoStreamResNet
from mmgl.models.single_modality import for_one_modality
from mmgl.registry import MODELS
from mmgl.utils.compat import registry_scope
from mmgl.utils.errors import ConfigError

TINY = dict(embed_dims=24, num_layers=2, num_heads=2, feedforward_channels=32)
NETWORKS = dict(
    resnet=dict(
        network=dict(
            type='mmpretrain.ResNet',
            depth=18,
            stem_channels=8,
            base_channels=8,
            strides=(1, 2, 2, 1),
        ),
        stem=['conv1', 'bn1'],
    ),
    mobilenet=dict(
        network=dict(type='mmpretrain.MobileNetV2', widen_factor=0.1),
        stem=['conv1'],
        stride_one=['layer6'],
    ),
    convnext=dict(
        network=dict(
            type='mmpretrain.ConvNeXt',
            arch=dict(depths=[1, 1, 1, 1], channels=[8, 16, 16, 32]),
            gap_before_final_norm=False,
        ),
        stem=['downsample_layers.0'],
    ),
    vit=dict(
        network=dict(
            type='mmpretrain.VisionTransformer',
            arch=TINY,
            img_size=(96, 48),
            out_type='featmap',
        ),
        stem=['patch_embed.projection'],
    ),
    deit=dict(
        network=dict(
            type='mmpretrain.DistilledVisionTransformer',
            arch=TINY,
            # As ImageNet weights have it: the position embedding is resized.
            img_size=224,
            out_type='raw',
        ),
        stem=['patch_embed.projection'],
        class_token='add',
    ),
    timm_resnet=dict(
        network=dict(
            type='mmpretrain.TIMMBackbone',
            model_name='test_resnet',
            output_stride=16,
        ),
        stem=['timm_model.conv1', 'timm_model.bn1'],
    ),
    timm_vit=dict(
        network=dict(
            type='mmpretrain.TIMMBackbone',
            model_name='test_vit',
            img_size=(96, 48),
        ),
        stem=['timm_model.patch_embed.proj'],
    ),
)
ROWS = dict(convnext=3)
IMAGES = torch.rand(
    4, 3, 96, 48, generator=torch.Generator().manual_seed(1)
).double()
MIXED = torch.tensor([1, 0, 0, 1])


def config(name, **changes):
    if name.startswith('timm'):
        pytest.importorskip('timm')
    return dict(NETWORKS[name], type='AnyBackbone', **changes)


def build(name, **changes):
    torch.manual_seed(0)
    with registry_scope():
        backbone = MODELS.build(config(name, **changes))
    return settle(backbone.double())


def settle(network, *args):
    """Give batch norms the statistics of some images, as after a training."""
    for module in network.modules():
        if isinstance(module, _BatchNorm):
            module.momentum = 1.0
    network.train()
    with torch.no_grad():
        network(*(args or (IMAGES, MIXED)))
    network.eval()
    return network


def named(backbone):
    return {f'backbone.{k}': v for k, v in backbone.state_dict().items()}


@pytest.mark.parametrize('name', NETWORKS)
def test_each_image_goes_through_the_stem_of_its_modality(name):
    backbone = build(name)
    with torch.no_grad():
        both = backbone(IMAGES, MIXED)
        rows = ROWS.get(name, 6)
        assert both.shape[:3] == (4, backbone.out_channels, rows)
        for modality in (0, 1):
            mine = MIXED == modality
            alone = backbone(IMAGES[mine], MIXED[mine])
            torch.testing.assert_close(both[mine], alone)
        # The stems differ, and nothing else does.
        swapped = backbone(IMAGES, 1 - MIXED)
        assert ((both - swapped).flatten(1).abs().amax(1) > 1e-3).all()
        first, second = backbone.visible_stem, backbone.infrared_stem
        second.load_state_dict(first.state_dict())
        torch.testing.assert_close(
            backbone(IMAGES, MIXED), backbone(IMAGES, 1 - MIXED)
        )


@pytest.mark.parametrize('name', NETWORKS)
def test_one_stream_is_the_network_itself(name):
    """Also: a file of the network is loaded under the network's own names."""
    with registry_scope():
        network = MODELS.build(config(name)['network'])
    settle(network.double(), IMAGES)
    backbone = build(name, two_stream=False, stride_one=())
    file = {
        k.removeprefix('timm_model.'): v
        for k, v in network.state_dict().items()
    }
    file['fc.weight'] = torch.zeros(10, 3)
    report = load_backbone(backbone, file, 'imagenet')
    assert report.dropped == ('fc.weight',) and not report.fresh
    with torch.no_grad():
        want = network(IMAGES)[-1]
        got = backbone(IMAGES, MIXED)
    if want.ndim == 3:
        extra = dict(deit=2).get(name, 1)
        tokens = want[:, extra:]
        if name == 'deit':
            tokens = tokens + want[:, :1]
        # Row by row, as an image is read.
        want = torch.stack(
            [tokens[:, 3 * i : 3 * i + 3] for i in range(6)], 1
        ).permute(0, 3, 1, 2)
    torch.testing.assert_close(got, want)


@pytest.mark.parametrize('name', NETWORKS)
def test_one_step_of_mmgl_then_of_agw(name):
    """The backbone goes from the one to the other as it is."""
    images, samples = global_batch()
    data = dict(inputs=list(images), data_samples=samples)
    state = None
    for model in (PRETRAIN, FINETUNE):
        cfg = dict(copy.deepcopy(model), backbone=config(name))
        if model is PRETRAIN:
            for head in cfg['heads'].values():
                head['num_stripes'] = ROWS.get(name, 6)
        with registry_scope():
            model = MODELS.build(cfg)
        if state:
            report = load_backbone(model.backbone, state, 'mmgl')
            assert not report.fresh
            assert len(report.matched) == len(model.backbone.state_dict())
        batch = model.data_preprocessor(data, training=True)
        if state is None:
            rows = ROWS.get(name, 6)
            order = torch.stack(
                [torch.randperm(rows) for _ in range(8)]
            ).repeat_interleave(2, 0)
            batch['targets']['permutation'] = order
        before = copy.deepcopy(model.backbone.state_dict())
        losses = model(**batch, mode='loss')
        total = sum(v for k, v in losses.items() if 'loss' in k)
        assert total.isfinite()
        total.backward()
        still = [
            k for k, p in model.backbone.named_parameters() if p.grad is None
        ]
        assert not still
        torch.optim.SGD(model.parameters(), 0.1).step()
        state = {
            f'backbone.{k}': v for k, v in model.backbone.state_dict().items()
        }
        assert any(
            not torch.equal(v, before[k.removeprefix('backbone.')])
            for k, v in state.items()
        )


@pytest.mark.parametrize('name', ['mobilenet', 'vit'])
def test_stems_are_duplicated_and_chosen(name):
    one, two = build(name, two_stream=False), build(name)
    load_backbone(two, named(one), 'mmgl', stems='duplicate')
    with torch.no_grad():
        want = one(IMAGES, MIXED)
        torch.testing.assert_close(two(IMAGES, MIXED), want)
        two = build(name)
        for modality, stems in enumerate(('visible', 'infrared')):
            load_backbone(one, named(two), 'mmgl', stems=stems)
            all_of_it = torch.full((4,), modality)
            torch.testing.assert_close(
                one(IMAGES, MIXED), two(IMAGES, all_of_it)
            )
    with pytest.raises(ConfigError, match='stems'):
        load_backbone(two, named(one), 'mmgl')


def test_resnet_equals_ours_with_the_same_weights():
    """18 layers at full width (0.5 s): the file is torchvision's."""
    file = torchvision.models.resnet18().state_dict()
    ours = TwoStreamResNet(18, last_stride=1).eval().double()
    with registry_scope():
        other = (
            AnyBackbone(
                dict(type='mmpretrain.ResNet', depth=18),
                stem=['conv1', 'bn1'],
                stride_one=['layer4.0'],
            )
            .eval()
            .double()
        )
    for backbone in (ours, other):
        load_backbone(backbone, file, 'imagenet')
    with torch.no_grad():
        torch.testing.assert_close(other(IMAGES, MIXED), ours(IMAGES, MIXED))


def test_tensors_of_other_names_go_by_their_order():
    """MobileNetV2 of torchvision, at full width (0.5 s)."""
    reference = settle(torchvision.models.mobilenet_v2().double(), IMAGES)
    with registry_scope():
        backbone = (
            AnyBackbone(dict(type='mmpretrain.MobileNetV2'), ['conv1'])
            .eval()
            .double()
        )
    file = reference.state_dict()
    report = load_backbone(backbone, file, 'imagenet')
    assert report.dropped == ('classifier.1.weight', 'classifier.1.bias')
    with torch.no_grad():
        want = reference.features(IMAGES)
        torch.testing.assert_close(backbone(IMAGES, MIXED), want)
    # Two layers of another shape: nothing is loaded.
    names = list(file)
    swapped = dict(file)
    swapped[names[0]] = file[names[6]]
    before = copy.deepcopy(backbone.state_dict())
    with pytest.raises(ConfigError, match='does not fit'):
        load_backbone(backbone, swapped, 'imagenet')
    after = backbone.state_dict()
    assert all(torch.equal(before[k], after[k]) for k in before)


def test_trunk_sees_the_mixed_batch():
    backbone = build('mobilenet').train()
    seen = []
    norm = backbone.trunk.layer1[0].conv[0].bn
    norm.register_forward_hook(lambda _, x, y: seen.append(len(x[0])))
    backbone(IMAGES, MIXED)
    assert seen == [4]
    # A stem without images keeps its statistics and gets no gradient.
    stem = backbone.infrared_stem['conv1'].bn
    before = stem.running_mean.clone()
    backbone(IMAGES, torch.zeros(4, dtype=torch.long)).sum().backward()
    assert torch.equal(stem.running_mean, before)
    assert stem.weight.grad is None


def test_a_copy_has_stems_of_its_own():
    backbone = build('mobilenet')
    twin = copy.deepcopy(backbone)
    with torch.no_grad():
        want = backbone(IMAGES, MIXED)
        for value in backbone.parameters():
            value.zero_()
        torch.testing.assert_close(twin(IMAGES, MIXED), want)
    model = nn.Module()
    model.heads, model.backbone = nn.ModuleDict(), twin
    single = for_one_modality(model, 1)
    infrared = torch.ones(4, dtype=torch.long)
    with torch.no_grad():
        got = single.backbone(IMAGES, MIXED)
        torch.testing.assert_close(got, twin(IMAGES, infrared))
        torch.testing.assert_close(twin(IMAGES, MIXED), want)


@pytest.mark.parametrize('name', ['vit', 'deit', 'timm_vit', 'convnext'])
def test_a_trace_takes_any_number_of_images(name):
    model = nn.Module()
    model.heads, model.backbone = nn.ModuleDict(), build(name)
    single = for_one_modality(model, 1).backbone
    ones = torch.ones(4, dtype=torch.long)
    with torch.no_grad():
        traced = torch.jit.trace(
            single, (IMAGES[:3], ones[:3]), check_trace=False
        )
        want = model.backbone(IMAGES, ones)
        torch.testing.assert_close(traced(IMAGES, ones), want)


def test_sync_batch_norm_replaces_stems_too():
    backbone = nn.SyncBatchNorm.convert_sync_batchnorm(build('resnet'))
    assert isinstance(backbone.visible_stem['bn1'], nn.SyncBatchNorm)
    with torch.no_grad():
        want = build('resnet')(IMAGES, MIXED)
        torch.testing.assert_close(backbone.eval()(IMAGES, MIXED), want)


@pytest.mark.parametrize(
    'name, changes, match',
    [
        ('mobilenet', dict(stem=['conv_1']), "'conv_1'.*'conv1'"),
        # A property of the network, which names bn1.
        ('resnet', dict(stem=['conv1', 'norm1']), "no module 'norm1'"),
        ('resnet', dict(stem='conv1'), 'stem as a list'),
        ('mobilenet', dict(stem=['conv1'], stride_one=['layer1']), 'only str'),
        ('vit', dict(stem=['patch_embed']), 'does not run on an image'),
        ('resnet', dict(class_token='keep'), "'drop' or 'add'"),
    ],
)
def test_mistakes(name, changes, match):
    with registry_scope(), pytest.raises(ValueError, match=match):
        MODELS.build({**config(name), **changes})


@pytest.mark.parametrize(
    'changes, match',
    [
        (dict(type='mmpretrain.ConvNeXt', arch='atto'), 'gap_before_final'),
        (dict(init_cfg=dict(type='Pretrained', checkpoint='x')), '--init'),
        (dict(pretrained=True), 'pretrained.*--init-checkpoint'),
        (dict(model_name='hf_hub:me/mine'), '--init-checkpoint'),
        (dict(type=None), 'AnyBackbone.network has no type'),
        (
            dict(type='mmpretrain.ResNet', depth=19),
            'mmpretrain.ResNet cannot be built .*invalid depth 19',
        ),
    ],
)
def test_networks_that_are_refused(changes, match):
    network = dict(type='mmpretrain.MobileNetV2') | changes
    if not network['type']:
        del network['type']
    stem = ['downsample_layers.0'] if 'arch' in changes else ['conv1']
    with registry_scope(), pytest.raises(ValueError, match=match):
        AnyBackbone(network, stem)


def test_timm_is_named_where_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, 'timm', None)
    network = dict(type='mmpretrain.TIMMBackbone', model_name='resnet18')
    with registry_scope(), pytest.raises(ConfigError, match='install timm'):
        AnyBackbone(network, ['timm_model.conv1'])


def test_a_modality_that_does_not_fit():
    backbone = build('mobilenet')
    with pytest.raises(ValueError, match='one modality number'):
        backbone(IMAGES, MIXED[:2])
    with pytest.raises(TypeError, match='AnyBackbone needs modality'):
        backbone(IMAGES, MIXED.float())


def test_rates_by_layer():
    """mmpretrain's constructor: a layer learns faster than the one before."""
    from mmpretrain.engine import LearningRateDecayOptimWrapperConstructor

    cfg = dict(copy.deepcopy(FINETUNE), backbone=config('vit'))
    with registry_scope():
        model = MODELS.build(cfg)
        optim = LearningRateDecayOptimWrapperConstructor(
            dict(optimizer=dict(type='SGD', lr=1.0, weight_decay=0.1)),
            dict(layer_decay_rate=0.5),
        )(model)
    rates = {g['param_name']: g['lr'] for g in optim.optimizer.param_groups}
    # All but the shift of the BNNeck, which does not learn.
    assert len(rates) == len(list(model.parameters())) - 1
    expected = {
        'backbone.visible_stem.patch_embed_projection.weight': 0.125,
        'backbone.infrared_stem.patch_embed_projection.bias': 0.125,
        'backbone.trunk.pos_embed': 0.125,
        'backbone.trunk.layers.0.ln1.weight': 0.25,
        'backbone.trunk.layers.1.ffn.layers.1.bias': 0.5,
        'backbone.trunk.ln1.weight': 1.0,
        'heads.id.fc.weight': 1.0,
    }
    assert {name: rates[name] for name in expected} == expected
    cfg['backbone'] = config('mobilenet')
    with registry_scope(), pytest.raises(ValueError, match='custom_keys'):
        MODELS.build(cfg).get_layer_depth('backbone.trunk.conv2.conv.weight')


def test_export_and_embedder(tmp_path):
    """A checkpoint of MobileNetV2 embeds, and so do its ONNX networks."""
    from mmgl.apis.exporting import export

    onnxruntime = pytest.importorskip('onnxruntime')
    pytest.importorskip('onnx')
    cfg = mmgl.get_config('finetune/agw_mobilenetv2_synthetic')
    cfg.model.backbone.network.widen_factor = 0.1
    model = mmgl.build_model(cfg)
    settle(model.backbone, IMAGES.float(), MIXED)
    path = tmp_path / 'epoch_1.pth'
    meta = dict(cfg=cfg.pretty_text)
    torch.save(dict(state_dict=model.state_dict(), meta=meta), path)
    reports = export(path, tmp_path / 'networks')
    images = np.random.default_rng(0).integers(
        0, 256, (3, 96, 48, 3), np.uint8
    )
    embedder = mmgl.Embedder(path)
    features = []
    for name, report in zip(('visible', 'infrared'), reports, strict=True):
        assert report['difference'] < 1e-5
        session = onnxruntime.InferenceSession(report['file'])
        (got,) = session.run(None, {'images': images})
        want = embedder.embed(list(images), name)
        np.testing.assert_allclose(got, want, atol=1e-5)
        features.append(got)
    assert np.abs(features[0] - features[1]).max() > 1e-3
