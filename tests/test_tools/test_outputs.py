"""A bad place for the result is found before the work is done."""

import re

import pytest

from mmgl.apis.conversion import run_conversion
from mmgl.apis.curves import run_cost, run_curves
from mmgl.apis.evaluation import run_evaluation
from mmgl.apis.pictures import run_ranking, run_tsne
from mmgl.apis.probe import run_probe
from mmgl.apis.pruning import run_pruning
from mmgl.apis.scoring import run_scoring
from mmgl.evaluation.metrics import ReIDMetric
from mmgl.utils.errors import ConfigError

# What would be read does not exist: an error about it would come too late.
SCORING = ['--protocol', 'regdb', '--features', 'no.npz', '--out']
TOOLS = {
    'test': (run_evaluation, ['no.py', 'no.pth', '--out'], '.json'),
    'probe': (run_probe, ['no.py', 'no.pth', '--out'], '.json'),
    'eval-features': (run_scoring, SCORING, '.json'),
    'convert': (run_conversion, ['agw', 'no.pth'], '.pth'),
    'export-pruned': (run_pruning, ['no.py', 'no.pth'], '.pth'),
    'tsne': (run_tsne, ['no.npz', '--out'], '.png'),
    'ranking': (run_ranking, ['no.npz', '--out'], '.svg'),
    'plot-curves': (run_curves, ['no', '--out'], '.pdf'),
    'cost': (run_cost, ['no.json', '--out'], '.png'),
}
PLACES = {
    'folder': 'is a folder|is no name of a file|file.*, not a folder',
    'file/out': 'Not a directory|not a folder',
    'n' * 250: 'name too long',
}


@pytest.mark.parametrize('tool', TOOLS)
@pytest.mark.parametrize('place', PLACES, ids=['folder', 'file', 'long'])
def test_bad_places(tool, place, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    run, arguments, suffix = TOOLS[tool]
    (tmp_path / f'folder{suffix}').mkdir()
    (tmp_path / 'file').write_text('mine')
    with pytest.raises(SystemExit) as stopped:
        run([*arguments, place + suffix])
    shown = capsys.readouterr()
    *_, line = shown.err.splitlines()
    assert stopped.value.code == 2 and 'Traceback' not in shown.err
    assert re.search(PLACES[place], line), line
    assert (tmp_path / 'file').read_text() == 'mine'
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(
    'tool', ['test', 'probe', 'eval-features', 'tsne', 'cost', 'plot-curves']
)
def test_wrong_suffix(tool, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    run, arguments, _ = TOOLS[tool]
    with pytest.raises(SystemExit) as stopped:
        run([*arguments, 'epoch_3.pth'])
    assert stopped.value.code == 2
    shown = capsys.readouterr().err
    wanted = r'\.json|\.png or \.svg or \.pdf'
    assert re.search(f'epoch_3.pth: the name must end in ({wanted})$', shown)


def test_inputs_are_not_overwritten(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'a.pth').write_bytes(b'weights')
    for run, arguments in (
        (run_conversion, ['agw', 'a.pth', './a.pth']),
        (run_pruning, ['no.py', 'a.pth', str(tmp_path / 'a.pth')]),
        (run_probe, ['no.py', '--compare', 'a.json', '--out', 'a.json']),
    ):
        with pytest.raises(SystemExit) as stopped:
            run(arguments)
        assert stopped.value.code == 2
        assert 'an input, which would be lost' in capsys.readouterr().err
    assert (tmp_path / 'a.pth').read_bytes() == b'weights'


@pytest.mark.parametrize(
    'wrong', [dict(out='a.pth'), dict(dump='a.txt'), dict(dump='/dev/full')]
)
def test_metric_finds_bad_places_when_it_is_built(wrong):
    with pytest.raises(ConfigError, match='cannot write .*: th'):
        ReIDMetric('sysu', **wrong)
