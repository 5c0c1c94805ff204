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


def test_classifier_head(data):
    features, targets = data
    head = ClassifierHead(8, 3, loss_weight=.5)
    logits = features['bn'] @ head.fc.weight.T
    torch.testing.assert_close(head(features), logits)
    out = head.loss(features, targets)
    torch.testing.assert_close(out['loss'],
                               .5 * F.cross_entropy(logits, targets['pid']))
    hits = (logits.argmax(1) == targets['pid']).sum().item()
    assert out['accuracy'].item() == pytest.approx(100 * hits / 6)


def test_classifier_initialisation():
    head = ClassifierHead(2048, 395)
    assert head.fc.bias is None
    assert head.fc.weight.std().item() == pytest.approx(.001, rel=.01)


def test_metric_head(data):
    features, targets = data
    head = MetricHead(loss_weight=2.)
    want = 2 * WeightedRegularizedTripletLoss()(features['pool'],
                                                targets['pid'])
    torch.testing.assert_close(head.loss(features, targets)['loss'], want)
    other = MetricHead(feature='bn', loss=dict(type='BatchHardTripletLoss'))
    assert not torch.allclose(other.loss(features, targets)['loss'], want)
    assert list(head.parameters()) == []


def test_bad_number_of_classes():
    with pytest.raises(ValueError, match='num_classes'):
        ClassifierHead(8, 0)
