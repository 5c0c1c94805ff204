from types import SimpleNamespace

import pytest
import torch
from mmengine.logging import MessageHub
from torch import nn

from mmgl.engine.hooks import (
    BackboneAutocastHook,
    FeatureSpreadHook,
    read_verdict,
)
from mmgl.utils.errors import TrainingDivergedError


class Backbone(nn.Module):
    """Feature maps of what it is given, of the modality in the channel."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(5, 5))
        self.features = None

    def forward(self, x):
        features = x[:, :1, 0, 0] @ self.scale[:1]
        if self.features is not None:
            features = features * 0 + self.features[: len(x)]
        return (features[:, :, None, None].expand(-1, -1, 3, 2),)


class Model(nn.Module):
    """Backbone and neck, called as the self-supervisors do."""

    def __init__(self):
        super().__init__()
        self.backbone = Backbone()
        self.copy = Backbone()
        self.neck = nn.Linear(5, 5)

    def forward(self, *views):
        return [self.neck(self.backbone(x)[0].mean((2, 3))) for x in views]


def images(modality):
    x = torch.randn(len(modality), 4, 4, 4)
    x[:, 3] = torch.tensor(modality, dtype=torch.float).view(-1, 1, 1)
    return x


def runner_of(model, work_dir, **values):
    return SimpleNamespace(
        **{
            'model': model,
            'work_dir': work_dir,
            'iter': 0,
            'epoch': 0,
            'max_iters': 100,
            'train_dataloader': range(2),
            'message_hub': MessageHub.get_instance('spread'),
            **values,
        }
    )


def directions(count, spread):
    """Vectors around two opposite ones, one for each modality."""
    base = torch.zeros(count, 5)
    base[:, 0] = torch.tensor([1.0, -1.0]).repeat(count // 2)
    return base + spread * torch.randn(count, 5)


def train(hook, model, runner, epochs):
    """Feed epochs of two iterations; two views of 20 images each."""
    hook.before_train(runner)
    modality = [0, 1] * 10
    for epoch in epochs:
        runner.epoch = epoch
        hook.before_train_epoch(runner)
        for batch_idx in range(2):
            hook.before_train_iter(runner, batch_idx)
            model(images(modality), images(modality))
            hook.after_train_iter(runner, batch_idx)
            runner.iter += 1


def test_spread_is_that_within_a_modality(tmp_path):
    model = Model()
    model.backbone.features = directions(20, 1e-3)
    runner = runner_of(model, tmp_path)
    hook = FeatureSpreadHook(min_spread=0)
    train(hook, model, runner, [0])
    value = runner.message_hub.get_scalar('train/backbone/spread').current()
    # Over both modalities it would be 1.
    assert 0 < value < 1e-4
    assert len(runner.message_hub.get_scalar('train/neck/spread').data[0]) == 2
    # The means of the modalities are opposite, and nothing else differs.
    assert runner.message_hub.get_scalar('train/modality_gap').current() > 0.99
    hook.after_train(runner)
    hook.before_train_iter(runner, 0)
    model(images([0, 1]))
    assert not hook._modalities


def test_views_of_several_sizes_in_one_call_of_the_neck(tmp_path):
    """SwAV: two calls of the backbone, one of the neck."""

    class MultiCrop(Model):
        def forward(self, big, small):
            maps = [self.backbone(x)[0].mean((2, 3)) for x in (big, small)]
            return self.neck(torch.cat(maps))

    model = MultiCrop()
    nn.init.eye_(model.neck.weight)
    nn.init.zeros_(model.neck.bias)
    model.backbone.features = directions(8, 1e-3)
    runner = runner_of(model, tmp_path)
    hook = FeatureSpreadHook(min_spread=0)
    hook.before_train(runner)
    hook.before_train_iter(runner, 0)
    model(images([0, 1, 0, 1]), images([0, 1, 0, 1, 0, 1, 0, 1]))
    hook.after_train_iter(runner, 0)
    assert runner.message_hub.get_scalar('train/neck/spread').current() < 1e-4


def test_collapse_stops_after_some_epochs(tmp_path):
    model = Model()
    runner = runner_of(model, tmp_path)
    for epoch in (1, 2, 3, 4, 5):
        (tmp_path / f'epoch_{epoch}.pth').write_text(f'weights {epoch}')
    hook = FeatureSpreadHook(patience=3)
    train(hook, model, runner, [0, 1])  # healthy
    model.backbone.features = directions(20, 1e-3)
    with pytest.raises(TrainingDivergedError, match='epoch 5'):
        hook.after_train(runner)
        train(hook, model, runner, [2, 3, 4, 5, 6])
    assert read_verdict(tmp_path).startswith('collapsed features: backbone/')
    # Two epochs were in order.
    assert (tmp_path / 'last_good.pth').read_text() == 'weights 2'


def test_the_last_epoch_decides_alone(tmp_path):
    model = Model()
    model.backbone.features = directions(20, 1e-3)
    with pytest.raises(TrainingDivergedError):
        train(
            FeatureSpreadHook(),
            model,
            runner_of(model, tmp_path, max_iters=4),
            [0, 1],
        )


def test_healthy_features_and_one_bad_iteration_pass(tmp_path):
    model = Model()
    model.backbone.features = directions(20, 0.3)
    train(
        FeatureSpreadHook(patience=1),
        model,
        runner_of(model, tmp_path, max_iters=4),
        [0, 1],
    )
    assert not list(tmp_path.iterdir())


def test_settings_and_models_that_do_not_fit():
    for bad in (dict(min_spread=1), dict(min_spread=-0.1), dict(patience=0)):
        with pytest.raises(ValueError, match=next(iter(bad))):
            FeatureSpreadHook(**bad)
    for hook in (FeatureSpreadHook(), BackboneAutocastHook()):
        with pytest.raises(ValueError, match='no backbone'):
            hook.before_train(SimpleNamespace(model=nn.Linear(1, 1)))


# --------------------------------------------------------------- precision
class Watched(nn.Module):
    """Tells under which precision its parts run."""

    def __init__(self, broken=False):
        super().__init__()
        self.backbone = Part()
        self.target = Part()
        self.head = nn.Linear(4, 4)
        self.broken = broken

    def forward(self, x):
        kinds = dict(
            backbone=self.backbone(x).dtype,
            target=self.target(x).dtype,
            head=self.head(x).dtype,
        )
        if self.broken:
            raise RuntimeError('broken')
        return kinds


class Part(nn.Linear):
    def __init__(self):
        super().__init__(4, 4)


def test_autocast_is_for_backbones():
    model, x = Watched(), torch.randn(2, 4)
    hook = BackboneAutocastHook()
    runner = SimpleNamespace(model=model)
    low, full = torch.bfloat16, torch.float32
    with torch.autocast('cpu', dtype=low):
        assert set(model(x).values()) == {low}
        hook.before_train(runner)
        assert model(x) == dict(backbone=low, target=low, head=full)
        # The outside is as it was.
        assert model.head(x).dtype == low
    assert set(model(x).values()) == {full}
    hook.after_train(runner)
    with torch.autocast('cpu', dtype=low):
        assert set(model(x).values()) == {low}


def test_autocast_is_restored_after_an_error():
    model, x = Watched(broken=True), torch.randn(2, 4)
    hook = BackboneAutocastHook()
    hook.before_train(SimpleNamespace(model=model))
    with torch.autocast('cpu', dtype=torch.bfloat16):
        with pytest.raises(RuntimeError, match='broken'):
            model(x)
        assert model.head(x).dtype == torch.bfloat16
    assert not hook._contexts
