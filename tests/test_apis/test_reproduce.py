"""The planner of the paper's tables, with a runner that makes results up."""

import io
import json

import pytest

from mmgl.apis.jobs import Display, StageDiverged, StageError
from mmgl.apis.reproduce import (
    Cell,
    ReproduceOptions,
    cells_of,
    load_records,
    reproduce,
)
from mmgl.apis.reproduce.cells import METHODS, find_config
from mmgl.apis.reproduce.document import KEYS
from mmgl.utils.paths import config_dir


def make_options(tmp_path, **changes):
    return ReproduceOptions(**{
        'tables': ['table2'], 'seeds': 2, 'only': ['agw', 'one-stream'],
        'work_dir': tmp_path / 'work', 'results': tmp_path / 'results',
        'document': tmp_path / 'results.md', 'data_root': tmp_path / 'data',
        **changes})


class FakeRunner:
    """Makes the outputs of a stage; some trainings fail or diverge."""

    def __init__(self, fail=(), diverge=()):
        self.ran, self.envs = [], []
        self.fail, self.diverge = fail, diverge

    def __call__(self, stage, tick):
        stage.build_command()
        tick(.5, 'half')
        self.ran.append(stage.name)
        self.envs.append(stage.env)
        if stage.name in self.fail:
            raise StageError('the log says no')
        if stage.name in self.diverge:
            raise StageDiverged('the log says nan', 'non-finite loss: loss')
        for path in stage.outputs:
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.name == 'metrics.json':
                value = 10. * stage.seed + (30 if 'mmgl' in stage.name else 5)
                path.write_text(json.dumps(
                    {'metrics': dict.fromkeys(KEYS, value)}))
            elif path.name == 'last_checkpoint':
                (stage.work_dir / 'epoch_1.pth').touch()
                path.write_text('epoch_1.pth')
            else:
                path.touch()


def start(options, runner=None):
    stream = io.StringIO()
    code = reproduce(options, runner, Display(stream))
    return code, stream.getvalue()


def test_cells_of_table2():
    cells = cells_of('table2', 'mini')
    assert len(cells) == len(set(cells)) == 7 * 2 * 3
    assert len(cells_of('table2', 'full')) == 7 * 3
    for bad in (('table1', 'mini'), ('table2', 'huge'),
                ('table2', 'mini', 0)):
        with pytest.raises(ValueError):
            cells_of(*bad)


@pytest.mark.parametrize('dataset', ['synthetic', 'sysu', 'regdb'])
@pytest.mark.parametrize('method', METHODS)
def test_every_row_has_one_config_and_one_pretraining(method, dataset):
    root = config_dir().parent
    assert find_config(root, 'finetune', method, dataset)
    stream = METHODS[method].stream
    assert find_config(root, 'pretrain', f'mmgl_{stream}', dataset)
    with pytest.raises(FileNotFoundError, match='0 configs'):
        find_config(root, 'finetune', 'unknown', dataset)


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
    assert set(record['seconds']) == {'finetune', 'evaluate'}
    assert record['config'] == 'agw_r18-narrow_synthetic.py'
    row = next(line for line in options.document.read_text().splitlines()
               if line.startswith('| AGW') and '| MMGL' in line
               and '0, 1' in line)
    assert row.count('35.00 ± 7.07') == 4
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


def test_divergence_is_a_result_and_is_not_repeated(tmp_path):
    name = 'agw_random_seed0'
    options = make_options(tmp_path)
    code, text = start(options, FakeRunner(diverge=[f'{name}/finetune']))
    assert code == 0 and 'diverged (non-finite loss: loss)' in text
    record = load_records(options.results, 'mini')[
        Cell('mini', 'agw', 'random', 0)]
    assert record['metrics'] == 'fail'
    assert record['verdict'] == 'non-finite loss: loss'
    assert '15.00 (fail: 1)' in options.document.read_text()
    again = FakeRunner()
    assert start(options, again)[0] == 0 and not again.ran
    # A lost record is written from the state of the stage.
    (options.results / f'mini/{name}.json').unlink()
    assert start(options, again)[0] == 0 and not again.ran
    assert (options.results / f'mini/{name}.json').exists()


def test_a_failed_stage_does_not_stop_the_others(tmp_path):
    options = make_options(tmp_path, seeds=1)
    failing = FakeRunner(fail=['pretrain/mmgl_two-stream_seed0'])
    code, text = start(options, failing)
    assert code == 1
    assert 'failed: agw_mmgl_seed0/finetune: needs pretrain' in text
    assert len(load_records(options.results, 'mini')) == 3
    assert start(options, FakeRunner())[0] == 0
    assert len(load_records(options.results, 'mini')) == 4


def test_gpus_are_shared_out(tmp_path):
    runner = FakeRunner()
    start(make_options(tmp_path, gpus=[3, 5]), runner)
    assert {env['CUDA_VISIBLE_DEVICES'] for env in runner.envs} <= {'3', '5'}
    assert make_options(tmp_path, jobs=2).slots()[1]['OMP_NUM_THREADS']


def test_dry_run_plans_at_full_scale_without_data(tmp_path):
    options = make_options(tmp_path, scale='full', only=(), seeds=1,
                           dry_run=True, data_root=None)
    code, text = start(options)
    assert code == 0 and '21 left, in 44 stages' in text
    assert 'pretrain/mmgl_one-stream_seed0' in text
    assert not options.work_dir.exists() and not options.document.exists()


def test_wrong_options(tmp_path):
    with pytest.raises(ValueError, match='jobs'):
        make_options(tmp_path, jobs=0)
    code, text = start(make_options(tmp_path, only=['resnet']), FakeRunner())
    assert code == 1 and 'resnet' in text


def test_foreign_record_is_named(tmp_path):
    folder = tmp_path / 'mini'
    folder.mkdir()
    (folder / 'notes.json').write_text('{}')
    with pytest.raises(ValueError, match=r'notes\.json'):
        load_records(tmp_path, 'mini')
