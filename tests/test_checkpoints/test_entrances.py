"""No entrance lets a file run code or a tensor in that does not fit."""

import pytest
import torch
from bombs import Bomb

from mmgl.apis.conversion import run_conversion
from mmgl.apis.evaluation import run_evaluation
from mmgl.apis.pictures import run_ranking, run_tsne
from mmgl.apis.probe import run_probe
from mmgl.apis.pruning import run_pruning
from mmgl.apis.training import run_training
from mmgl.checkpoints import reader
from mmgl.models.pruning import load_pruned
from mmgl.utils.paths import config_dir

PRETRAIN = str(
    config_dir() / 'mmgl/pretrain/mmgl_two-stream_r18-narrow_synthetic.py'
)
NFS = str(config_dir() / 'mmgl/finetune/nfs_r18-narrow_synthetic.py')
DATA = ['--data-root', '{data}', '--split', 'val_test', '--out', 'x.png']
# Command and arguments; {toy}, {file} and {data} are filled in.
ENTRANCES = {
    'test': (run_evaluation, ['{toy}', '{file}']),
    'resume': (run_training, ['{toy}', '--resume', '{file}']),
    'load_from': (
        run_training,
        ['{toy}', '--cfg-options', 'load_from={file}'],
    ),
    'init': (
        run_training,
        ['{toy}', '--init', 'mmgl', '--init-checkpoint', '{file}'],
    ),
    'convert': (run_conversion, ['agw', '{file}', 'out.pth']),
    'export-pruned': (run_pruning, [NFS, '{file}', 'out.pth']),
    'probe': (run_probe, [PRETRAIN, '{file}', '--data-root', '{data}']),
    'tsne': (run_tsne, ['{file}', '--config', PRETRAIN, *DATA]),
    'ranking': (run_ranking, ['{file}', '--config', PRETRAIN, *DATA]),
}


@pytest.fixture
def enter(toy_config, tiny_sysu, capsys, monkeypatch):
    """Go through an entrance with a file; code and last line of errors."""
    monkeypatch.setattr(reader, '_trusted', set())
    toy = toy_config()

    def enter(entrance, file, *more):
        command, arguments = ENTRANCES[entrance]
        filled = [
            a.format(toy=toy, file=file, data=tiny_sysu) for a in arguments
        ]
        capsys.readouterr()
        with pytest.raises(SystemExit) as stopped:
            command([*filled, *more])
        text = capsys.readouterr().err
        lines = [one for one in text.splitlines() if one.startswith('error')]
        assert len(lines) == 1 and 'Traceback' not in text, text
        return stopped.value.code, lines[0]

    return enter


@pytest.mark.parametrize('entrance', ENTRANCES)
def test_no_file_runs_code(entrance, enter, tmp_path):
    path = tmp_path / 'bomb.pth'
    torch.save(
        dict(state_dict={'a': torch.zeros(1)}, meta=dict(bomb=Bomb())), path
    )
    Bomb.exploded = 0
    code, line = enter(entrance, path)
    assert code == 2 and Bomb.exploded == 0
    assert 'bombs.explode, which may run code' in line
    assert '--trust-checkpoint' in line
    if entrance == 'init':
        return  # the toy has no backbone to initialise
    # It goes off only if the user wants it, and then does not fit.
    code, line = enter(entrance, path, '--trust-checkpoint')
    assert code == 2 and Bomb.exploded > 0
    assert 'may run code' not in line


@pytest.mark.parametrize('entrance', ENTRANCES)
@pytest.mark.parametrize(
    'fault, words',
    [
        ('flipped', 'damaged or no checkpoint'),
        ('text', 'damaged or no checkpoint'),
        ('empty', 'no state'),
        ('string', 'no state'),
        ('nan', 'NaN or Inf in 1 of its 2 tensors'),
        ('address', 'download it first'),
    ],
)
def test_no_bad_file_is_used(entrance, fault, words, enter, tmp_path):
    path = tmp_path / 'bad.pth'
    state = {'backbone.a': torch.ones(1000), 'backbone.b': torch.ones(3)}
    if fault == 'nan':
        state['backbone.b'][1] = torch.nan
    content = {'empty': {}, 'string': 'abc'}.get(fault, state)
    torch.save(dict(state_dict=content, meta=dict(epoch=1)), path)
    if fault == 'flipped':
        data = bytearray(path.read_bytes())
        data[data.index(torch.ones(9).numpy().tobytes()) + 7] ^= 1
        path.write_bytes(data)
    if fault == 'text':
        path.write_text('no checkpoint')
    code, line = enter(
        entrance, 'https://a.b/c.pth' if fault == 'address' else path
    )
    if (entrance, fault) == ('resume', 'address'):
        words = 'there is no file'
    assert code == 2 and words in line


def test_types_in_a_pruned_model_are_not_imported(tmp_path):
    path = tmp_path / 'a.pth'
    for model in (
        dict(type='os.system', command='exit 3'),
        dict(type='ReIDModel', backbone=dict(type='bombs.explode')),
        dict(type='ReIDModel', heads=[dict(type=['x'])]),
        dict(type='ReIDModel', _scope_='bombs'),
    ):
        torch.save(
            dict(model=model, subsets={}, state_dict={'a': torch.ones(1)}),
            path,
        )
        with pytest.raises(ValueError, match='no part of one'):
            load_pruned(path)
