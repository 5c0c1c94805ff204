"""LLCM's layout from the command line: written, checked, trained, scored."""

import math

import pytest
from test_own_data_page import SAMPLERS, SMALL, run

from mmgl.evaluation.documents import read_report


@pytest.mark.slow
def test_drawn_people_go_the_whole_way(tmp_path, monkeypatch):
    """Half a minute: three networks are built and run."""
    monkeypatch.chdir(tmp_path)
    run('mmgl make-synthetic --root llcm --layout llcm --preset tiny'.split())
    check = 'mmgl verify-dataset --root llcm --layout llcm --decode'
    assert run(check.split()) == 0
    samplers = {
        stage: [f'train_dataloader.sampler.{option}' for option in options]
        for stage, options in SAMPLERS.items()
    }
    root = ['--cfg-options', '*.data_root=llcm']
    pretraining = 'pretrain/mmgl_agw_r50_96-100e_llcm'
    options = [*SMALL['train'], *samplers['pretrain']]
    name = 'val_dataloader.dataset.pipeline.1.scale'
    options += [f'{name}=[48,96]', 'val_dataloader.num_workers=0']
    run(['mmgl', 'train', pretraining, *root, *options])
    # The classes are those of the drawn people.
    options = [
        *SMALL['train'],
        *samplers['finetune'],
        'model.heads.id.num_classes=auto',
    ]
    finetuning = 'finetune/agw_r50_64-81e_llcm'
    start = ['--init', 'mmgl', '--init-checkpoint']
    start += [f'work_dirs/{pretraining.split("/")[1]}/epoch_1.pth']
    run(['mmgl', 'train', finetuning, *start, *root, *options])
    trained = 'work_dirs/agw_r50_64-81e_llcm_mmgl/epoch_1.pth'
    options = [*SMALL['test'], 'test_evaluator.dump=features.npz']
    options += ['model.heads.id=None']
    out = ['--out', 'metrics.json']
    run(['mmgl', 'test', finetuning, trained, *out, *root, *options])
    figures, _ = read_report('metrics.json')
    assert len(figures) == 18
    assert all(math.isfinite(value) for value in figures.values())
    scoring = 'mmgl eval-features --protocol llcm --features features.npz'
    scoring += ' --data-root llcm --distance cosine --out again.json'
    run(scoring.split())
    again, _ = read_report('again.json')
    for search in (
        'infrared_to_visible_single',
        'visible_to_infrared_single',
        'visible_to_infrared_published',
    ):
        key = f'{search}/mAP'
        assert again[key] == pytest.approx(figures[key])
