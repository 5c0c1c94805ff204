"""Mistakes on the command line of every tool: a sentence and exit code 2."""

import os
import re
import subprocess
import sys

import pytest

from mmgl.cli import COMMANDS, main

CONFIG = 'finetune/agw_r18-narrow_synthetic'
ROOT = ['--cfg-options', '*.data_root=.']
# 'file' is a file of one letter, 'bad.*' are such files, 'gone' is nothing.
NUMBER = r"'(abc|-1|0|1e99|4294967296)' is no whole number from [01]"
MISTAKES = [
    ('train', [], 'required: config'),
    ('train', ['gone'], "there is no config 'gone'"),
    ('train', [CONFIG, '--sed', 'x'], '--sed'),
    ('train', [CONFIG, '--wrong'], 'unrecognized arguments: --wrong'),
    ('train', [CONFIG, '--seed', 'abc'], NUMBER),
    ('train', [CONFIG, '--seed', '-1'], NUMBER),
    ('train', [CONFIG, '--seed', '1e99'], NUMBER),
    ('train', [CONFIG, '--seed', '4294967296'], NUMBER),
    ('train', [CONFIG, '--local-rank', '-1'], NUMBER),
    ('train', [CONFIG, '--work-dir', 'file/x'], 'work-dir: .*not a folder'),
    ('train', [CONFIG, '--cfg-options', 'x'], "'x' is not KEY=VALUE"),
    ('train', [CONFIG, '--cfg-options', 'x=[1,'], 'brackets do not match'),
    ('train', [CONFIG, '--cfg-options', 'lr=1'], 'optim_wrapper.optimizer.lr'),
    ('train', [CONFIG, *ROOT], r'train_id.txt does not exist'),
    ('train', [CONFIG, '--init', 'x'], '--init must be one of'),
    ('train', [CONFIG, '--resume', 'bad.pth'], 'bad.pth is damaged'),
    ('test', [CONFIG], 'required: checkpoint'),
    ('test', [CONFIG, 'gone.pth', *ROOT], "there is no file 'gone.pth'"),
    ('test', [CONFIG, '.', *ROOT], "there is no file '.'"),
    ('test', [CONFIG, 'bad.pth', *ROOT], 'bad.pth is damaged or no'),
    ('test', [CONFIG, 'x', '--out', 'file/x.json'], '--out: .*not a folder'),
    (
        'test',
        [CONFIG, 'x', '--out', '.'],
        '--out: cannot write .: this is a folder',
    ),
    ('probe', [CONFIG], 'nothing to probe'),
    ('probe', ['gone', 'random'], "there is no config 'gone'"),
    ('probe', ['_base_/default_runtime', 'random'], 'has no model'),
    ('probe', [CONFIG, 'random', '--seed', 'abc'], NUMBER),
    ('probe', [CONFIG, 'random', '--workers', '-1'], NUMBER),
    ('probe', [CONFIG, 'random', '--num-parts', '0'], NUMBER),
    ('probe', [CONFIG, 'random', '--device', 'x'], "'x' is no device"),
    ('probe', [CONFIG, 'random', '--data-root', 'gone'], "no folder 'gone'"),
    ('probe', [CONFIG, 'random', '--out', 'file/x'], '--out: .*not a folder'),
    ('probe', [CONFIG, '--compare', 'bad.json'], 'bad.json is no output'),
    ('probe', [CONFIG, 'random', '--cfg-options', 'lr=1'], "reads 'lr'"),
    ('eval-features', [], 'required: --protocol'),
    (
        'eval-features',
        ['--protocol', 'regdb', '--features', 'gone.npz'],
        'no feature file matches gone.npz',
    ),
    ('eval-features', ['--protocol', 'regdb', '--features', 'bad.npz'], '.'),
    (
        'eval-features',
        ['--protocol', 'sysu', '--features', 'bad.npz', '--data-root', 'x'],
        'x has no rand_perm_cam.mat',
    ),
    ('convert', ['agw', 'gone.pth', 'o.pth'], r'no file .?gone\.pth'),
    ('convert', ['agw', 'bad.pth', 'o.pth'], r'bad\.pth is (no|damaged)'),
    ('convert', ['wga', 'bad.pth', 'o.pth'], "invalid choice: 'wga'"),
    ('convert', ['agw', 'bad.pth', 'file/o'], 'not a folder'),
    ('convert', ['agw', 'x', 'o', '--num-classes', '0'], NUMBER),
    ('export-pruned', [CONFIG, 'gone.pth', 'o'], "no file 'gone.pth'"),
    ('export-pruned', [CONFIG, 'bad.pth', 'o'], 'bad.pth is damaged'),
    ('export-pruned', [CONFIG, 'bad.pth', 'file/o'], 'not a folder'),
    (
        'export-pruned',
        ['_base_/methods/caj', 'x', 'o'],
        "missing .*'backbone'",
    ),
    ('export-pruned', [CONFIG, 'x', 'o', '--size', '0', '1'], NUMBER),
    ('make-synthetic', ['--root', 'file'], '--root: .*not a folder'),
    ('make-synthetic', ['--root', 'o', '--seed', '-1'], NUMBER),
    ('make-synthetic', ['--root', 'o', '--workers', '0'], NUMBER),
    ('make-synthetic', ['--root', 'o', '--preset', 'x'], "choice: 'x'"),
    ('pack-dataset', ['--root', 'gone', '--out', 'o'], "no folder 'gone'"),
    ('pack-dataset', ['--out', 'gone', '--verify'], 'is no pack of images'),
    ('pack-dataset', ['--root', '.', '--out', 'file'], 'not a folder'),
    ('pack-dataset', ['--root', '.', '--out', 'o', '--height', '0'], NUMBER),
    ('pack-dataset', ['--root', '.', '--out', 'o', '--workers', '-1'], NUMBER),
    ('write-shards', ['--root', 'gone', '--out', 'o'], "no folder 'gone'"),
    ('write-shards', ['--root', '.'], 'give --root and --out'),
    (
        'write-shards',
        ['--index', 'i.json', 'gone.tar'],
        r'gone\.tar.*[Nn]o such',
    ),
    (
        'write-shards',
        ['--index', 'i.json', 'file'],
        'ReadError|needs webdataset',
    ),
    ('write-shards', ['--root', '.', '--out', 'o', '--trial', '0'], NUMBER),
    (
        'write-shards',
        ['--root', '.', '--out', 'o', '--images-per-shard', '0'],
        NUMBER,
    ),
    (
        'verify-dataset',
        ['--root', 'gone', '--layout', 'sysu'],
        "there is no folder 'gone'",
    ),
    (
        'verify-dataset',
        ['--root', '.', '--layout', 'sysu', '--max-problems', '-1'],
        NUMBER,
    ),
    ('plot-curves', ['gone', '--out', 'a.png'], 'scalars.json under gone'),
    ('plot-curves', ['bad.json', '--out', 'a.png'], 'othing to draw'),
    ('plot-curves', ['gone', '--out', 'file/a.png'], 'not a folder'),
    ('plot-curves', ['gone', '--out', 'a.png', '--num-stripes', '0'], NUMBER),
    ('cost', ['gone', '--out', 'a.png'], 'o file gone'),
    ('cost', ['file', '--out', 'a.png'], 'file is no JSON'),
    ('tsne', ['gone.npz', '--out', 'a.png'], 'o feature dump gone.npz'),
    ('tsne', ['bad.npz', '--out', 'a.png'], '.'),
    ('tsne', ['x.npz', '--out', 'a.png', '--num-ids', '0'], NUMBER),
    ('tsne', ['x.npz', '--out', 'a.png', '--per-modality', '-1'], NUMBER),
    ('tsne', ['x.npz', '--out', 'a.png', '--seed', 'abc'], NUMBER),
    ('tsne', ['random', '--out', 'a.png'], 'there are 0 configs'),
    ('ranking', ['gone.npz', '--out', 'a.png'], 'o feature dump gone.npz'),
    ('ranking', ['x.npz', '--out', 'a.png', '--top-k', '0'], NUMBER),
    ('ranking', ['x.npz', '--out', 'a.png', '--num-queries', '-1'], NUMBER),
    ('quickstart', ['--seeds', '0'], NUMBER),
    ('quickstart', ['--workers', '-1'], NUMBER),
    ('quickstart', ['--work-dir', 'file/x'], '--work-dir: .*not a folder'),
    ('quickstart', ['--wrong'], 'unrecognized arguments: --wrong'),
    ('demo', [], 'required: out'),
    ('demo', ['file'], 'not a folder'),
    ('demo', ['out', '--workers', '-1'], NUMBER),
    ('reproduce', ['table0'], "invalid choice: 'table0'"),
    ('reproduce', ['all', '--seeds', 'abc'], NUMBER),
    ('reproduce', ['all', '--jobs', '0'], NUMBER),
    ('reproduce', ['all', '--gpus', '-1'], NUMBER),
    ('reproduce', ['all', '--data-root', 'x=y'], 'there are sysu and regdb'),
    ('reproduce', ['all', '--only', 'x', '--dry-run'], r"has \['x'\]"),
    ('reproduce', ['all', '--cfg-options', 'x'], "'x' is not KEY=VALUE"),
    (
        'reproduce',
        [
            *('fig3', '--dry-run', '--results', 'r', '--document', 'd'),
            *('--cfg-options', 'lr=1'),
        ],
        "nothing reads 'lr'",
    ),
]


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, 'argv', ['mmgl'])
    monkeypatch.chdir(tmp_path)
    for name in ('file', 'bad.pth', 'bad.npz', 'bad.json'):
        (tmp_path / name).write_text('{}' if name == 'bad.json' else 'x')


