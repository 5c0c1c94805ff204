"""Every rival of Table IV: pre-trained, transferred, fine-tuned, evaluated.

Two to four seconds each: one step of a narrow AGW from two of the rival.
"""

import math

import pytest
import torch
from test_configs import SSL_TERMS, SYSU_METRICS, load, shrink, use_tiny_data

from mmgl.config.loading import apply_init, build_runner
from mmgl.models.backbones import TwoStreamResNet


def small(leaf, root, work_dir):
    """A config of the embedded data on tiny images of it."""
    cfg = load(f'mmgl/{leaf}_r18-narrow_synthetic.py')
    use_tiny_data(cfg, {'SYSUMM01': root}, work_dir)
    shrink(cfg)
    return cfg


def pretrain(method, root, work_dir):
    """Two steps; returns the backbone and its checkpoint."""
    cfg = small(f'ssl/{method}_two-stream', root, work_dir)
    cfg.train_dataloader.sampler['num_pairs_per_epoch'] = 8
    runner = build_runner(cfg)
    runner.train()
    assert runner.iter == 2
    backbone = runner.model.backbone
    return getattr(backbone, 'network', backbone), work_dir / 'epoch_1.pth'


@pytest.mark.parametrize('method', SSL_TERMS)
def test_rival_trains_transfers_and_evaluates(method, tiny_sysu, tmp_path):
    source, checkpoint = pretrain(method, tiny_sysu, tmp_path / method)
    assert type(source) is TwoStreamResNet
    cfg = small('finetune/agw', tiny_sysu, tmp_path / 'agw')
    apply_init(cfg, 'mmgl', str(checkpoint))
    runner = build_runner(cfg)
    runner.model.init_weights()
    state = runner.model.backbone.state_dict()
    for name, value in source.state_dict().items():
        assert torch.equal(state[name], value), name
    runner.train()
    metrics = runner.test()
    assert runner.iter == 1 and set(metrics) == SYSU_METRICS
    assert all(math.isfinite(v) and 0 <= v <= 100 for v in metrics.values())
