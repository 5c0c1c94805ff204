"""Running tables and figures, with a runner that makes results up."""

import json
import os
import stat
import sys

import pytest
from reproducing import KEYS, FakeRunner, make_options, start

from mmgl.experiments import Cell
from mmgl.experiments.launch import launch_stage
from mmgl.experiments.records import load_records
from mmgl.experiments.stage import Stage
from mmgl.experiments.summary import STALE


def test_pretraining_is_shared_and_results_are_recorded(tmp_path):
    options, runner = make_options(tmp_path), FakeRunner()
    code, text = start(options, runner)
    assert code == 0, text
    # Data, two streams x two seeds, and eight cells of two stages.
    assert len(runner.ran) == 1 + 4 + 8 * 2
    assert runner.ran.index('agw_mmgl_seed0/finetune') > runner.ran.index(
        'pretrain/mmgl_two-stream_seed0'
    )
    records = load_records(options.results, 'mini')
    assert len(records) == 8
    record = records[Cell('mini', 'agw', 'mmgl', 1)]
    assert record['metrics'][KEYS[0]] == 40
    assert set(record['seconds']) == {'pretrain', 'finetune', 'evaluate'}
    assert record['device'] == 'a card'
    assert record['config'] == 'agw_r18-narrow_synthetic.py'
    assert record['pretraining'] == 'mmgl_two-stream_r18-narrow_synthetic.py'
    assert record['cell'] == {
        'scale': 'mini',
        'method': 'agw',
        'init': 'mmgl',
        'seed': 1,
    }
    row = next(
        line
        for line in options.document.read_text().splitlines()
        if line.startswith('| AGW') and '| MMGL' in line and '35.00' in line
    )
    # Numbers of photographs stand on a page of their own.
    assert row.count('35.00 ± 7.07') == 2 and '56.61' not in row
    real = options.document.with_name('results_real.md').read_text()
    assert '56.61' in real and '35.00' not in real
    # Nor is there a column for numbers that nobody has measured yet.
    assert 'r1 (paper)' in real and '(ours)' not in real
    assert '35.00 ± 7.07 [56.61]' in text
    again = FakeRunner()
    code, text = start(options, again)
    assert code == 0 and not again.ran and '8 recorded, 0 left' in text
    more = make_options(tmp_path, seeds=3, write_only=True)
    assert start(more, again)[0] == 0 and not again.ran


def test_records_outlive_the_work_dir(tmp_path):
    start(make_options(tmp_path, seeds=1), FakeRunner())
    more = FakeRunner()
    start(make_options(tmp_path, work_dir=tmp_path / 'other'), more)
    # Nothing of seed 0 is run again, not even its pre-training.
    assert more.ran[0] == 'data'
    assert all('seed1' in name for name in more.ran[1:])


def test_a_record_names_every_number_of_threads(tmp_path, monkeypatch):
    monkeypatch.setattr('os.cpu_count', lambda: 5)
    changes = dict(seeds=1, only=['agw', 'mmgl'])
    for threads, failing in (
        ('3', 'pretrain/mmgl_two-stream_seed0'),
        ('7,1', 'agw_mmgl_seed0/finetune'),
    ):
        monkeypatch.setenv('OMP_NUM_THREADS', threads)
        options = make_options(tmp_path, jobs=1, **changes)
        assert start(options, FakeRunner(fail=[failing]))[0] == 1
    monkeypatch.delenv('OMP_NUM_THREADS')
    start(options, FakeRunner())
    (record,) = load_records(options.results, 'mini').values()
    # The pre-training went on with 7, the fine-tuning with 5.
    assert record['threads'] == [3, 5, 7]
    # What is done anew has no past.
    (options.results / 'mini/agw_mmgl_seed0.json').unlink()
    for name in (
        'pretrain/mmgl_two-stream_seed0',
        'agw_mmgl_seed0/finetune',
        'agw_mmgl_seed0/evaluate',
    ):
        for path in (options.work_dir / name).iterdir():
            if path.name != 'stage.json':
                path.unlink()
    monkeypatch.setenv('OMP_NUM_THREADS', '2')
    start(options, FakeRunner())
    (record,) = load_records(options.results, 'mini').values()
    assert record['threads'] == [2]


