"""The epoch to keep is chosen by validation identities, for every method."""

import math
from pathlib import Path

import numpy as np
import pytest
from own_data import rows_of, write_table
from test_configs import FINETUNING, run, shrink, use_tiny_data

from mmgl.config.checking import check_settings
from mmgl.config.files import read_config_file
from mmgl.config.loading import apply_init, load_config, training_config
from mmgl.config.options import training_parser
from mmgl.config.selection import choose_epoch, select_every
from mmgl.datasets import ReIDTable
from mmgl.experiments.methods import METHODS
from mmgl.registry import METRICS
from mmgl.utils.errors import ConfigError
from mmgl.utils.paths import config_dir

SMALL = [
    leaf
    for leaf in FINETUNING
    if leaf.endswith('_r18-narrow_synthetic.py')
    and Path(leaf).stem.split('_')[0]
    in {name for name, method in METHODS.items() if not method.variant_of}
]


def load(leaf):
    return load_config(config_dir() / leaf)


def test_all_methods_are_here():
    # The paper's seven, DEEN, and label-free fine-tuning.
    assert len(SMALL) == 9


@pytest.mark.parametrize('leaf', SMALL)
def test_every_method_holds_the_validation_identities_out(leaf, tiny_sysu):
    cfg = load(leaf)
    cfg.train_dataloader.dataset.data_root = tiny_sysu
    for head in cfg.model.heads.values():
        if 'num_classes' in head:
            head['num_classes'] = 12
    choose_epoch(cfg, 3)
    assert cfg.train_dataloader.dataset.split == 'train'
    assert cfg.val_dataloader.dataset.split == 'val_test'
    assert cfg.test_dataloader.dataset.split == 'test'
    assert cfg.train_cfg.val_interval == 3
    assert 12 not in {h.get('num_classes') for h in cfg.model.heads.values()}
    check_settings(cfg)


# The others take as long; the fast suite has one.
@pytest.mark.parametrize(
    'leaf',
    [
        pytest.param(leaf, marks=[pytest.mark.slow] * ('/agw_' not in leaf))
        for leaf in SMALL
    ],
)
def test_every_method_trains_and_keeps_its_best_epoch(
    leaf, tiny_sysu, tmp_path
):
    cfg = load(leaf)
    apply_init(cfg, 'random', None)
    use_tiny_data(cfg, dict(SYSUMM01=tiny_sysu), tmp_path)
    shrink(cfg)
    select_every(cfg, 1)
    for key in ('test_cfg', 'test_dataloader', 'test_evaluator'):
        cfg[key] = None
    losses, metrics = run(cfg)
    assert math.isfinite(losses['loss'])
    assert set(metrics) == {
        f'all_single/{name}'
        for name in ('rank1', 'rank5', 'rank10', 'rank20', 'mAP', 'mINP')
    }
    assert (tmp_path / 'best_all_single_mAP_epoch_1.pth').is_file()


@pytest.mark.parametrize('method', ['agw', 'ddag'])
def test_it_is_what_the_leaves_of_selection_say(method, tiny_sysu):
    """But for the interval, and how AGW's small one keeps no best."""
    ours = load(f'mmgl/finetune/{method}_r18-narrow_synthetic.py')
    theirs = load(f'mmgl/finetune/{method}_r18-narrow_synthetic-select.py')
    ours.train_dataloader.dataset.data_root = tiny_sysu
    for node in ours.model.heads.values():
        if 'num_classes' in node:
            node['num_classes'] = 12
    select_every(ours, 1)
    assert ours.default_hooks.checkpoint.pop('save_best') == 'all_single/mAP'
    ours.train_dataloader.dataset.data_root = 'data/synthetic/mini'
    heads = {
        name: head['num_classes']
        for name, head in ours.model.heads.items()
        if 'num_classes' in head
    }
    assert heads and set(heads.values()) == {8}
    for name in heads:
        ours.model.heads[name]['num_classes'] = 112
    for key in ('train_dataloader', 'val_dataloader', 'val_evaluator'):
        assert ours[key] == theirs[key]
    for key in ('train_cfg', 'val_cfg', 'model', 'default_hooks'):
        assert ours[key] == theirs[key]


def test_rows_of_val_choose_among_own_data(tiny_sysu, tmp_path):
    rows = [
        (*row, 'val' if split == 'test' else split)
        for *row, split in rows_of(tiny_sysu)
    ]
    table = str(write_table(tmp_path / 'people.csv', rows))
    cfg = load('mmgl/finetune/agw_r50_32-81e_own.py')
    choose_epoch(cfg, 2)
    check_settings(cfg)
    train, val = (cfg[f'{x}_dataloader'].dataset for x in ('train', 'val'))
    assert (train.split, val.split) == ('train', 'val')
    assert val.pipeline == cfg.test_dataloader.dataset.pipeline
    with pytest.raises(ConfigError, match="split 'val' of .* has no image"):
        ReIDTable(str(tiny_sysu), 'val', str(write_table(table, rows[:1])))
    write_table(table, rows)
    labels = ReIDTable(str(tiny_sysu), 'val', table).labels()
    features = np.random.default_rng(0).normal(size=(len(labels), 4))
    metric = METRICS.build(cfg.val_evaluator)
    metric.process(
        None,
        [
            dict(
                zip(('pid', 'camid', 'modality', 'index'), row, strict=True),
                feature=feature,
            )
            for row, feature in zip(labels, features, strict=True)
        ],
    )
    figures = metric.evaluate(len(labels))
    assert 0 < figures[cfg.default_hooks.checkpoint.save_best] < 100


def options(*words):
    return training_parser().parse_args(words)


@pytest.mark.parametrize(
    ('leaf', 'problem'),
    [
        ('finetune/agw_r50_64-81e_regdb', 'RegDB has no validation'),
        ('pretrain/mmgl_agw_r18-narrow_synthetic', 'no single ReIDMetric'),
    ],
)
def test_where_nobody_is_held_out_it_is_refused(leaf, problem):
    with pytest.raises(ConfigError, match=problem):
        training_config(options(leaf, '--select-every', '2'))


@pytest.mark.parametrize('hooks', [None, dict(checkpoint=None)])
def test_who_keeps_no_checkpoints_is_told(hooks):
    cfg = load(SMALL[0])
    cfg['default_hooks'] = hooks
    with pytest.raises(ConfigError, match='default_hooks.checkpoint, which'):
        select_every(cfg, 1)


def test_test_identities_never_choose():
    leaf = 'finetune/agw_r50_64-81e_sysu-select'
    for split in ('test', 'query', 'gallery'):
        with pytest.raises(ConfigError, match='must not choose the epoch'):
            training_config(
                options(
                    leaf,
                    '--cfg-options',
                    f'val_dataloader.dataset.split={split}',
                )
            )
    with pytest.raises(ConfigError, match='--no-validate forbids'):
        training_config(options(leaf, '--select-every=1', '--no-validate'))
    assert read_config_file(config_dir() / f'mmgl/{leaf}.py').val_cfg == {}
