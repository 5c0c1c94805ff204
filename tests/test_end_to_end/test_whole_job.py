"""Pre-training, transfer, fine-tuning and test, one after the other.

They take some seconds and run once for all tests.
"""

import json
import math

import pytest
import torch
from running import FINETUNE, cfg_options, config, load

from mmgl.apis.evaluation import run_evaluation
from mmgl.apis.training import prepare_training
from mmgl.config.options import training_parser
from mmgl.evaluation.documents import read_report

SYSU_METRICS = {
    f'{mode}_{shots}/{name}'
    for mode in ('all', 'indoor')
    for shots in ('single', 'multi')
    for name in ('rank1', 'rank5', 'rank10', 'rank20', 'mAP', 'mINP')
}


def scalars(work_dir):
    """All logged values of a run, one dict for each line of its log."""
    files = list(work_dir.glob('*/vis_data/scalars.json'))
    assert len(files) == 1
    return [json.loads(line) for line in files[0].read_text().splitlines()]


def test_metrics_of_the_fine_tuned_model(finetuned, tmp_path):
    out = tmp_path / 'out/metrics.json'
    given = map(str, [finetuned.checkpoint, '--work-dir', tmp_path])
    run_evaluation(
        [
            *(config(FINETUNE), *given, '--out', str(out)),
            *cfg_options(finetuned.options),
        ]
    )
    metrics, written = read_report(out)
    assert written['device']
    assert set(metrics) == SYSU_METRICS
    assert all(0 < v <= 100 for v in metrics.values())
    for part in ('all_single', 'indoor_multi'):
        ranks = [metrics[f'{part}/rank{n}'] for n in (1, 5, 10, 20)]
        assert ranks == sorted(ranks)
    assert written['checkpoint'] == str(finetuned.checkpoint)
    # Beside the training run, whose config stays as it was.
    assert not list(finetuned.work_dir.glob('*/*.json.part'))


def test_curves_of_pretraining_are_logged(pretrained):
    rows = scalars(pretrained.work_dir)
    losses = [row for row in rows if 'part/loss_pcc' in row]
    assert len(losses) == 12
    assert all(math.isfinite(v) for row in losses for v in row.values())
    accuracy = [
        row['permutation/infrared_stripe_acc']
        for row in rows
        if 'permutation/exact_acc' in row
    ]
    assert len(accuracy) == 2


def test_checkpoints_say_what_they_were_trained_on(pretrained, finetuned):
    meta = load(pretrained.checkpoint)['meta']['trained_on']
    assert meta == dict(dataset='sysu', split='train', trial=None, num_pids=8)
    meta = load(finetuned.checkpoint)['meta']
    assert meta['trained_on'] == dict(
        dataset='sysu', split='trainval', trial=None, num_pids=12
    )
    before, last = meta['seen']
    assert before['split'] == 'train' and not before['labels']
    assert last['split'] == 'trainval' and last['labels']
    assert set(before['pids']) < set(last['pids']) and len(last['pids']) == 12


class Stopped(Exception):
    pass


def backbone_at_start(arguments):
    """Tensors of the backbone when the first iteration of a run begins."""
    runner = prepare_training(training_parser().parse_args(arguments))
    kept = {}

    def stop(*_, **__):
        state = runner.model.backbone.state_dict()
        kept.update({k: v.clone() for k, v in state.items()})
        raise Stopped

    runner.hooks[0].before_train_iter = stop
    with pytest.raises(Stopped):
        runner.train()
    return kept


def test_fine_tuning_starts_from_the_very_tensors(
    pretrained, finetuned, tmp_path
):
    source = {
        name.removeprefix('backbone.'): value
        for name, value in load(pretrained.checkpoint)['state_dict'].items()
        if name.startswith('backbone.')
    }
    arguments = [
        config(FINETUNE),
        '--work-dir',
        str(tmp_path),
        '--init',
        'mmgl',
        '--init-checkpoint',
        str(pretrained.checkpoint),
        *cfg_options(finetuned.options),
    ]
    start = backbone_at_start(arguments)
    assert set(start) == set(source)
    for name, value in start.items():
        assert torch.equal(value, source[name]), name
    # It was trained: neither the random start nor what came out.
    random = backbone_at_start(
        [*arguments[:3], '--init', 'random', *cfg_options(finetuned.options)]
    )
    end = load(finetuned.checkpoint)['state_dict']
    name = 'layer1.0.conv1.weight'
    assert not torch.equal(start[name], random[name])
    assert not torch.equal(start[name], end[f'backbone.{name}'])
