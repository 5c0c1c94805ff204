"""The network of the MPANet configs has the published sizes."""

import pytest
import torch
from small_models import num_parameters as size

from mmgl import build_model


@pytest.fixture(scope='module')
def model():
    """ResNet-50 with classifiers of 395 identities: takes about a second."""
    return build_model('finetune/mpanet_r50_128-140e_sysu')


def test_parameters(model):
    assert size(model.backbone.plugins['layer3']) == 131_072
    assert size(model.backbone.plugins['layer4']) == 524_288
    # torchvision's ResNet-50 without its classifier, and the plugins.
    assert size(model.backbone) == 23_508_032 + 131_072 + 524_288
    assert size(model.neck) == 6 * 2048 + 6 + 2 * 14_336
    assert size(model.heads['id']) == 5_662_720
    assert size(model.heads['modality']) == 2 * 5_662_720
    head = model.heads['modality']
    assert head.visible_average.shape == (395, 14_336)
    assert size(model.heads['center']) == size(model.heads['separation']) == 0


def test_feature_and_separation_at_full_size(model):
    model.neck.mask.weight.data.zero_()
    with torch.no_grad():
        features = model.extract(
            torch.randn(1, 3, 384, 128), dict(modality=torch.tensor([1]))
        )
        assert features['bn'].shape == (1, 14_336)
        assert features['masks'].shape == (1, 6, 24, 8)
        loss = model.heads['separation'].loss(features, dict(pid=None))
    # Half of 0.25 * 24 * 8.
    assert loss['loss'].item() == 24
