"""MMGL from tar shards through the Runner."""

import pytest
import torch

from mmgl.config.loading import (
    build_runner,
    check_config,
    derive_loaders,
    load_config,
)
from mmgl.utils.paths import config_dir

LEAF = 'mmgl/pretrain/mmgl_two-stream_r50_96-100e_streamed.py'


def config(shards, work_dir, epochs, workers):
    cfg = load_config(config_dir() / LEAF)
    cfg['work_dir'] = str(work_dir)
    cfg.model.backbone.update(depth=18, base_channels=8)
    loader = cfg.train_dataloader
    loader.update(batch_size=8, num_workers=workers)
    loader.sampler.update(batch_size=8, num_pairs_per_epoch=8)
    loader.dataset.update(shards=shards, shuffle_buffer=5)
    for step in loader.dataset.pipeline:
        if step['type'] == 'PILResize':
            step['scale'] = (48, 96)
        elif step['type'] == 'mmpretrain.RandomCrop':
            step.update(crop_size=(96, 48), padding=4)
    cfg.train_cfg['max_epochs'] = epochs
    # The schedule of both runs is the same; only its end is not.
    cfg['param_scheduler'] = None
    derive_loaders(cfg)
    check_config(cfg)
    return cfg


class Losses:
    def __init__(self, runner):
        self.values = []
        step = runner.model.train_step

        def recorded(*args, **kwargs):
            out = step(*args, **kwargs)
            self.values.append(float(out['loss']))
            return out

        runner.model.train_step = recorded


def train(cfg):
    runner = build_runner(cfg)
    losses = Losses(runner)
    runner.train()
    return losses.values, runner.model.state_dict()


@pytest.mark.parametrize(
    'workers', [0, pytest.param(2, marks=pytest.mark.slow)]
)
def test_resumed_run_is_the_uninterrupted_one(tiny_shards, tmp_path, workers):
    """Trains six epochs of two steps, about ten seconds."""
    pytest.importorskip('webdataset')
    expected, weights = train(config(tiny_shards, tmp_path / 'a', 3, workers))
    assert len(expected) == 6 and len(set(expected)) == 6
    first, _ = train(config(tiny_shards, tmp_path / 'b', 2, workers))
    cfg = config(tiny_shards, tmp_path / 'b', 3, workers)
    cfg['resume'] = True
    rest, resumed = train(cfg)
    assert first + rest == expected
    assert all(
        torch.equal(value, resumed[name]) for name, value in weights.items()
    )