@pytest.mark.parametrize('tool, arguments, message', MISTAKES)
def test_a_mistake_is_one_sentence(tool, arguments, message, capsys):
    try:
        code = main([tool, *arguments])
    except SystemExit as stopped:
        code = stopped.code
    shown = capsys.readouterr()
    assert code == 2
    # argparse shows the usage first; the plan of experiments is an output.
    sentence = (shown.err or shown.out).splitlines()[-1]
    assert re.search('error: ', sentence, re.IGNORECASE)
    assert re.search(message, sentence), sentence
    assert 'Traceback' not in shown.err
    # A log at most.
    left = {'bad.json', 'bad.npz', 'bad.pth', 'file', 'work_dirs'}
    assert set(os.listdir()) <= left


def test_every_tool_refuses_an_unknown_option(capsys):
    for tool in COMMANDS:
        with pytest.raises(SystemExit) as stopped:
            main([tool, '--wrong'])
        assert stopped.value.code == 2
        assert ': error: ' in capsys.readouterr().err.splitlines()[-1]
    assert len({tool for tool, _, _ in MISTAKES}) >= 16


@pytest.mark.parametrize(
    'arguments',
    [['--help'], ['verify-dataset', '--root', '.', '--layout', 'sysu']],
)
def test_a_reader_that_has_gone_is_no_error(arguments):
    reader, writer = os.pipe()
    os.close(reader)
    ended = subprocess.run(
        [sys.executable, '-m', 'mmgl.cli', *arguments],
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(writer)
    assert (ended.returncode, ended.stderr) == (141, '')