def test_a_table_is_also_json(tmp_path):
    options = make_options(tmp_path)
    start(options, FakeRunner(diverge=['agw_random_seed1/finetune']))
    table = json.loads(
        (options.results / 'mini/tables/table2.json').read_text()
    )
    rows = {(r['method'], r['init']): r for r in table['rows']}
    assert len(rows) == 7 * 2 and table['unit'] == 'percent'
    value = rows['agw', 'mmgl']['ours']['all_single/rank1']
    assert value == {
        'mean': 35,
        'std': pytest.approx(7.0711, abs=1e-4),
        'values': [30, 40],
    }
    assert rows['agw', 'mmgl']['paper']['all_single/mAP'] == 54.5
    assert rows['agw', 'random']['failed'] == 1
    assert rows['agw', 'random']['verdicts'] == ['non-finite loss: loss']
    assert rows['caj', 'random']['paper'] == 'fail'
    assert rows['caj', 'random']['ours'] is None


def test_divergence_is_a_result_and_is_not_repeated(tmp_path):
    name = 'agw_random_seed0'
    options = make_options(tmp_path)
    code, text = start(options, FakeRunner(diverge=[f'{name}/finetune']))
    assert code == 0 and 'diverged (non-finite loss: loss)' in text
    record = load_records(options.results, 'mini')[
        Cell('mini', 'agw', 'random', 0)
    ]
    assert record['metrics'] == 'fail'
    assert record['verdict'] == 'non-finite loss: loss'
    assert record['failed_stage'] == 'finetune'
    assert '2 (fail: 1)' in options.document.read_text()
    again = FakeRunner()
    assert start(options, again)[0] == 0 and not again.ran
    # A lost record is written from the state of the stage.
    (options.results / f'mini/{name}.json').unlink()
    assert start(options, again)[0] == 0 and not again.ran
    assert (options.results / f'mini/{name}.json').exists()


def test_a_collapsed_pretraining_fails_its_cells(tmp_path):
    options = make_options(
        tmp_path, targets=['table4'], seeds=1, only=['simsiam', 'byol']
    )
    runner = FakeRunner(diverge=['pretrain/simsiam_two-stream_seed0'])
    code, text = start(options, runner)
    assert code == 0, text
    assert 'agw_simsiam_seed0/finetune' not in runner.ran
    record = load_records(options.results, 'mini')[
        Cell('mini', 'agw', 'simsiam', 0)
    ]
    assert record['metrics'] == 'fail'
    assert record['failed_stage'] == 'pretrain'
    line = next(line for line in text.splitlines() if '| SimSiam' in line)
    assert line.count('fail [fail]') == 3 and '1 (fail: 1)' in line


def test_a_failed_stage_does_not_stop_the_others(tmp_path):
    options = make_options(tmp_path, seeds=1)
    failing = FakeRunner(fail=['pretrain/mmgl_two-stream_seed0'])
    code, text = start(options, failing)
    assert code == 1
    assert 'failed: agw_mmgl_seed0/finetune: needs pretrain' in text
    assert len(load_records(options.results, 'mini')) == 3
    assert start(options, FakeRunner())[0] == 0
    assert len(load_records(options.results, 'mini')) == 4


def test_several_stages_at_a_time(tmp_path):
    runner = FakeRunner()
    start(make_options(tmp_path, gpus=[3, 5], jobs=None), runner)
    assert {env['CUDA_VISIBLE_DEVICES'] for env in runner.envs} <= {'3', '5'}
    assert len(make_options(tmp_path, jobs=2).slots()) == 2
    assert make_options(tmp_path, jobs=2).slots()[1]['OMP_NUM_THREADS']
    # More stages than GPUs share them.
    shared = make_options(tmp_path, gpus=[3, 5], jobs=3).slots()
    assert [slot['CUDA_VISIBLE_DEVICES'] for slot in shared] == ['3', '5', '3']


