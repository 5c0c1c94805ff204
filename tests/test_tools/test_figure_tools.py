"""The picture tools from their command lines."""

import json
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest

from mmgl.apis.features.inputs import panel_names

CONFIG = 'configs/mmgl/pretrain/mmgl_two-stream_r18-narrow_synthetic.py'
MAGIC = {'.png': b'\x89PNG', '.svg': b'<?xml', '.pdf': b'%PDF'}


def tool(name):
    spec = spec_from_file_location(
        f'tool_{name}', f'tools/visualization/{name}.py'
    )
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


def written(path):
    return path.read_bytes().startswith(MAGIC[path.suffix])


@pytest.fixture
def dump(tmp_path):
    rng = np.random.default_rng(0)
    rows = [
        (p, c, i + 1) for p in range(4) for c in (1, 2, 3, 6) for i in range(3)
    ]
    pids, camids, index = np.array(rows).T
    path = tmp_path / 'run' / 'features.npz'
    path.parent.mkdir()
    np.savez(
        path,
        features=rng.normal(size=(len(rows), 8)),
        pids=pids,
        camids=camids,
        modality=np.isin(camids, (3, 6)).astype(int),
        index=index,
        img_paths=np.array(
            [f'cam{c}/{p:04d}/{i:04d}.jpg' for p, c, i in rows]
        ),
    )
    return path


@pytest.fixture
def run_dir(tmp_path):
    folder = tmp_path / 'work' / '2026' / 'vis_data'
    folder.mkdir(parents=True)
    records = [
        dict(lr=0.1, loss=1.0 / s, epoch=s, iter=1, step=s) for s in (1, 2, 3)
    ]
    records += [
        {
            'all_single/rank1': 10.0 * s,
            'permutation/stripe_acc': 1.0,
            'permutation/exact_acc': 1.0,
            'step': s,
        }
        for s in (1, 2, 3)
    ]
    (folder / 'scalars.json').write_text(
        ''.join(json.dumps(r) + '\n' for r in records)
    )
    return str(tmp_path / 'work')


@pytest.mark.parametrize('suffix', list(MAGIC))
def test_tsne_of_dumps_and_of_checkpoints(tmp_path, dump, tiny_sysu, suffix):
    out = tmp_path / f'a{suffix}'
    tool('tsne')(
        [
            str(dump),
            'random',
            '--names',
            'dump',
            'random',
            '--config',
            CONFIG,
            '--data-root',
            tiny_sysu,
            '--split',
            'val_test',
            '--num-ids',
            '3',
            '--per-modality',
            '4',
            '--cfg-options',
            'model.backbone.base_channels=4',
            '--out',
            str(out),
        ]
    )
    assert written(out)


def test_ranking_of_a_checkpoint(tmp_path, tiny_sysu):
    out = tmp_path / 'a.png'
    arguments = [
        'random',
        '--config',
        CONFIG,
        '--data-root',
        tiny_sysu,
        '--split',
        'val_test',
        '--num-queries',
        '2',
        '--top-k',
        '3',
        '--cfg-options',
        'model.backbone.base_channels=4',
        '--out',
        str(out),
    ]
    tool('ranking')(arguments)
    assert written(out)


def test_ranking_needs_the_same_images(tmp_path, dump, capsys):
    other = tmp_path / 'other.npz'
    data = dict(np.load(dump))
    np.savez(other, **{k: v[1:] for k, v in data.items()})
    with pytest.raises(SystemExit):
        tool('ranking')([str(dump), str(other), '--out', 'a.png'])
    assert 'other images' in capsys.readouterr().err


@pytest.mark.parametrize(
    'arguments',
    [
        ['--kind', 'loss', '--overlay'],
        ['--kind', 'metric', '--keys', 'all_single/rank1'],
        ['--kind', 'permutation', '--num-stripes', '3'],
    ],
)
def test_curves_of_two_runs(tmp_path, run_dir, arguments):
    out = tmp_path / 'a.png'
    tool('plot_curves')(
        [run_dir, run_dir, '--names', 'a', 'b', *arguments, '--out', str(out)]
    )
    assert written(out)


def test_cost(tmp_path):
    records, out = tmp_path / 'r.json', tmp_path / 'a.svg'
    records.write_text(
        json.dumps([dict(label='a', seconds=60, accuracy=50.0, spread=2.0)])
    )
    tool('cost')([str(records), '--log', '--out', str(out)])
    assert written(out)


def test_mistakes_end_with_one_sentence(tmp_path, dump, run_dir, capsys):
    gif = ['--out', str(tmp_path / 'a.gif')]
    png = ['--out', str(tmp_path / 'a.png')]
    for name, arguments, words, out in (
        ('tsne', ['gone.npz'], 'gone.npz', png),
        ('tsne', ['gone.pth'], '--config', png),
        ('tsne', [str(dump)], '.gif', gif),
        ('tsne', [str(dump), str(dump)], '--names', png),
        ('plot_curves', [run_dir, run_dir], '--names', png),
        ('cost', ['gone.json'], 'gone.json', png),
    ):
        with pytest.raises(SystemExit) as stop:
            tool(name)([*arguments, *out])
        assert stop.value.code == 2
        error = capsys.readouterr().err
        # The usage goes before what the parser refuses.
        assert words in error and (out is gif or error.count('\n') == 1)
    assert not Path(gif[1]).exists() and not Path(png[1]).exists()


def test_inputs_are_named_by_their_folders():
    assert panel_names(['a/b/f.npz', 'c/d/e.pth', 'random'], None) == [
        'b',
        'd',
        'random',
    ]
    assert panel_names(['x.npz'], ['y']) == ['y']
