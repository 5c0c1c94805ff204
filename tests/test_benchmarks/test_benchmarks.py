"""The benchmarks run, at a small part of their size; nothing is timed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / 'benchmarks'

# A literal evaluator, for a stub of AGW's.
AGW = """
import numpy as np


def search(distances, q, g, hidden=None):
    hits, precisions, inverses = [], [], []
    for number, row in enumerate(distances):
        order = [j for j in np.argsort(row, kind='stable')
                 if hidden is None or not hidden[number, j]]
        ranks = [r + 1 for r, j in enumerate(order) if g[j] == q[number]]
        if ranks:
            hits.append(ranks[0] == 1)
            precisions.append(
                np.mean([(k + 1) / r for k, r in enumerate(ranks)]))
            inverses.append(len(ranks) / ranks[-1])
    return np.array([np.mean(hits)]), np.mean(precisions), np.mean(inverses)


def eval_regdb(distances, q, g, max_rank=20):
    return search(distances, q, g)


def eval_sysu(distances, q, g, q_cams, g_cams, max_rank=20):
    hidden = (q_cams[:, None] == 3) & (g_cams == 2)
    return search(distances, q, g, hidden)
"""


def test_evaluation_and_peers(tmp_path):
    import evaluation

    (tmp_path / 'eval_metrics.py').write_text(AGW)
    out = tmp_path / 'figures.json'
    arguments = ['--scale', '0.02', '--repeats', '1', '--trials', '2']
    arguments += ['--only', 'sysu', 'regdb', 'trial', 'large', 'peers']
    arguments += ['--out', str(out), '--peer-agw', str(tmp_path)]
    found = evaluation.main(arguments)
    assert json.loads(out.read_text()) == found
    figures = {one['name']: one for one in found['figures']}
    assert len(figures) == 8
    assert all(one['value'] > 0 for one in figures.values())
    # Verdicts are for the full size.
    assert {one['verdict'] for one in figures.values()} == {'-'}
    for name in ('RegDB direction', 'SYSU-MM01 trial, single shot'):
        assert figures[f'agw, {name}']['note'].endswith(
            'R1 +0.0000, mAP +0.0000, mINP +0.0000'
        )


def test_evaluation_on_a_device():
    import evaluation

    arguments = ['--scale', '0.02', '--repeats', '1', '--trials', '2']
    found = evaluation.main([*arguments, '--device', 'cpu:0'])
    figures = {one['name']: one for one in found['figures']}
    assert len(figures) == 6
    assert 'large gallery, cpu:0' in figures
    # A search that finds something else is wrong at any size.
    (planted,) = (one for name, one in figures.items() if 'planted' in name)
    assert planted['verdict'] == 'met'
    assert all(one['value'] > 0 for one in figures.values())


def test_memory_of_a_device(monkeypatch):
    import evaluation
    import evaluation_device

    monkeypatch.setattr(
        evaluation_device, 'with_peak', lambda function, _: (function(), 1.5)
    )
    ratio, memory = evaluation_device.measure_large(
        evaluation.parse_args(['--scale', '0.02', '--repeats', '1'])
    )
    assert ratio.target == 1.5 and ratio.unit == 'x'
    assert memory.value == 1.5 and memory.target == 1
    assert memory.unit == 'GiB' and memory.verdict == 'missed'


def test_missing_checkout_is_named(tmp_path):
    import evaluation

    with pytest.raises(FileNotFoundError, match='checkout'):
        evaluation.main(
            ['--scale', '0.02', '--only', 'peers', '--peer-agw', str(tmp_path)]
        )


def test_true_numbers_of_images():
    from evaluation_cases import sysu_case

    case = sysu_case()
    assert (case.infrared).sum() == 3803
    assert (~case.infrared).sum() == 6775
    for shots in (1, 10):
        trial = case.trial(shots)
        assert len(trial.gallery) == 301 * shots


def test_peak_memory_is_measured_in_another_process():
    import evaluation

    (figure,) = evaluation.measure_memory(
        evaluation.parse_args(['--scale', '0.01'])
    )
    # torch alone would add 0.4 GiB.
    assert 0.01 < figure.value < 0.3


def test_exact_ranking_of_retrieval():
    import numpy as np
    import retrieval

    rng = np.random.default_rng(0)
    gallery = rng.normal(size=(50, 4)).astype(np.float32)
    queries = gallery[:5]
    found = retrieval.exact_ranking(gallery, queries, 7)
    expected = np.argsort(-queries @ gallery.T, axis=1)[:, :7]
    assert np.array_equal(found, expected)
    assert retrieval.recall(found, expected[:, ::-1]) == 1
    assert retrieval.recall(found[:, :1], expected[:, 1:2]) == 0


def test_retrieval_at_a_small_size(tmp_path):
    """Three processes import FAISS: 3 s."""
    pytest.importorskip('faiss')
    import retrieval

    found = retrieval.main(
        [
            '--size',
            '3000',
            '--queries',
            '5',
            '--only',
            'flat',
            '--out',
            str(tmp_path / 'figures.json'),
        ]
    )
    figures = {one['name']: one for one in found['figures']}
    assert len(figures) == 12
    assert figures['flat: peak memory of building']['value'] > 0.01
    for kind in ('flat', 'flat on disk'):
        assert figures[f'{kind}: search, a query']['value'] > 0
        assert figures[f'{kind}: recall of the nearest 100']['value'] == 1


def test_retrieval_tells_how_to_get_a_gpu():
    faiss = pytest.importorskip('faiss')
    if hasattr(faiss, 'StandardGpuResources'):
        pytest.skip('FAISS is built for GPUs')
    import retrieval

    with pytest.raises(SystemExit, match='faiss-gpu'):
        retrieval.main(['--device', 'gpu'])


def test_run_all_names_what_it_leaves_out(monkeypatch, tmp_path, capfd):
    import run_all

    (tmp_path / 'good.py').write_text(
        'import json, sys\n'
        'figures = [dict(name="slow", verdict="missed")]\n'
        'open(sys.argv[-1], "w").write(json.dumps(dict(figures=figures)))\n'
    )
    (tmp_path / 'bad.py').write_text('raise SystemExit(3)\n')
    (tmp_path / 'idle.py').write_text('')
    monkeypatch.setattr(run_all, 'HERE', tmp_path)
    monkeypatch.setattr(
        run_all,
        'SCRIPTS',
        {
            f'{name}.py': (('--cpu',), ())
            for name in ('good', 'bad', 'idle', 'absent')
        },
    )
    assert run_all.main(['--out', str(tmp_path / 'out')]) == 1
    summary = capfd.readouterr().out.split('## Summary')[1]
    assert [line[2:] for line in summary.splitlines()[2:]] == [
        'good: done, 1 missed: slow',
        'bad: failed',
        'idle: skipped',
        'absent: skipped',
    ]
    assert (
        run_all.main(['--out', str(tmp_path / 'out'), '--only', 'good']) == 0
    )


def test_run_all_passes_options_on(capsys):
    import run_all

    cpu = run_all.parse_args(['--peer-agw', 'a'])
    assert run_all.options_of('evaluation.py', cpu) == ['--peer-agw', 'a']
    assert run_all.options_of('step.py', cpu)[-2:] == ['--peer-agw', 'a']
    assert run_all.options_of('step.py', run_all.parse_args([])) is None
    gpu = run_all.parse_args(['--gpu'])
    for script in ('step.py', 'data_loading.py'):
        assert '--workers' in run_all.options_of(script, gpu)
    with pytest.raises(SystemExit):
        run_all.parse_args(['--gpu', '--peer-agw', 'a'])
    assert 'leave out --gpu' in capsys.readouterr().err


def test_a_million_images_need_a_disk(monkeypatch, capsys):
    import run_all

    options = run_all.parse_args([])
    for free, expected in ((2**40, ['--size', '1000000']), (2**30, [])):
        monkeypatch.setattr(
            run_all.shutil,
            'disk_usage',
            lambda path, free=free: run_all.argparse.Namespace(free=free),
        )
        assert run_all.options_of('retrieval.py', options) == expected
    assert 'TMPDIR' in capsys.readouterr().out


def test_scripts_accept_what_run_all_gives():
    from importlib import import_module

    import run_all

    for arguments in ([], ['--gpu']):
        options = run_all.parse_args(arguments)
        for name, given in run_all.SCRIPTS.items():
            if given[options.gpu] is not None:
                import_module(Path(name).stem).parse_args(
                    run_all.options_of(name, options)
                )


def test_scripts_have_help():
    for name in ('evaluation', 'retrieval', 'run_all'):
        done = subprocess.run(
            [sys.executable, BENCHMARKS / f'{name}.py', '--help'],
            capture_output=True,
            text=True,
            check=True,
            env={'PYTHONPATH': str(BENCHMARKS.parent)},
        )
        assert '--out' in done.stdout