def test_srun_goes_before_every_command(tmp_path, monkeypatch):
    """A false srun notes its options and runs the rest."""
    fake = tmp_path / 'bin/srun'
    fake.parent.mkdir()
    fake.write_text(
        '#!/bin/sh\n'
        f'echo "$@" >> {tmp_path}/calls\n'
        'while [ "${1#--}" != "$1" ]; do shift; done\n'
        'exec "$@"\n'
    )
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv(
        'PATH', f'{fake.parent}{os.pathsep}{os.environ["PATH"]}'
    )
    options = make_options(
        tmp_path,
        slurm='gpu',
        slurm_args='--qos=long --time=2-0',
        gpus=None,
        jobs=None,
    )
    folder = tmp_path / 'stage'
    folder.mkdir()
    stage = Stage(
        'a/finetune',
        'a',
        'finetune',
        folder,
        {},
        command=[sys.executable, '-c', f'open({str(folder / "out")!r}, "w")'],
    )
    list(launch_stage(stage, tmp_path, prefix=options.prefix))
    assert (folder / 'out').exists()
    calls = (tmp_path / 'calls').read_text()
    for word in (
        '--partition=gpu',
        '--gres=gpu:1',
        '--qos=long',
        '--time=2-0',
        '--job-name=a/finetune',
    ):
        assert word in calls.split()
    # The coordinating process waits for as many jobs at a time.
    assert len(options.slots()) == 8
    assert 'CUDA_VISIBLE_DEVICES' not in options.slots()[0]
    assert make_options(tmp_path).prefix(stage) == []
    with pytest.raises(ValueError, match='--slurm'):
        make_options(tmp_path, slurm_args='--qos=long')
    with pytest.raises(ValueError, match='gpus'):
        make_options(tmp_path, slurm='gpu', gpus=[1])


def test_dry_run_says_how_far_each_stage_is(tmp_path):
    options = make_options(
        tmp_path,
        seeds=1,
        targets=['fig1', 'table4'],
        only=['simsiam', 'byol', 'random'],
    )
    diverged = 'pretrain/simsiam_two-stream_seed0'
    start(
        options,
        FakeRunner(diverge=[diverged], fail=['agw_byol_seed0/finetune']),
    )
    # As a kill leaves it.
    state = options.work_dir / 'agw_byol_seed0/finetune/stage.json'
    saved = json.loads(state.read_text())
    assert saved['state'] == 'running'
    state.write_text(json.dumps({**saved, 'seconds': 70}))
    for name in ('random', 'simsiam'):
        (options.results / f'mini/agw_{name}_seed0.json').unlink()
    before = sorted(tmp_path.rglob('*'))
    code, text = start(
        make_options(
            tmp_path,
            seeds=1,
            targets=['fig1', 'table4'],
            dry_run=True,
            only=['simsiam', 'byol', 'random'],
        )
    )
    assert code == 0 and sorted(tmp_path.rglob('*')) == before

    def line(name):
        (found,) = (
            line
            for line in text.splitlines()
            if line.startswith(f'  {name}: ')
        )
        return found

    assert line(diverged).endswith('(seed 0, diverged: non-finite loss: loss)')
    assert line('agw_simsiam_seed0/evaluate').endswith(
        'not run, agw_simsiam_seed0/finetune has diverged)'
    )
    assert line('agw_byol_seed0/finetune').endswith(
        '(seed 0, continues, 1:10 spent of about 2:10)'
    )
    assert line('agw_byol_seed0/evaluate').endswith('(seed 0, about 0:20)')
    assert line('agw_random_seed0/finetune').endswith('(seed 0, done)')
    assert line('figures/fig1').endswith('pre-training (about 0:40)')
    # A minute of fine-tuning, 20 seconds of evaluation.
    assert 'About 1:20 left' in text


