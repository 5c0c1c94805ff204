"""The GPU proof: time, page and files of fake parts; nothing is measured."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FIGURE = dict(
    name='rate',
    value=3210.0,
    target=3000,
    unit='images/s',
    at_least=True,
    note='a note',
    verdict='met',
)
# Writes a figure, and then does something.
WRITE = (
    'import json, sys, time; '
    f'json.dump(dict(figures=[{FIGURE!r}], notes=["a | b"]), '
    'open(sys.argv[1], "w")); '
)


def make_proof(tmp_path, parts, *arguments):
    from proof import driver

    options = driver.parse_args(
        [
            '--out',
            str(tmp_path / 'out'),
            '--scratch',
            str(tmp_path / 'scratch'),
            '--rehearse',
            *arguments,
        ]
    )
    proof = driver.Proof(options, parts)
    proof.describe = lambda: dict(card='a card', torch='2')
    return proof


def make_part(name, code, least=1, limit=60, **more):
    from proof.parts import Part, read_json

    return Part(
        name,
        f'Title of {name}',
        least,
        limit,
        lambda context, seconds: [
            ['-c', WRITE + code, str(context.json(name))]
        ],
        read_json,
        **more,
    )


def report_of(proof):
    found = json.loads((proof.options.out / 'report.json').read_text())
    return {part['name']: part for part in found['parts']}, (
        proof.options.out / 'report.md'
    ).read_text()


def test_all_is_well(tmp_path, capsys):
    proof = make_proof(
        tmp_path,
        [
            make_part('beside', 'time.sleep(1)', background=True),
            make_part('good', 'print("well")'),
        ],
    )
    assert proof.run() == 0
    assert 'gpu_proof: 2 of 2 parts done; ' in capsys.readouterr().out
    parts, page = report_of(proof)
    assert {part['state'] for part in parts.values()} == {'done'}
    assert parts['beside']['seconds'] >= 1
    assert parts['good']['figures'] == [FIGURE]
    assert re.search(
        r'\| rate +\| 3.21e\+03 images/s \| >= 3000 \| met ', page
    )
    assert '- a | b' in page and 'Title of good' in page
    assert 'a card' in page and 'no figure here says' in page
    assert str(tmp_path) not in page and 'SCRATCH/good.json' in page
    log = (tmp_path / 'out/log.txt').read_text()
    assert '=== good: done\nwell' in log
    # No more than a few files may have to be brought home.
    assert {path.name for path in (tmp_path / 'out').iterdir()} == {
        'report.json',
        'report.md',
        'log.txt',
    }


def test_failed_and_cut_parts_say_so(tmp_path):
    child = (
        'import subprocess; print("child", subprocess.Popen('
        '[sys.executable, "-c", "import time; time.sleep(300)"]).pid, '
        'flush=True); time.sleep(300)'
    )
    started = time.monotonic()
    proof = make_proof(
        tmp_path,
        [
            make_part('bad', f'raise OSError(sys.argv[1] + "{ROOT}/x")'),
            make_part('slow', child, limit=0.5),  # times the stretch, 2 s
            make_part('good', ''),
        ],
    )
    assert proof.run() == 1
    assert time.monotonic() - started < 200
    parts, page = report_of(proof)
    assert [part['state'] for part in parts.values()] == [
        'failed',
        'cut off',
        'done',
    ]
    # What was found before counts, and the end is explained.
    assert parts['slow']['figures'] == parts['bad']['figures'] == [FIGURE]
    assert parts['bad']['tail'][-1] == 'OSError: SCRATCH/bad.jsonx'
    assert '**This part: cut off** after 2 of 2 s.' in page
    assert 'bad failed; slow cut off.' in page
    # Nothing lives on.
    pid = int(parts['slow']['tail'][-1].split()[1])
    for _ in range(50):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            break
        if Path(f'/proc/{pid}/stat').read_text().split()[2] == 'Z':
            break
        time.sleep(0.1)
    else:
        pytest.fail('a child of a part is still running')


def test_a_part_may_have_to_be_asked_for(tmp_path, monkeypatch):
    from proof import driver

    monkeypatch.setattr(
        driver,
        'PARTS',
        [make_part('usual', ''), make_part('rare', '', asked=True)],
    )
    ran = []

    class Silent(driver.Proof):
        def run(self):
            ran.append([part.name for part in self.parts])
            return 0

    monkeypatch.setattr(driver, 'Proof', Silent)
    paths = ['--out', str(tmp_path), '--scratch', str(tmp_path)]
    for more in ([], ['--only', 'rare'], ['--rehearse']):
        assert driver.main(paths + more) == 0
    assert ran == [['usual'], ['rare'], ['usual', 'rare']]


def test_later_parts_keep_their_time(tmp_path):
    first, second = make_part('first', ''), make_part('second', '', least=30)
    proof = make_proof(tmp_path, [first, second], '--budget', '100')
    assert proof.allowed(first, [second]) == pytest.approx(70, abs=5)
    assert proof.allowed(first, []) == pytest.approx(100, abs=5)
    late = make_proof(
        tmp_path,
        [first, second],
        '--budget',
        '100',
        '--started',
        str(time.time() - 90),
    )
    assert late.run() == 1
    parts, page = report_of(late)
    assert parts['second']['state'] == 'not reached'
    assert 'No time was left.' in page


def test_broken_findings_and_missing_beginnings(tmp_path):
    from dataclasses import replace

    from proof.parts import NotReadyError

    def wait_for_data(context, seconds):
        raise NotReadyError('there are no images')

    def half(context, name):
        return json.loads('{"figures": [')

    proof = make_proof(
        tmp_path,
        [
            replace(make_part('broken', ''), read=half),
            replace(make_part('waiting', ''), commands=wait_for_data),
            replace(make_part('lost', ''), commands=lambda *_: 1 / 0),
        ],
    )
    assert proof.run() == 1
    parts, page = report_of(proof)
    assert parts['broken']['state'] == 'failed'
    assert 'JSONDecodeError' in parts['broken']['tail'][-1]
    assert parts['waiting']['state'] == 'not reached'
    assert 'Left out: there are no images.' in page
    assert parts['lost']['state'] == 'failed'
    assert 'ZeroDivisionError' in parts['lost']['tail'][-1]


def test_page_is_there_before_a_part_ends(tmp_path):
    from proof.page import CUT

    proof = make_proof(tmp_path, [])

    def look():
        parts, _ = report_of(proof)
        return parts['slow']['state']

    slow = make_part('slow', '')
    seen = []
    proof = make_proof(tmp_path, [slow])
    start = proof._start
    proof._start = lambda *a: seen.append(look()) or start(*a)
    assert proof.run() == 0 and seen == ['running']
    proof.entries['slow']['state'] = 'running'
    proof.abandon()
    assert look() == CUT


def test_a_request_to_end_leaves_the_page(tmp_path):
    """The driver itself, from its command line: 5 s."""
    paths = [ROOT, ROOT / 'benchmarks']
    process = subprocess.Popen(
        [
            sys.executable,
            '-m',
            'proof.driver',
            '--rehearse',
            '--only',
            'tests',
            '--out',
            str(tmp_path / 'out'),
            '--scratch',
            str(tmp_path / 'scratch'),
        ],
        cwd=ROOT,
        env=os.environ | dict(PYTHONPATH=os.pathsep.join(map(str, paths))),
    )
    page = tmp_path / 'out/report.md'
    for _ in range(600):
        if page.is_file() and 'running' in page.read_text():
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 130
    assert '**This part: cut off**' in page.read_text()


def test_iterations_fit_the_time(tmp_path):
    from dataclasses import replace

    from proof.parts import Context
    from proof.sizes import REHEARSAL, Sizes

    context = Context(tmp_path, Sizes())
    run = context.run_of('mmgl')
    # 65 of 120 s, 90 % of them for steps of 96 images, in six epochs.
    assert run.iterations_within(120, 1920.0) == 195
    assert run.iterations_within(120, None) == 60
    assert run.iterations_within(5, 1920.0) == 2
    assert replace(run, sizes=REHEARSAL).iterations_within(120, 1920.0) == 2
    command = run.train(195)
    assert 'train_dataloader.sampler.num_pairs_per_epoch=9360' in command
    assert not any('base_channels' in one for one in command)
    assert '--init' not in command
    # The measured rate is that of the step benchmark.
    context.json('steps').write_text(
        json.dumps(
            dict(
                figures=[
                    dict(
                        name='agw, bf16, channels last: rate with loading',
                        value=7.0,
                    ),
                    dict(
                        name='mmgl, bf16, channels last: rate with loading',
                        value=5.0,
                    ),
                ]
            )
        )
    )
    assert context.rate('mmgl') == 5 and context.rate('agw') == 7


def test_commands_of_the_steps(tmp_path):
    import step
    from proof.parts import Context, steps
    from proof.sizes import REHEARSAL, Sizes

    def parse(sizes, **more):
        (command,) = steps(Context(tmp_path, sizes), 100, **more)
        return step.parse_args(command[1:])

    options = parse(REHEARSAL)
    assert options.cfg_options['model.backbone.depth'] == 18
    assert options.batch_size == 16 and options.seconds == 88
    options = parse(Sizes())
    assert options.batch_size is None and options.cfg_options is None
    assert options.loaded_steps == 100 and len(options.modes) == 7
    options = parse(Sizes(), compiled=True)
    assert options.loaded_steps == 0 and len(options.modes) == 6
    assert all('compiled' in one for one in options.modes)


def test_tests_are_counted(tmp_path):
    from proof.parts import Context, read_tests
    from proof.sizes import Sizes

    context = Context(tmp_path, Sizes())
    assert 'did not come' in read_tests(context, 'tests')['notes'][0]
    (tmp_path / 'tests.xml').write_text(
        '<testsuites><testsuite>'
        '<testcase classname="a.b" name="one" time="1.5"/>'
        '<testcase classname="a.b" name="two" time="0">'
        '<failure message="first&#10;second"/></testcase>'
        '<testcase classname="a.b" name="three" time="0">'
        '<skipped message="why"/></testcase>'
        '</testsuite></testsuites>'
    )
    found = read_tests(context, 'tests')
    assert found['notes'] == ['1 passed, 1 failed, 1 skipped.']
    assert found['tables'][0]['rows'] == [
        ['b: one', 'passed', '1.5', ''],
        ['b: two', 'failed', '0.0', 'first'],
        ['b: three', 'skipped', '0.0', 'why'],
    ]


def test_missing_packages(tmp_path):
    from proof.missing import missing

    for name in (
        'pytest-9-py3-none-any.whl',
        'No_Such_Thing-1-py3.whl',
        'mmcv_lite-2.2.0-py2.whl',
        'python_dateutil-4.whl',
    ):
        (tmp_path / name).touch()
    assert missing(tmp_path) == ['no_such_thing']
    assert missing(tmp_path / 'none') == []


def test_log_of_a_cut_run(tmp_path):
    from proof.parts import Context
    from proof.sizes import Sizes

    run = Context(tmp_path, Sizes()).run_of('mmgl')
    assert run.read()['tables'] == []
    assert run.last_checkpoint() is None
    folder = run.work_dir / '1/vis_data'
    folder.mkdir(parents=True)
    lines = [
        dict(
            loss=3.0 - step / 10,
            lr=0.1,
            time=0.04,
            data_time=0.01,
            epoch=1 + step // 30,
            iter=step,
            step=step,
        )
        for step in (10, 20, 30, 40)
    ]
    lines.insert(2, {'permutation/stripe_acc': 25.0, 'step': 1})
    (folder / 'scalars.json').write_text(
        '\n'.join(map(json.dumps, lines)) + '\n{"loss": '
    )
    found = run.read()
    assert found['tables'][0]['rows'] == [
        ['1', '10', '2.0000', '-'],
        ['1', '20', '1.0000', '25.0000'],
        ['2', '40', '-1.0000', '-'],
    ]
    assert '40 iterations of 96 images' in found['notes'][0]
    assert '2400 images/s' in found['notes'][0]
    (run.work_dir / 'epoch_1.pth').touch()
    (run.work_dir / 'last_checkpoint').write_text(
        f'{run.work_dir}/epoch_1.pth'
    )
    assert run.last_checkpoint().name == 'epoch_1.pth'


@pytest.mark.slow
def test_rehearsal(tmp_path):
    """All parts, small, on the processor: three minutes of two cores."""
    done = subprocess.run(
        [
            'bash',
            str(ROOT / 'benchmarks/gpu_proof.sh'),
            '--rehearse',
            '--out',
            'out',
        ],
        cwd=tmp_path,
        text=True,
        capture_output=True,
        env=os.environ | dict(PYTHON=sys.executable),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert '8 of 8 parts done' in done.stdout
    found = json.loads((tmp_path / 'out/report.json').read_text())
    parts = {part['name']: part for part in found['parts']}
    assert [
        len(parts[name]['tables'][0]['rows']) for name in ('steps', 'compiled')
    ] == [6, 2]
    assert not parts['steps']['notes'] + parts['compiled']['notes']
    assert len(parts['loading']['figures']) == 4
    columns = parts['pretrain']['tables'][0]['columns']
    assert {'part/loss_pcc', 'permutation/stripe_acc'} <= set(columns)
    assert parts['finetune']['tables'][0]['rows'][-1][0] == '2'
    metrics = dict(parts['evaluate']['tables'][0]['rows'])
    assert 0 < float(metrics['all_single/rank1']) <= 100
    planted = [
        one for one in parts['evaluate']['figures'] if 'planted' in one['name']
    ]
    assert planted[0]['verdict'] == 'met'
