from types import SimpleNamespace

import pytest
import torch
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper
from mmengine.runner import IterBasedTrainLoop
from torch import nn
from torch.utils.data import DataLoader

from mmgl.engine import ReIDRunner
from mmgl.engine.hooks import DynamicLossWeightHook
from mmgl.models.heads import GraphAttentionHead


class Model(BaseModel):
    """Losses are what the data say."""

    def __init__(self):
        super().__init__()
        self.factor = nn.Parameter(torch.ones(()))
        self.heads = nn.ModuleDict(
            dict(graph=GraphAttentionHead(4, 2), id=nn.Identity())
        )
        self.seen = []

    def forward(self, x, mode='loss'):
        ramp = self.heads['graph'].ramp
        self.seen.append(ramp.item())
        return {
            'id/loss_bn': x.sum(),
            'id/loss_part': 2 * x.sum() * self.factor,
            'id/accuracy': torch.tensor(50.0),
            'graph/loss': 7 * ramp,
            'graph/nll': torch.tensor(7.0),
        }


def fake_runner(model, epoch=0, train_loop=None):
    return SimpleNamespace(model=model, epoch=epoch, train_loop=train_loop)


def feed(hook, runner, rows):
    hook.before_train_epoch(runner)
    for row in rows:
        outputs = {k: torch.tensor(v) for k, v in row.items()}
        hook.after_train_iter(runner, 0, outputs=outputs)
    hook.after_train_epoch(runner)


def test_formula():
    model = Model()
    ramp = model.heads['graph'].ramp
    hook = DynamicLossWeightHook()
    runner = fake_runner(model)
    hook.before_train(runner)
    assert ramp == 0
    rows = [
        {
            'loss': 99.0,
            'id/loss_bn': 1.0,
            'id/loss_part': 2.0,
            'backbone/x_loss': 0.5,
            'triplet/loss': 0.5,
            'triplet/spread': 3.0,
            'graph/loss': 50.0,
            'graph/weight': 2.0,
        },
        {
            'loss': 99.0,
            'id/loss_bn': 1.0,
            'id/loss_part': 0.0,
            'triplet/loss': 0.0,
        },
    ]
    feed(hook, runner, rows)
    # Sums of 4 and 1, of which the mean is 2.5.
    assert ramp.item() == pytest.approx(1 / 3.5)
    # Only the last epoch counts.
    feed(hook, runner, rows[1:])
    assert ramp.item() == pytest.approx(1 / 2)
    assert ramp is model.heads['graph'].ramp


def test_fresh_run_forgets_and_resumed_run_keeps_the_weight():
    model = Model()
    model.heads['graph'].ramp.fill_(0.4)
    DynamicLossWeightHook().before_train(fake_runner(model, epoch=3))
    assert model.heads['graph'].ramp == torch.tensor(0.4)
    DynamicLossWeightHook().before_train(fake_runner(model, epoch=0))
    assert model.heads['graph'].ramp == 0


@pytest.mark.parametrize('head', ['other', 'id'])
def test_missing_head(head):
    with pytest.raises(ValueError, match=f"head '{head}'"):
        DynamicLossWeightHook(head).before_train(fake_runner(Model()))


def test_needs_epochs():
    loop = object.__new__(IterBasedTrainLoop)
    with pytest.raises(ValueError, match='by_epoch'):
        DynamicLossWeightHook().before_train(
            fake_runner(Model(), train_loop=loop)
        )


def train(work_dir, epochs, resume=False):
    model = Model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    runner = ReIDRunner(
        model,
        str(work_dir),
        train_dataloader=DataLoader(
            [dict(x=torch.tensor(n)) for n in (1.0, 2.0)]
        ),
        train_cfg=dict(by_epoch=True, max_epochs=epochs),
        optim_wrapper=OptimWrapper(optimizer),
        custom_hooks=[DynamicLossWeightHook()],
        default_hooks=dict(checkpoint=dict(type='CheckpointHook')),
        resume=resume,
        experiment_name=f'{work_dir.name}_{epochs}_{resume}',
    )
    runner.train()
    return model.seen


def test_resumed_runner_is_the_uninterrupted_one(tmp_path):
    """Takes two seconds: three Runners."""
    whole = train(tmp_path / 'whole', 3)
    assert whole[:2] == [0, 0]
    assert whole[2] == whole[3] != whole[4] == whole[5] > 0
    # The second iteration sees the factor 1 - .1 * 2 of the first step.
    assert whole[2] == pytest.approx(1 / (1 + (1 + 2 + 2 + 4 * 0.8) / 2))
    first = train(tmp_path / 'parts', 2)
    rest = train(tmp_path / 'parts', 3, resume=True)
    assert first + rest == whole
