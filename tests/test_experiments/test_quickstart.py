"""The driver with a runner that writes made-up results at once."""

import io
import json
import re

import cv2
import numpy as np
import pytest

from mmgl.experiments import Options, run
from mmgl.experiments.launch import StageError
from mmgl.experiments.progress import Display
from mmgl.experiments.quickstart import KEYS, PICTURES, plan_quickstart

PRE = 'configs/mmgl/pretrain/mmgl_two-stream_r18-narrow_synthetic.py'
FINE = 'configs/mmgl/finetune/agw_r18-narrow_synthetic.py'
PRETRAIN = """
model = dict(type='P', heads=dict(permutation=dict(num_stripes=5)))
train_cfg = dict(max_epochs=9)
train_dataloader = dict(
    num_workers=2, dataset=dict(type='D', data_root='data/x'))
val_dataloader = dict(num_workers=2, dataset=dict(data_root='data/x'))
"""
FINETUNE = """
model = dict(heads=dict(id=dict(num_classes=128)))
train_cfg = dict(max_epochs=5)
train_dataloader = dict(num_workers=2, dataset=dict(data_root='data/x'))
test_dataloader = dict(num_workers=2, dataset=dict(data_root='data/x'))
test_evaluator = dict(type='M', data_root='data/x')
"""


@pytest.fixture
def project(tmp_path):
    """A project with two configs and a place for results."""
    for name, text in ((PRE, PRETRAIN), (FINE, FINETUNE)):
        path = tmp_path / name
        path.parent.mkdir(parents=True)
        path.write_text(text)
    return tmp_path


def make_options(root, **changes):
    return Options(
        **{
            'targets': ['quickstart'],
            'work_dir': root / 'work',
            'data_root': {'sysu': root / 'data'},
            'root': root,
            **changes,
        }
    )


class FakeRunner:
    """Writes what each stage would; the numbers depend on seed and init."""

    def __init__(self, fail=None):
        self.ran, self.commands, self.fail = [], {}, fail

    def __call__(self, stage):
        self.ran.append(stage.name)
        self.commands[stage.name] = stage.build_command()
        yield 0.5, 'half'
        if stage.name == self.fail:
            raise StageError('the log says no')
        getattr(self, stage.kind)(stage)
        yield 1.0, 'all'

    def data(self, stage):
        (manifest,) = stage.outputs
        manifest.parent.mkdir(exist_ok=True)
        manifest.touch()

    def pretrain(self, stage):
        logs = stage.work_dir / '20260101_000000/vis_data'
        logs.mkdir(parents=True)
        lines = []
        for epoch in range(1, 4):
            lines.append(
                dict(lr=0.1, loss=3.0 / epoch, iter=1, epoch=epoch, step=epoch)
            )
            lines.append(
                {
                    f'permutation/{m}{k}_acc': 30.0 * epoch
                    for m in ('', 'visible_', 'infrared_')
                    for k in ('stripe', 'exact')
                }
                | {'step': epoch}
            )
        (logs / 'scalars.json').write_text(
            '\n'.join(map(json.dumps, lines)) + '\n'
        )
        (stage.work_dir / 'epoch_3.pth').touch()
        (stage.work_dir / 'last_checkpoint').write_text(
            '/elsewhere/epoch_3.pth'
        )

    finetune = pretrain

    def evaluate(self, stage):
        metrics, dump = stage.outputs
        value = 10.0 * stage.seed + (20 if 'mmgl' in stage.name else 5)
        report = {'metrics': dict.fromkeys(KEYS, value)}
        metrics.write_text(json.dumps(report))
        rows = [(pid, cam) for pid in range(4) for cam in range(1, 7)]
        pids, camids = np.array(rows).T
        paths = []
        for pid, cam in rows:
            paths.append(f'{stage.work_dir}/{pid}_{cam}.jpg')
            cv2.imwrite(paths[-1], np.full((20, 10, 3), 90, np.uint8))
        np.savez(
            dump,
            features=np.random.default_rng(0).normal(size=(24, 4)),
            pids=pids,
            camids=camids,
            index=np.ones(24, int),
            modality=np.isin(camids, (3, 6)).astype(int),
            img_paths=np.array(paths),
        )


def start(options, runner):
    stream = io.StringIO()
    code = run(options, runner, Display(stream))
    return code, stream.getvalue()


def test_whole_job_reports_mean_and_spread(project):
    """Draws every picture once, hence a few seconds."""
    options, runner = make_options(project, seeds=3), FakeRunner()
    code, text = start(options, runner)
    assert code == 0, text
    assert runner.ran[0] == 'data' and len(runner.ran) == 1 + 3 * 5
    metrics = json.loads((options.work_dir / 'metrics.json').read_text())
    key = 'all_single/rank1'
    assert metrics['summary']['mmgl'][key] == dict(
        mean=30.0, std=10.0, min=20.0, max=40.0
    )
    assert metrics['summary']['difference'][key]['mean'] == 15.0
    assert metrics['summary']['difference'][key]['std'] == 0.0
    assert metrics['per_seed']['1']['random'][key] == 15.0
    assert (
        metrics['summary']['permutation']['visible_stripe_acc']['mean'] == 90.0
    )
    assert metrics['num_stripes'] == 5
    assert set(metrics['stages']) == set(runner.ran)
    assert metrics['versions']['torch']
    assert '30.0 ± 10.0' in text and '20.0/40.0' in text
    assert '+15.0' in text and '0.83' in text
    assert max(map(len, text.split('\n\n', 1)[1].splitlines()[:-1])) <= 80
    report = (options.work_dir / 'report.md').read_text()
    for name in PICTURES:
        assert (options.work_dir / name).is_file()
        assert f']({name})' in report
    assert 'whole job' in text


