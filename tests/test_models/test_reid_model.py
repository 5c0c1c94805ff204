import logging

import pytest
import torch
import torch.nn.functional as F
from mmengine.optim import OptimWrapper

from mmgl.models import ReIDModel
from mmgl.models.losses import WeightedRegularizedTripletLoss
from mmgl.registry import MODELS
from mmgl.structures.reid_data_sample import ReIDDataSample

BACKBONE = dict(type='TwoStreamResNet', depth=18, base_channels=4)
HEADS = dict(
    id=dict(type='ClassifierHead', num_classes=3),
    triplet=dict(type='MetricHead'),
)


def config(**kwargs):
    return dict(
        type='ReIDModel',
        backbone=BACKBONE,
        neck=dict(type='GlobalFeatureNeck'),
        heads=HEADS,
        **kwargs,
    )


def build(**kwargs):
    return MODELS.build({**config(), **kwargs})


def data(n=6, pids=3):
    samples = [
        ReIDDataSample(pid=i % pids, modality=i // 3, camid=1)
        for i in range(n)
    ]
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(
        0, 256, (n, 3, 32, 16), dtype=torch.uint8, generator=generator
    )
    return {'inputs': list(images), 'data_samples': samples}


def test_loss_is_the_sum_of_the_heads():
    model = build().train()
    batch = model.data_preprocessor(data())
    torch.manual_seed(0)
    losses = model(**batch, mode='loss')
    assert list(losses) == [
        'id/loss',
        'id/accuracy',
        'triplet/loss',
        'triplet/spread',
        'modality_gap',
    ]
    features = model.extract(batch['inputs'], batch['targets'])
    pids = batch['targets']['pid']
    logits = features['bn'] @ model.heads['id'].fc.weight.T
    torch.testing.assert_close(
        losses['id/loss'], F.cross_entropy(logits, pids)
    )
    torch.testing.assert_close(
        losses['triplet/loss'],
        WeightedRegularizedTripletLoss()(features['pool'], pids),
    )
    total, _ = model.parse_losses(losses)
    torch.testing.assert_close(
        total, losses['id/loss'] + losses['triplet/loss']
    )


def test_train_step_learns_every_parameter_but_the_frozen_bias():
    model = build().train()
    optim = OptimWrapper(
        torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=0.1)
    )
    before = {n: p.clone() for n, p in model.named_parameters()}
    model.train_step(data(), optim)
    unchanged = [
        n for n, p in model.named_parameters() if torch.equal(p, before[n])
    ]
    assert unchanged == ['neck.bn.bias']


def test_predict_and_tensor():
    model = build().eval()
    batch = model.data_preprocessor(data())
    raw = model(batch['inputs'], batch['targets'])
    assert raw.shape == (6, 32)
    samples = model(**batch, mode='predict')
    for sample, feature in zip(samples, raw, strict=True):
        torch.testing.assert_close(sample.feature, feature / feature.norm())
        assert not sample.feature.requires_grad


def test_raw_features_on_request():
    model = build(normalize=False).eval()
    batch = model.data_preprocessor(data())
    raw = model(batch['inputs'], batch['targets'])
    assert (raw.norm(dim=1) - 1).abs().min() > 1e-3
    for sample, feature in zip(
        model(**batch, mode='predict'), raw, strict=True
    ):
        torch.testing.assert_close(sample.feature, feature)
    with pytest.raises(ValueError, match='normalize=True'):
        build(normalize=False, flip_test=True)


def test_test_feature_pool():
    model = build(test_feature='pool').eval()
    batch = model.data_preprocessor(data())
    want = model.extract(batch['inputs'], batch['targets'])['pool']
    torch.testing.assert_close(model(batch['inputs'], batch['targets']), want)


def test_flip_test_is_the_mean_of_both_views():
    torch.manual_seed(0)
    model = build(flip_test=True).eval()
    batch = model.data_preprocessor(data())
    x, targets = batch['inputs'], batch['targets']
    mirrored = F.normalize(model(x.flip(3), targets))
    want = F.normalize(F.normalize(model(x, targets)) + mirrored)
    got = torch.stack([s.feature for s in model(**batch, mode='predict')])
    torch.testing.assert_close(got, want)
    plain = build(flip_test=False).eval()
    plain.load_state_dict(model.state_dict())
    other = torch.stack([s.feature for s in plain(**batch, mode='predict')])
    assert not torch.allclose(got, other, atol=1e-4)


