import pytest
import torch
import torch.nn.functional as F

from mmgl.models.heads import ClassifierHead, MetricHead
from mmgl.models.losses import WeightedRegularizedTripletLoss


@pytest.fixture
def data():
    features = {'pool': torch.randn(6, 8), 'bn': torch.randn(6, 8)}
    targets = {'pid': torch.arange(6) % 3, 'modality': torch.arange(6) % 2}
    return features, targets


class SumLoss(torch.nn.Module):
    def forward(self, features, pids, modality):
        return features.sum()


def test_classifier_head(data):
    features, targets = data
    head = ClassifierHead(8, 3, loss_weight=0.5)
    logits = features['bn'] @ head.fc.weight.T
    torch.testing.assert_close(head(features), logits)
    out = head.loss(features, targets)
    torch.testing.assert_close(
        out['loss'], 0.5 * F.cross_entropy(logits, targets['pid'])
    )
    hits = (logits.argmax(1) == targets['pid']).sum().item()
    assert out['accuracy'].item() == pytest.approx(100 * hits / 6)


def test_classifier_initialisation():
    head = ClassifierHead(2048, 395)
    assert head.fc.bias is None
    assert head.fc.weight.std().item() == pytest.approx(0.001, rel=0.01)
    # PyTorch's default, uniform up to 1 / sqrt(2048).
    default = ClassifierHead(2048, 395, init_std=None).fc.weight
    assert default.abs().max().item() == pytest.approx(2048**-0.5, rel=0.01)
    assert default.std().item() == pytest.approx((3 * 2048) ** -0.5, rel=0.01)


def test_metric_head(data):
    features, targets = data
    head = MetricHead(loss_weight=2.0)
    want = 2 * WeightedRegularizedTripletLoss()(
        features['pool'], targets['pid']
    )
    torch.testing.assert_close(head.loss(features, targets)['loss'], want)
    other = MetricHead(feature='bn', loss=dict(type='BatchHardTripletLoss'))
    assert not torch.allclose(other.loss(features, targets)['loss'], want)
    assert list(head.parameters()) == []


def test_bad_number_of_classes():
    with pytest.raises(ValueError, match='num_classes'):
        ClassifierHead(8, 0)


def test_one_classifier_on_several_features(data):
    features, targets = data
    weights = {'bn': 1.0, 'pool': 0.5}
    head = ClassifierHead(8, 3, feature=weights, loss_weight=2.0)
    losses = head.loss(features, targets)
    for name, weight in weights.items():
        alone = ClassifierHead(8, 3, feature=name)
        alone.load_state_dict(head.state_dict())
        want = alone.loss(features, targets)
        assert torch.allclose(
            losses[f'loss_{name}'], 2 * weight * want['loss']
        )
        if name == 'bn':
            assert losses['accuracy'] == want['accuracy']
            assert torch.equal(head(features), alone(features))
    assert 'loss' not in losses and len(losses) == 3


def test_metric_loss_on_several_features(data):
    features, targets = data
    head = MetricHead(feature={'pool': 1.0, 'bn': 0.25})
    losses = head.loss(features, targets)
    want = MetricHead(feature='bn').loss(features, targets)['loss']
    assert torch.allclose(losses['loss_bn'], 0.25 * want)
    # Maps have no spread.
    maps = MetricHead(feature='maps')
    maps.criterion = SumLoss()
    got = maps.loss({'maps': torch.ones(2, 3, 2, 2)}, targets)
    assert list(got) == ['loss'] and got['loss'] == 24


@pytest.mark.parametrize('feature, error', [({}, ValueError), (3, TypeError)])
def test_bad_feature(feature, error):
    with pytest.raises(error, match='feature'):
        MetricHead(feature=feature)