def run_stages(options, runner, monkeypatch):
    """Run without the slow report."""
    monkeypatch.setattr(
        'mmgl.experiments.driver.write_quickstart', lambda *args: ''
    )
    return start(options, runner)


def test_second_run_skips_and_more_seeds_add(project, monkeypatch):
    run_stages(make_options(project), FakeRunner(), monkeypatch)
    again = FakeRunner()
    code, text = run_stages(make_options(project), again, monkeypatch)
    assert code == 0 and not again.ran
    assert text.count('already done') == 6
    more = FakeRunner()
    run_stages(make_options(project, seeds=2), more, monkeypatch)
    assert len(more.ran) == 5 and all('seed_1' in n for n in more.ran)


def test_failed_stage_stops_and_is_continued(project, monkeypatch):
    name = 'seed_0/finetune_random'
    failing = FakeRunner(fail=name)
    code, text = run_stages(make_options(project), failing, monkeypatch)
    assert code == 1 and 'the log says no' in text
    assert failing.ran[-1] == name
    half = project / 'work' / name / 'half.pth'
    half.touch()
    again = FakeRunner()
    code, text = run_stages(make_options(project), again, monkeypatch)
    assert code == 0 and again.ran[0] == name and 'continued' in text
    # What the interrupted run has left is there to resume from.
    assert half.exists()


def test_changed_config_restarts_it_and_what_follows(project, monkeypatch):
    run_stages(make_options(project), FakeRunner(), monkeypatch)
    stale = project / 'work/seed_0/pretrain/stale.pth'
    stale.touch()
    (project / PRE).write_text(PRETRAIN.replace('=9', '=12'))
    again = FakeRunner()
    code, text = run_stages(make_options(project), again, monkeypatch)
    assert code == 0 and not stale.exists()
    # What was there is set aside, not lost.
    (old,) = (project / 'work/seed_0').glob('pretrain.old-*')
    assert re.fullmatch(r'pretrain\.old-\d{8}-\d{6}', old.name)
    assert (old / 'stale.pth').exists() and (old / 'epoch_3.pth').exists()
    assert f'kept as {old}' in text
    names = {path.name.split('.')[0] for path in old.parent.glob('*.old-*')}
    assert names == {'pretrain', 'finetune_mmgl', 'evaluate_mmgl'}
    assert 'train_cfg.max_epochs: 9 -> 12' in text
    assert again.ran == [
        'seed_0/pretrain',
        'seed_0/finetune_mmgl',
        'seed_0/evaluate_mmgl',
    ]
    assert 'an earlier stage is a different one' in text


def test_lost_result_is_made_again(project, monkeypatch):
    run_stages(make_options(project), FakeRunner(), monkeypatch)
    (project / 'work/seed_0/evaluate_mmgl/metrics.json').unlink()
    again = FakeRunner()
    run_stages(make_options(project), again, monkeypatch)
    assert again.ran == ['seed_0/evaluate_mmgl']


def test_workers_and_places_change_no_fingerprint(project):
    first = plan_quickstart(make_options(project))
    second = plan_quickstart(
        make_options(project, workers=0, work_dir=project / 'other')
    )
    assert [s.fingerprint for s in first] == [s.fingerprint for s in second]
    assert len({s.fingerprint for s in first}) == len(first)


def test_commands_carry_seed_places_and_checkpoint(project, monkeypatch):
    runner = FakeRunner()
    options = make_options(project, workers=0, smoke=True)
    code, text = run_stages(options, runner, monkeypatch)
    assert code == 0, text
    data = options.data_root['sysu']
    pretrain = runner.commands['seed_0/pretrain']
    assert '--resume' in pretrain and 'train_cfg.max_epochs=2' in pretrain
    assert f'val_dataloader.dataset.data_root={data}' in pretrain
    assert 'train_dataloader.persistent_workers=False' in pretrain
    finetune = runner.commands['seed_0/finetune_mmgl']
    checkpoint = options.work_dir / 'seed_0/pretrain/epoch_3.pth'
    assert finetune[finetune.index('--init-checkpoint') + 1] == str(checkpoint)
    assert not any('val_dataloader' in word for word in finetune)
    random = runner.commands['seed_0/finetune_random']
    assert '--init-checkpoint' not in random
    evaluate = runner.commands['seed_0/evaluate_random']
    assert f'test_evaluator.data_root={data}' in evaluate
    dump = options.work_dir / 'seed_0/evaluate_random/features.npz'
    assert f'test_evaluator.dump={dump}' in evaluate


def test_foreign_files_are_left_alone(project, monkeypatch):
    mine = project / 'work/seed_0/pretrain/thesis.tex'
    mine.parent.mkdir(parents=True)
    mine.touch()
    code, text = run_stages(make_options(project), FakeRunner(), monkeypatch)
    assert code == 2 and 'no job has written' in text
    assert mine.exists()


def test_interrupt_is_reported(project, monkeypatch):
    def runner(stage):
        raise KeyboardInterrupt

    code, text = run_stages(make_options(project), runner, monkeypatch)
    assert code == 130 and 'same command again' in text


def test_stage_without_its_output_fails(project, monkeypatch):
    def runner(stage):
        yield 1.0, 'all'

    code, text = run_stages(make_options(project), runner, monkeypatch)
    assert code == 1 and 'ended without' in text


@pytest.mark.parametrize(
    'changes, words',
    [
        (dict(scale='huge'), 'huge'),
        (dict(seeds=0), 'seeds'),
        (dict(workers=-1), 'workers'),
    ],
)
def test_wrong_options(project, changes, words):
    with pytest.raises(ValueError, match=words):
        make_options(project, **changes)


def test_missing_config_is_named(project):
    (project / PRE).unlink()
    code, text = start(make_options(project), None)
    assert code == 2 and PRE in text
