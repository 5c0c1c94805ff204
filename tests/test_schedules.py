"""Iterations of an epoch and learning rates of the shipped configs."""

import pytest
from schedules import learning_rates

from mmgl.config.loading import load_config
from mmgl.registry import DATA_SAMPLERS, DATASETS
from mmgl.utils.compat import registry_scope
from mmgl.utils.paths import config_dir


def leaves(*patterns):
    """Configs by patterns of their names."""
    return sorted(
        str(path.relative_to(config_dir()))
        for pattern in patterns
        for path in config_dir().glob(f'mmgl/{pattern}.py')
    )


def load(leaf):
    return load_config(config_dir() / leaf)


# --------------------------------------------------------------- epoch length
@pytest.mark.parametrize(
    'leaf, iterations',
    [
        ('mmgl/finetune/agw_r50_64-81e_sysu.py', 696),
        ('mmgl/finetune/one-stream_r50_64-81e_sysu.py', 696),
        ('mmgl/finetune/caj_r50_96-100e_sysu.py', 696),
        ('mmgl/finetune/caj_r50_96-100e_regdb.py', 65),
        ('mmgl/finetune/ddag_r50_64-81e_sysu.py', 696),
        ('mmgl/finetune/agw_r50_64-81e_regdb.py', 65),
        ('mmgl/finetune/one-stream_r50_64-81e_regdb.py', 65),
        # Once over the infrared images, in groups of one identity.
        ('mmgl/finetune/mpanet_r50_128-140e_sysu.py', 182),
        ('mmgl/finetune/mpanet_r50_120-140e_regdb.py', 34),
        # Once over the identities, 16 and 4 in a batch.
        ('mmgl/finetune/mutual-info_r50_128-600e_sysu.py', 24),
        ('mmgl/finetune/mutual-info_r50_64-600e_regdb.py', 25),
        # 20,284 and 2,060 visible images in batches of 48.
        ('mmgl/pretrain/mmgl_agw_r50_96-100e_sysu.py', 423),
        ('mmgl/pretrain/mmgl_agw_r50_96-100e_regdb.py', 43),
    ],
)
def test_iterations_of_an_epoch_on_the_real_data(
    leaf, iterations, protocol_root
):
    cfg = load(leaf)
    loader = cfg.train_dataloader
    root = dict(SYSUMM01='sysu_mm01', RegDB='regdb')[loader.dataset.type]
    loader.dataset.update(
        data_root=str(protocol_root / root), pipeline=[], listing='protocol'
    )
    with registry_scope('mmgl'):
        dataset = DATASETS.build(loader.dataset)
        sampler = DATA_SAMPLERS.build(
            dict(loader.sampler, dataset=dataset, seed=0)
        )
    assert sampler.batch_size == loader.batch_size
    assert len(sampler) == iterations * loader.batch_size
    classes = dataset.metainfo['num_pids']
    if '/finetune/' in leaf:
        assert {classes} == {
            head.num_classes
            for head in cfg.model.heads.values()
            if 'num_classes' in head
        }
    else:
        assert classes == {'SYSUMM01': 296, 'RegDB': 206}[loader.dataset.type]


# -------------------------------------------------------------- learning rate
@pytest.mark.parametrize(
    'leaf', leaves('finetune/*-81e_*', 'finetune/caj*-100e_*')
)
def test_learning_rates_of_the_baselines(leaf):
    backbone, rest = learning_rates(load(leaf), 1)
    assert len(rest) == (100 if '/caj' in leaf else 81)
    drop = 30 if 'ddag-mmgl' in leaf else 20
    if '_r50' not in leaf:
        # Adam for all of the network, by the same schedule.
        assert backbone == rest
        rest = [lr / 3.5e-4 * 0.1 for lr in rest]
        backbone = [lr / 10 for lr in rest]
    table = {
        0: 0.01,
        9: 0.1,
        10: 0.1,
        drop - 1: 0.1,
        drop: 0.01,
        49: 0.01,
        50: 0.001,
        80: 0.001,
    }
    assert {epoch: rest[epoch] for epoch in table} == pytest.approx(table)
    # Ten equal steps of warm-up.
    assert rest[:10] == pytest.approx([0.01 * n for n in range(1, 11)])
    assert backbone == pytest.approx([lr / 10 for lr in rest])


@pytest.mark.parametrize('leaf', leaves('finetune/label-free*100e*'))
def test_learning_rates_of_two_stages_without_labels(leaf):
    backbone, rest = learning_rates(load(leaf), 1)
    stage = [3.5e-4] * 20 + [3.5e-5] * 20 + [3.5e-6] * 10
    assert backbone == rest == pytest.approx(2 * stage)


@pytest.mark.parametrize('leaf', leaves('finetune/*600e*'))
def test_learning_rates_of_mutual_info(leaf):
    backbone, rest = learning_rates(load(leaf), 1)
    assert backbone == rest and len(rest) == 600
    # Measured with the scheduler of the public code, three digits each.
    published = [
        2.83e-5,
        5.41e-5,
        7.98e-5,
        1.06e-4,
        1.31e-4,
        1.57e-4,
        1.83e-4,
        2.09e-4,
        2.34e-4,
        2.6e-4,
    ]
    assert rest[:10] == pytest.approx(published, rel=5e-3)
    assert rest[:10] == pytest.approx(
        [2.6e-4 * (0.01 * (1 - t / 10) + t / 10) for t in range(1, 11)]
    )
    assert rest[10:209] == pytest.approx([2.6e-4] * 199)
    assert rest[209:] == pytest.approx([2.6e-5] * 391)


@pytest.mark.parametrize(
    'leaf',
    [
        leaf
        for leaf in leaves('pretrain/*100e*', 'ssl/*100e*')
        if '-native' not in leaf
    ],
)
def test_learning_rates_of_pretraining(leaf):
    iters = 7
    backbone, rest = learning_rates(load(leaf), iters)
    assert backbone == rest
    assert len(rest) == 100 * iters
    if 'deit' in leaf:
        rest = [lr / 3.5e-4 * 0.1 for lr in rest]  # AdamW
    warm_up = rest[: 10 * iters]
    slope = (0.1 - 0.001) / (10 * iters - 1)
    assert warm_up == pytest.approx(
        [0.001 + slope * n for n in range(10 * iters)]
    )
    # Half of it in the middle of epochs 10 to 100, nothing at the end.
    assert rest[10 * iters] == pytest.approx(0.1)
    assert rest[55 * iters] == pytest.approx(0.05, rel=1e-2)
    assert rest[-1] < 1e-5
    assert rest[10 * iters :] == sorted(rest[10 * iters :], reverse=True)
