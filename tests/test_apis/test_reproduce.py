"""Running tables and figures, with a runner that makes results up."""

import json
import os
import runpy
import stat
import sys

import pytest
from reproducing import KEYS, FakeRunner, make_options, start

from mmgl.apis.jobs import Stage, launch_stage
from mmgl.apis.reproduce import Cell, load_records


def test_pretraining_is_shared_and_results_are_recorded(tmp_path):
    options, runner = make_options(tmp_path), FakeRunner()
    code, text = start(options, runner)
    assert code == 0, text
    # Data, two streams x two seeds, and eight cells of two stages.
    assert len(runner.ran) == 1 + 4 + 8 * 2
    assert runner.ran.index('agw_mmgl_seed0/finetune') > runner.ran.index(
        'pretrain/mmgl_two-stream_seed0')
    records = load_records(options.results, 'mini')
    assert len(records) == 8
    record = records[Cell('mini', 'agw', 'mmgl', 1)]
    assert record['metrics'][KEYS[0]] == 40
    assert set(record['seconds']) == {'pretrain', 'finetune', 'evaluate'}
    assert record['config'] == 'agw_r18-narrow_synthetic.py'
    assert record['pretraining'] == 'mmgl_two-stream_r18-narrow_synthetic.py'
    assert record['cell'] == {
        'scale': 'mini', 'method': 'agw', 'init': 'mmgl', 'seed': 1}
    row = next(line for line in options.document.read_text().splitlines()
               if line.startswith('| AGW') and '| MMGL' in line
               and '35.00' in line)
    assert row.count('35.00 ± 7.07') == 4 and '56.61' in row
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


def test_a_table_is_also_json(tmp_path):
    options = make_options(tmp_path)
    start(options, FakeRunner(diverge=['agw_random_seed1/finetune']))
    table = json.loads(
        (options.results / 'mini/tables/table2.json').read_text())
    rows = {(r['method'], r['init']): r for r in table['rows']}
    assert len(rows) == 7 * 2 and table['unit'] == 'percent'
    value = rows['agw', 'mmgl']['ours']['all_single/rank1']
    assert value == {'mean': 35, 'std': pytest.approx(7.0711, abs=1e-4),
                     'values': [30, 40]}
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
        Cell('mini', 'agw', 'random', 0)]
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
    options = make_options(tmp_path, targets=['table4'], seeds=1,
                           only=['simsiam', 'byol'])
    runner = FakeRunner(diverge=['pretrain/simsiam_two-stream_seed0'])
    code, text = start(options, runner)
    assert code == 0, text
    assert 'agw_simsiam_seed0/finetune' not in runner.ran
    record = load_records(options.results, 'mini')[
        Cell('mini', 'agw', 'simsiam', 0)]
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
    assert [slot['CUDA_VISIBLE_DEVICES'] for slot in shared] == [
        '3', '5', '3']


def test_srun_goes_before_every_command(tmp_path, monkeypatch):
    """A false srun notes its options and runs the rest."""
    fake = tmp_path / 'bin/srun'
    fake.parent.mkdir()
    fake.write_text(
        '#!/bin/sh\n'
        f'echo "$@" >> {tmp_path}/calls\n'
        'while [ "${1#--}" != "$1" ]; do shift; done\n'
        'exec "$@"\n')
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv('PATH', f'{fake.parent}{os.pathsep}'
                       f'{os.environ["PATH"]}')
    options = make_options(
        tmp_path, slurm='gpu', slurm_args='--qos=long --time=2-0', gpus=None,
        jobs=None)
    folder = tmp_path / 'stage'
    folder.mkdir()
    stage = Stage('a/finetune', 'a', 'finetune', folder, {}, command=[
        sys.executable, '-c', f'open({str(folder / "out")!r}, "w")'])
    launch_stage(stage, lambda *_: None, tmp_path, poll=.01,
                 prefix=options.prefix)
    assert (folder / 'out').exists()
    calls = (tmp_path / 'calls').read_text()
    for word in ('--partition=gpu', '--gres=gpu:1', '--qos=long',
                 '--time=2-0', '--job-name=a/finetune'):
        assert word in calls.split()
    # The coordinating process waits for as many jobs at a time.
    assert len(options.slots()) == 8
    assert 'CUDA_VISIBLE_DEVICES' not in options.slots()[0]
    assert make_options(tmp_path).prefix(stage) == []
    with pytest.raises(ValueError, match='--slurm'):
        make_options(tmp_path, slurm_args='--qos=long')
    with pytest.raises(ValueError, match='gpus'):
        make_options(tmp_path, slurm='gpu', gpus=[1])


