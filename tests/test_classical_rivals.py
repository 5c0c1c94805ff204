"""Configs of Colorization, Jigsaw and PSL: runs, transfer, schedules.

A run takes two to four seconds.
"""

import numpy as np
import pytest
import torch
from mmengine.optim import build_optim_wrapper
from schedules import learning_rates

from mmgl.config.loading import apply_init, build_runner, load_config
from mmgl.datasets.transforms import EpochStages
from mmgl.models import ReIDModel, StagewiseModel
from mmgl.registry import MODELS, TRANSFORMS
from mmgl.utils.compat import registry_scope
from mmgl.utils.paths import config_dir

METHODS = {
    'colorization': ReIDModel,
    'jigsaw': ReIDModel,
    'psl': StagewiseModel,
}
MMGL, NATIVE, MINI = (
    '{}_two-stream_r50_96-100e_sysu',
    '{}-native_two-stream_r50_96-100e_sysu',
    '{}_two-stream_r18-narrow_synthetic',
)
KINDS = (MMGL, NATIVE, MINI)
# --cfg-options model.backbone.type=OneStreamResNet
ONE_STREAM = {'model.backbone.type': 'OneStreamResNet'}


def load(method, kind, options=None):
    cfg = load_config(config_dir() / f'mmgl/ssl/{kind.format(method)}.py')
    cfg.merge_from_dict(options or {})
    return cfg


def build(cfg):
    with registry_scope('mmgl'):
        return MODELS.build(cfg.model)


def tiny_run(method, root, work_dir, epochs=1, steps=2, options=None):
    """A runner of the mini config, narrowed, on eight images a step."""
    cfg = load(method, MINI, options)
    cfg.work_dir = str(work_dir)
    cfg.model.backbone.update(depth=18, base_channels=8)
    loader = cfg.train_dataloader
    loader.update(batch_size=8, num_workers=0, persistent_workers=False)
    loader.sampler.update(batch_size=8, num_pairs_per_epoch=4 * steps)
    loader.dataset.data_root = root
    cfg.train_cfg.max_epochs = epochs
    for step in loader.dataset.pipeline:
        if step.type == 'EpochStages':
            step.epochs_per_stage = 1
    return build_runner(cfg)


@pytest.mark.parametrize('method', METHODS)
@pytest.mark.parametrize('options', [None, ONE_STREAM])
def test_two_steps_train_every_stem(method, options, tiny_sysu, tmp_path):
    runner = tiny_run(method, tiny_sysu, tmp_path, options=options)
    model = runner.model
    assert type(model) is METHODS[method]
    stems = model.backbone.stem_names
    assert len(stems) == (1 if options else 2)
    norms = {stem: [] for stem in stems}
    for stem, seen in norms.items():
        weight = getattr(model.backbone, stem).conv1.weight
        weight.register_hook(lambda g, seen=seen: seen.append(g.norm()))
    runner.train()
    assert runner.iter == 2
    # Not by weight decay alone.
    assert all(len(seen) == 2 and min(seen) > 0 for seen in norms.values())


def test_stages_follow_the_epochs(tiny_sysu, tmp_path):
    runner = tiny_run('psl', tiny_sysu, tmp_path, epochs=3, steps=1)
    model, seen = runner.model, []
    forward = model.forward_stage

    def record(inputs, modality, stage):
        seen.append((runner.epoch, stage, len(inputs)))
        return forward(inputs, modality, stage)

    model.forward_stage = record
    runner.train()
    assert seen == [(0, 0, 8 * 4), (1, 1, 8 * 6), (2, 2, 8 * 9)]


def test_a_resumed_run_is_in_its_stage(tiny_sysu, tmp_path):
    """Three epochs at once, or two of them after a resumption."""
    whole = tiny_run('psl', tiny_sysu, tmp_path / 'a', epochs=3, steps=1)
    whole.train()
    tiny_run('psl', tiny_sysu, tmp_path / 'b', epochs=1, steps=1).train()
    rest = tiny_run('psl', tiny_sysu, tmp_path / 'b', epochs=3, steps=1)
    rest._resume = True
    rest.train()
    for key, value in whole.model.state_dict().items():
        # The schedules differ in nothing: they do not know the last epoch.
        assert torch.equal(value, rest.model.state_dict()[key]), key


