from types import SimpleNamespace

import pytest
import torch
from torch import nn

from mmgl.engine.hooks import CompileBackboneHook
from mmgl.models.backbones import OneStreamResNet, TwoStreamResNet

# Traces and differentiates as the default does, without generating code.
BACKEND = 'aot_eager'


class Model(nn.Module):
    def __init__(self, backbone):
        super().__init__()
        self.backbone = backbone


@pytest.mark.parametrize('kind', [OneStreamResNet, TwoStreamResNet])
def test_compiled_backbone_is_the_same(kind):
    torch.manual_seed(0)
    backbone = kind(depth=18, base_channels=4)
    images = torch.rand(6, 3, 64, 32)
    modality = torch.tensor([0, 1, 1, 0, 0, 1])
    results = []
    for compiled in (False, True):
        model = Model(kind(depth=18, base_channels=4))
        model.backbone.load_state_dict(backbone.state_dict())
        if compiled:
            hook = CompileBackboneHook(backend=BACKEND)
            hook.before_train(SimpleNamespace(model=model))
        maps = model.backbone(images, modality)
        maps.square().sum().backward()
        results.append((maps, model))
    (maps, plain), (compiled_maps, compiled) = results
    assert torch.allclose(maps, compiled_maps, rtol=1e-4, atol=1e-6)
    assert plain.state_dict().keys() == compiled.state_dict().keys()
    for (name, one), other in zip(
        plain.named_parameters(), compiled.parameters(), strict=True
    ):
        error = (one.grad - other.grad).norm()
        assert error <= 1e-3 * one.grad.norm() + 1e-6, name


def test_options_reach_torch(monkeypatch):
    seen = {}
    backbone = OneStreamResNet(depth=18, base_channels=4)
    monkeypatch.setattr(backbone, 'compile', lambda **kw: seen.update(kw))
    CompileBackboneHook(mode='max-autotune').before_train(
        SimpleNamespace(model=Model(backbone))
    )
    assert seen == dict(mode='max-autotune')
