"""DDAG as its config puts it together."""

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from small_models import num_parameters as count

from mmgl import build_model, get_config


@pytest.fixture(scope='module')
def built():
    """Config and ResNet-50 model; takes a second."""
    cfg = get_config('finetune/ddag_r50_64-81e_sysu')
    return cfg, build_model(cfg)


def test_sizes(built):
    _, model = built
    assert model.neck.out_channels['part'] == 2048
    # conv1 and bn1 of the second stem are all that ResNet-50 has not.
    assert count(model.backbone) == 23_508_032 + 9_408 + 128
    assert count(model.neck) == 12_595_203
    # The classifier is shared by the two features.
    assert count(model.heads['id']) == 2048 * 395
    assert count(model.heads['graph']) == 5_008_150
    assert len(model.backbone.non_local) == 0
    with torch.no_grad():
        feature = model.eval()(
            torch.rand(2, 3, 96, 48), dict(modality=torch.tensor([0, 1]))
        )
    assert feature.shape == (2, 2048)


def test_learning_rate_of_each_part(built):
    cfg, model = built
    optimizer = build_optim_wrapper(model, cfg.optim_wrapper).optimizer
    rates = {
        id(p): group['lr']
        for group in optimizer.param_groups
        for p in group['params']
    }
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            want = 0.01 if name.startswith('backbone.') else 0.1
            assert rates[id(parameter)] == pytest.approx(want), name
