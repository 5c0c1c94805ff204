"""A data set, model and metric that train in milliseconds."""

import os
import time

import torch
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from torch import nn
from torch.utils.data import Dataset

from mmgl.registry import DATASETS, METRICS, MODELS

CONFIG = """
_base_ = '{base}'
custom_imports = dict(imports=['toy'], allow_failed_imports=False)
model = dict(type='ToyModel', width=4)
train_dataloader = dict(
    batch_size=4,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(type='ToyDataset', length=32))
val_dataloader = dict(
    batch_size=4,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='ToyDataset', length=8))
val_evaluator = dict(type='ToyMetric')
val_cfg = dict()
test_dataloader = val_dataloader
test_evaluator = val_evaluator
test_cfg = dict()
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.01, momentum=0.9))
param_scheduler = dict(type='LinearLR', start_factor=0.1, begin=0, end=3)
train_cfg = dict(by_epoch=True, max_epochs=3)
auto_scale_lr = dict(base_batch_size=8)
"""


@DATASETS.register_module()
class ToyDataset(Dataset):
    """Vectors that sum up to their target."""

    def __init__(
        self,
        length: int,
        dataset='regdb',
        trial=1,
        data_root='',
        split='train',
        pids=None,
    ):
        generator = torch.Generator().manual_seed(0)
        self.data = torch.randn(length, 4, generator=generator)
        self.metainfo = dict(
            dataset=dataset, split=split, trial=trial, num_pids=7
        )
        if pids is not None:
            self.metainfo['pids'] = pids

    def __len__(self):
        return len(self.data)

    def __getitem__(self, index):
        return dict(inputs=self.data[index])


@MODELS.register_module()
class ToyModel(BaseModel):
    """Two layers with everything that makes resuming hard."""

    def __init__(
        self,
        width: int = 4,
        flip_test: bool = False,
        init_from: dict | None = None,
    ):
        super().__init__()
        self.init_from = init_from
        self.steps = 0
        self.backbone = nn.Identity()  # which hooks look for
        self.first = nn.Linear(4, width)
        self.norm = nn.BatchNorm1d(width)
        self.second = nn.Linear(width, 1)

    def forward(self, inputs, mode='tensor'):
        x = torch.stack(list(inputs))
        time.sleep(float(os.environ.get('TOY_DELAY', 0)))
        h = self.norm(self.first(x))
        if mode == 'loss':
            # Noise from the global generator, as Gumbel noise is.
            h = h + 0.1 * torch.randn_like(h)
        y = self.second(h)
        if mode == 'tensor':
            return y
        error = (y[:, 0].float() - x.sum(1)).square()
        if mode == 'loss':
            scale = float(os.environ.get('TOY_SCALE', 1))
            if os.environ.get('TOY_NAN_RANK', '-') == os.environ.get('RANK'):
                scale = float('nan')
            self._note_step()
            return dict(loss_toy=error.mean() * scale)
        return [dict(error=float(e)) for e in error]

    def _note_step(self):
        """Tell a test that a step was trained, where it asks for it.

        Behind the step with number TOY_STOP, which counts from 1, the process
        makes the file ``stopped`` and waits to be killed.
        """
        self.steps += 1
        if os.environ.get('TOY_STOP') == str(self.steps):
            open('stopped', 'w').close()
            time.sleep(3600)
        if 'TOY_STEPS' in os.environ:
            with open(os.environ['TOY_STEPS'], 'a') as file:
                file.write(os.environ['RANK'] + '\n')


@METRICS.register_module()
class ToyMetric(BaseMetric):
    """Mean error."""

    default_prefix = 'toy'

    def process(self, data_batch, data_samples):
        self.results.extend(s['error'] for s in data_samples)

    def compute_metrics(self, results):
        return dict(error=sum(results) / len(results))
