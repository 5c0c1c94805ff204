"""What `import mmgl` offers."""

import doctest

import pytest
import torch

import mmgl
from mmgl.apis import models
from mmgl.utils.errors import ConfigError

NARROW = 'finetune/agw_r18-narrow_synthetic'


def test_names_are_there_when_asked_for():
    assert set(mmgl.__all__) <= set(dir(mmgl))
    for name in mmgl.__all__:
        assert getattr(mmgl, name)
    with pytest.raises(AttributeError, match='build_modle'):
        _ = mmgl.build_modle


@pytest.mark.parametrize('module', [mmgl, models])
def test_examples(module):
    result = doctest.testmod(module)
    assert result.attempted and not result.failed


def small(width=4):
    cfg = mmgl.get_config(NARROW)
    cfg.model.backbone.base_channels = width
    cfg.model.init_from = dict(kind='mmgl', checkpoint='gone.pth')
    return cfg


def test_model_with_the_weights_of_a_checkpoint(tmp_path):
    cfg, path = small(), tmp_path / 'a.pth'
    source = mmgl.build_model(cfg)
    assert cfg.model.init_from.kind == 'mmgl', 'the config was changed'
    torch.save(dict(meta=dict(epoch=3), state_dict=source.state_dict()), path)
    # Another number of identities is no obstacle.
    cfg.model.heads.id.num_classes = 5
    target = mmgl.build_model(cfg, path)
    assert torch.equal(
        target.backbone.layer1[0].conv1.weight,
        source.backbone.layer1[0].conv1.weight,
    )
    assert mmgl.load_checkpoint(target, path) == dict(epoch=3)
    with pytest.raises(ConfigError, match='does not fit'):
        mmgl.build_model(small(8), path)
    with pytest.raises(ConfigError, match='no model'):
        mmgl.build_model('_base_/default_runtime')


def test_features_need_a_known_protocol():
    with pytest.raises(ValueError, match='one of'):
        mmgl.evaluate_features('a.npz', 'market')
    with pytest.raises(ValueError, match='data_root'):
        mmgl.evaluate_features('a.npz', 'sysu')
