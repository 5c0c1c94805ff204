"""Packing and sharding by --layout, data of one's own above all."""

import json
from pathlib import Path

import numpy as np
import pytest
from own_data import rows_of, write_folders

from mmgl.apis.packing import run_packing
from mmgl.apis.sharding import run_sharding
from mmgl.datasets import ReIDTable, StreamedPairs

SIZE = ['--height', '32', '--width', '16']
STEPS = [
    dict(type='LoadImageFromFile'),
    dict(type='PILResize', scale=(16, 32), interpolation='lanczos'),
]


@pytest.fixture(params=['table', 'folder'])
def own(request, tiny_sysu, tiny_table, tmp_path):
    """Options of a data set, its folder and its table."""
    if request.param == 'table':
        options = ['--root', str(tiny_sysu), '--table', tiny_table]
        return [*options, '--layout', 'table'], str(tiny_sysu), tiny_table
    root = tmp_path / 'people'
    write_folders(root, Path(tiny_sysu), rows_of(tiny_sysu), splits=True)
    return ['--root', str(root), '--layout', 'folder'], str(root), None


def test_a_pack_has_all_images_of_own_data(own, tmp_path):
    options, root, table = own
    out = str(tmp_path / 'pack')
    run_packing([*options, '--out', out, *SIZE])
    for split in ('train', 'test'):
        plain = ReIDTable(root, split, table, pipeline=STEPS)
        packed = ReIDTable(root, split, table, pipeline=STEPS, packed=out)
        assert len(packed) == len(plain) > 0
        for number in range(len(plain)):
            found = packed[number]['img']
            assert np.array_equal(found, plain[number]['img'])


def test_a_pack_of_one_split(own, tmp_path):
    options, root, table = own
    out = tmp_path / 'pack'
    run_packing([*options, '--out', str(out), *SIZE, '--splits', 'test'])
    images = np.load(out / 'images.npy', mmap_mode='r')
    assert len(images) == len(ReIDTable(root, 'test', table))


def test_shards_of_own_data(own, tmp_path):
    pytest.importorskip('webdataset')
    options, root, table = own
    out = tmp_path / 'shards'
    run_sharding([*options, '--out', str(out)])
    train = ReIDTable(root, 'train', table)
    assert len(StreamedPairs(str(out))) == len(train)
    shards = json.loads((out / 'visible.json').read_text())['shards']
    number = (train.field('modality') == 0).sum()
    assert sum(shard['images'] for shard in shards) == number


@pytest.mark.parametrize('run', [run_packing, run_sharding])
@pytest.mark.parametrize(
    'options', [['--layout', 'table'], ['--table', 'people.csv']]
)
def test_a_table_belongs_to_its_layout(run, options, tmp_path, capsys):
    out = str(tmp_path / 'out')
    with pytest.raises(SystemExit) as caught:
        run(['--root', str(tmp_path), '--out', out, *options])
    assert caught.value.code == 2
    assert '--layout table needs --table' in capsys.readouterr().err