def test_changed_runs_keep_off_the_official_results(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    changes = dict(
        overrides={'train_cfg.max_epochs': 1}, seeds=1, only=['agw', 'random']
    )
    for official in (
        {'results': 'docs/results'},
        {'document': tmp_path / 'docs/results.md'},
    ):
        with pytest.raises(ValueError, match=f'--{[*official][0]}'):
            make_options(tmp_path, **changes, **official)
        # The usual ones are for runs that nothing changes.
        make_options(tmp_path, **official)
    cell, options = (
        Cell('mini', 'agw', 'random', 0),
        make_options(tmp_path, **changes),
    )
    start(options, FakeRunner())
    record = load_records(options.results, 'mini')[cell]
    assert record['overrides'] == {'train_cfg.max_epochs': 1}
    assert 'outdated' not in options.document.read_text()
    # Others in the same folder are not taken for them.
    plain = make_options(tmp_path, **{**changes, 'overrides': {}})
    start(make_options(tmp_path, write_only=True), FakeRunner())
    assert '1 (outdated)' in options.document.read_text()
    start(plain, FakeRunner())
    assert 'overrides' not in load_records(plain.results, 'mini')[cell]


def test_records_of_other_configs_are_marked_and_not_averaged(tmp_path):
    options = make_options(tmp_path, only=['agw'], seeds=3)
    start(options, FakeRunner())
    text = options.document.read_text()
    assert 'outdated' not in text and 'left out' not in text
    for name, seeds in (('mmgl', (1, 2)), ('random', (0, 1, 2))):
        for seed in seeds:
            path = options.results / f'mini/agw_{name}_seed{seed}.json'
            record = json.loads(path.read_text())
            path.write_text(json.dumps({**record, 'fingerprint': 'old'}))
    _, shown = start(make_options(tmp_path, write_only=True), FakeRunner())
    text = options.document.read_text()
    mmgl, random = (
        [
            line
            for line in text.splitlines()
            if line.startswith('| AGW')
            and f'| {init}' in line
            and '.00' in line.split('|')[4]
        ][0]
        for init in ('MMGL', 'random')
    )
    assert '30.00 |' in mmgl and mmgl.endswith('| 1 (left out: 2) |')
    assert '15.00 ± 10.00 |' in random and random.endswith('3 (outdated) |')
    # Random weights stand in other tables too.
    second = text[: text.index('## Table IV')]
    assert second.count(STALE) == shown.count(STALE) == 1
    table = json.loads(
        (options.results / 'mini/tables/table2.json').read_text()
    )
    rows = {r['init']: r for r in table['rows'] if r['method'] == 'agw'}
    assert rows['mmgl']['left_out'] == 2 and rows['mmgl']['seeds'] == [0]
    assert rows['random']['outdated']
    assert not {'outdated', 'left_out'} & set(table['rows'][0])


def test_notes_enter_the_document(tmp_path):
    options = make_options(tmp_path, seeds=1, write_only=True)
    (options.results / 'notes').mkdir(parents=True)
    (options.results / 'notes/table5.md').write_text('P alone is weaker.')
    assert start(options, FakeRunner())[0] == 0
    text = options.document.read_text()
    assert text.index('## Table V:') < text.index('P alone')
    # Tables without numbers and notes are only named.
    assert 'Without numbers yet: Table II: seven methods' in text
    assert '## Table VI:' not in text


def test_wrong_options(tmp_path):
    for changes, words in (
        ({'jobs': 0}, 'jobs'),
        ({'scale': 'huge'}, 'huge'),
        ({'targets': ['table1']}, 'table1'),
        ({'data_root': {'cuhk': '.'}}, 'cuhk'),
    ):
        with pytest.raises(ValueError, match=words):
            make_options(tmp_path, **changes)
    code, text = start(make_options(tmp_path, only=['resnet']), FakeRunner())
    assert code == 2 and 'resnet' in text
    code, text = start(
        make_options(tmp_path, targets=['table4-native']), FakeRunner()
    )
    assert code == 2 and 'full only' in text


def test_foreign_record_is_named(tmp_path):
    folder = tmp_path / 'mini'
    folder.mkdir()
    (folder / 'notes.json').write_text('{}')
    with pytest.raises(ValueError, match=r'notes\.json'):
        load_records(tmp_path, 'mini')