@pytest.mark.parametrize('method', METHODS)
@pytest.mark.parametrize('network', ['agw', 'one-stream'])
def test_checkpoints_transfer(method, network, tmp_path):
    options = ONE_STREAM if network == 'one-stream' else None
    source = build(load(method, MINI, options))
    path = tmp_path / 'rival.pth'
    torch.save(dict(state_dict=source.state_dict()), path)
    cfg = load_config(
        config_dir() / f'mmgl/finetune/{network}_r18-narrow_synthetic.py'
    )
    apply_init(cfg, 'mmgl', str(path))
    if network == 'agw':
        # The blocks AGW adds to the two-stream network.
        cfg.model.init_from.allow_missing = ('non_local.',)
    model = build(cfg)
    model.init_weights()
    state = model.backbone.state_dict()
    copied = {k: v for k, v in state.items() if not k.startswith('non_local.')}
    assert len(copied) == len(source.backbone.state_dict())
    for key, value in source.backbone.state_dict().items():
        assert torch.equal(value, copied[key]), key


@pytest.mark.parametrize('method', ['jigsaw', 'psl'])
@pytest.mark.parametrize('kind', KINDS)
def test_puzzles_of_data_and_model_agree(method, kind):
    cfg = load(method, kind)
    step = cfg.train_dataloader.dataset.pipeline[-2]
    stages = [[step]] if method == 'jigsaw' else step.stages
    heads = (
        [cfg.model.heads.jigsaw]
        if method == 'jigsaw'
        else [stage.head for stage in cfg.model.stages]
    )
    for (tiles,), head in zip(stages, heads, strict=True):
        assert np.prod(tiles.grid) == head.num_tiles
        assert tiles.num_permutations == head.num_permutations
    # Nothing that changes pixels comes behind the tiles.
    assert cfg.train_dataloader.dataset.pipeline[-1].type == 'PackReIDInputs'


@pytest.mark.parametrize('kind', KINDS)
def test_every_stage_has_a_third_of_the_training(kind):
    cfg = load('psl', kind)
    with registry_scope('mmgl'):
        step = TRANSFORMS.build(cfg.train_dataloader.dataset.pipeline[-2])
    assert isinstance(step, EpochStages)
    epochs = cfg.train_cfg.max_epochs
    counts = np.bincount([step.stage_of(e) for e in range(epochs)])
    assert len(counts) == 3 and abs(counts - epochs / 3).max() < 2
    assert cfg.find_unused_parameters


@pytest.mark.parametrize('kind', KINDS)
def test_colours_are_not_augmented(kind):
    cfg = load('colorization', kind)
    assert [step.type for step in cfg.train_dataloader.dataset.pipeline] == [
        'LoadImageFromFile',
        'Resize' if kind == MINI else 'PILResize',
        'mmpretrain.RandomCrop',
        'RandomFlip',
        'PackReIDInputs',
    ]


@pytest.mark.parametrize(
    'method, table',
    [
        (
            'jigsaw',
            {0: 0.25, 5: 1, 28: 1, 29: 0.1, 57: 0.01, 86: 1e-3, 95: 1e-4},
        ),
        (
            'psl',
            {
                0: 0.25,
                5: 1,
                19: 1,
                20: 0.1,
                29: 0.01,
                33: 0.01,
                34: 1,
                54: 0.1,
                63: 0.01,
                68: 1,
                87: 0.1,
                95: 0.01,
            },
        ),
        ('colorization', {0: 1, 44: 1, 45: 0.1, 90: 0.01, 99: 0.01}),
    ],
)
def test_native_schedules(method, table):
    cfg = load(method, NATIVE)
    rows, _ = learning_rates(cfg, 1)
    # 0.1 for 256 images and 3e-5 for 40.
    base = {'colorization': 3e-5 * 96 / 40}.get(method, 0.1 * 96 / 256)
    assert len(rows) == 100
    assert {e: rows[e] / base for e in table} == pytest.approx(table)


def test_native_weight_decay():
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2))
    decays = {
        method: [
            group['weight_decay']
            for group in build_optim_wrapper(
                model, load(method, NATIVE).optim_wrapper
            ).optimizer.param_groups
        ]
        for method in METHODS
    }
    # Weight and bias of the linear layer, then of the batch norm.
    assert decays == dict(
        jigsaw=[1e-4, 1e-4, 0.0, 0.0],
        psl=[1e-4, 1e-4, 0.0, 0.0],
        colorization=[1e-3],
    )