def test_agw_under_bf16_autocast():
    model = build().train()
    batch = model.data_preprocessor(data())
    with torch.autocast('cpu', dtype=torch.bfloat16):
        losses = model(**batch, mode='loss')
    assert (
        losses['id/loss'].dtype
        == losses['triplet/loss'].dtype
        == (torch.float32)
    )


def test_missing_data_is_named():
    model = build()
    x = torch.zeros(2, 3, 32, 16)
    with pytest.raises(ValueError, match='modality'):
        model(x, {})
    with pytest.raises(ValueError, match="'pid'"):
        model(x, {'modality': torch.tensor([0, 1])}, mode='loss')
    with pytest.raises(ValueError, match='data_samples'):
        model(x, {'modality': torch.tensor([0, 1])}, mode='predict')
    with pytest.raises(ValueError, match='mode must be'):
        model(x, {}, mode='train')
    with pytest.raises(ValueError, match='model.heads is empty'):
        build(heads=None)(x, {}, mode='loss')


def test_too_few_classes_name_the_key():
    model = build()
    batch = model.data_preprocessor(data(pids=5))
    with pytest.raises(ValueError, match='model.heads.id.num_classes=3'):
        model(**batch, mode='loss')
    batch['data_samples'] = None
    with pytest.raises(ValueError, match='model.heads.id.num_classes=3'):
        model(**batch, mode='loss')


@pytest.mark.parametrize(
    'change,match',
    [
        (dict(test_feature='fc'), 'model.test_feature'),
        (
            dict(
                heads=dict(
                    id=dict(type='ClassifierHead', num_classes=2, feature='x')
                )
            ),
            'model.heads.id.feature',
        ),
        (
            dict(
                heads=dict(
                    id=dict(
                        type='ClassifierHead', num_classes=2, in_channels=7
                    )
                )
            ),
            'model.heads.id.in_channels=7',
        ),
        (
            dict(neck=dict(type='GlobalFeatureNeck', in_channels=7)),
            'model.neck.in_channels=7',
        ),
        (dict(heads=dict(my_loss=dict(type='MetricHead'))), 'head name'),
        (dict(heads=dict(id=dict(type='NoSuchHead'))), 'NoSuchHead'),
        (dict(init_from=dict(kind='other')), 'model.init_from.kind'),
        (dict(init_from=dict(kind='mmgl', path='x')), 'unknown keys'),
    ],
)
def test_config_mistakes(change, match):
    with pytest.raises(ValueError, match=match):
        build(**change)


def test_init_weights_keeps_constructor_values_and_is_silent(caplog):
    model = build()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    with caplog.at_level(logging.DEBUG):
        model.init_weights()
    after = model.state_dict()
    assert all(torch.equal(after[k], v) for k, v in before.items())
    assert caplog.records == []


def test_init_from_a_training_checkpoint(tmp_path):
    source, path = build(), tmp_path / 'pretrained.pth'
    torch.save({'state_dict': source.state_dict()}, path)
    model = build(init_from=dict(kind='mmgl', checkpoint=str(path)))
    head = model.heads['id'].fc.weight.clone()
    model.init_weights()
    for name, value in source.backbone.state_dict().items():
        assert torch.equal(model.backbone.state_dict()[name], value)
    assert torch.equal(model.heads['id'].fc.weight, head)
    assert model.init_report.fresh == ()
    # A second call (resumed runs) must not overwrite trained weights.
    model.backbone.layer1[0].bn1.weight.data.fill_(7)
    model.init_weights()
    assert (model.backbone.layer1[0].bn1.weight == 7).all()


def test_init_from_without_checkpoint_names_key_and_option():
    model = build(init_from=dict(kind='mmgl'))
    with pytest.raises(
        ValueError, match='model.init_from.checkpoint.*--init-checkpoint'
    ):
        model.init_weights()


def test_class_is_registered():
    assert isinstance(build(), ReIDModel)


def test_a_head_set_to_none_is_left_out():
    model = build(
        heads=dict(id=dict(type='ClassifierHead', num_classes=3), triplet=None)
    )
    assert list(model.heads) == ['id']


def test_every_feature_of_a_head_must_exist():
    with pytest.raises(ValueError, match='nothing'):
        build(
            heads=dict(
                m=dict(type='MetricHead', feature={'bn': 1.0, 'nothing': 1.0})
            )
        )