def test_figures_come_after_what_they_show(tmp_path):
    options = make_options(
        tmp_path, seeds=1, only=(),
        targets=['fig1', 'fig3', 'fig4', 'fig5', 'fig6', 'fig7', 'fig8'])
    runner = FakeRunner()
    code, text = start(options, runner)
    assert code == 0, text
    order = runner.ran.index
    assert order('figures/fig4') > order('agw_mmgl_seed0/features')
    assert runner.ran[-1] == 'figures/fig1'
    assert runner.ran.count('pretrain/mmgl_two-stream_seed0') == 1
    for name in ('fig1', 'fig3', 'fig4', 'fig5', 'fig6', 'fig7', 'fig8'):
        command = runner.commands[f'figures/{name}']
        assert command[command.index('--out') + 1] == str(
            options.work_dir / f'figures/{name}.png')
    words = runner.commands['figures/fig3']
    assert 'random' in words and str(
        options.work_dir / 'pretrain/mmgl_two-stream_seed0/epoch_1.pth'
    ) in words
    assert words[words.index('--data-root') + 1] == str(tmp_path / 'data')
    points = json.loads((options.work_dir / 'figures/fig1.json').read_text())
    assert {p['label'] for p in points} >= {'random', 'SimCLR', 'MMGL'}
    assert next(p for p in points if p['label'] == 'random')['seconds'] == 0
    # What is drawn is not drawn again.
    again = FakeRunner()
    assert start(options, again)[0] == 0 and not again.ran


def test_figure_commands_are_understood_by_the_tools(tmp_path, monkeypatch):
    names = ['fig1', 'fig3', 'fig4', 'fig5', 'fig6', 'fig7', 'fig8']
    options = make_options(tmp_path, seeds=1, only=(), targets=names)
    runner = FakeRunner()
    start(options, runner)
    for name in names:
        _, tool, *words = runner.commands[f'figures/{name}']
        monkeypatch.setattr(sys, 'argv', [tool, *words])
        options = runpy.run_path(tool)['parse_args']()
        assert options.out.endswith(f'{name}.png')


def test_notes_enter_the_document(tmp_path):
    options = make_options(tmp_path, seeds=1, write_only=True)
    (options.results / 'notes').mkdir(parents=True)
    (options.results / 'notes/table5.md').write_text('P alone is weaker.')
    assert start(options, FakeRunner())[0] == 0
    text = options.document.read_text()
    assert text.index('Table V:') < text.index('P alone') < text.index(
        'Table VI:')


def test_wrong_options(tmp_path):
    for changes, words in (({'jobs': 0}, 'jobs'),
                           ({'scale': 'huge'}, 'huge'),
                           ({'targets': ['table1']}, 'table1'),
                           ({'data_root': {'cuhk': '.'}}, 'cuhk')):
        with pytest.raises(ValueError, match=words):
            make_options(tmp_path, **changes)
    code, text = start(make_options(tmp_path, only=['resnet']), FakeRunner())
    assert code == 1 and 'resnet' in text
    code, text = start(make_options(tmp_path, targets=['table4-native']),
                       FakeRunner())
    assert code == 1 and 'full only' in text


def test_foreign_record_is_named(tmp_path):
    folder = tmp_path / 'mini'
    folder.mkdir()
    (folder / 'notes.json').write_text('{}')
    with pytest.raises(ValueError, match=r'notes\.json'):
        load_records(tmp_path, 'mini')
