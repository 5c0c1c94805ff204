"""The tool that writes shards."""

import os
from pathlib import Path

import pytest

pytest.importorskip('webdataset')


def test_equal_arguments_give_equal_shards(
    shard_tool, shards, sysu_root, tmp_path
):
    args = [
        '--root',
        sysu_root,
        '--split',
        'trainval',
        '--out',
        str(tmp_path),
        '--images-per-shard',
        '9',
    ]
    shard_tool['main'](args)
    names = sorted(os.listdir(shards))
    assert sorted(os.listdir(tmp_path)) == names
    assert len(names) == 8 + 4 + 2
    for name in names:
        assert (tmp_path / name).read_bytes() == Path(
            shards, name
        ).read_bytes()
    shard_tool['main']([*args, '--seed', '1'])
    first = 'visible-000000.tar'
    assert (tmp_path / first).read_bytes() != Path(shards, first).read_bytes()


def test_index_of_shards_from_elsewhere(shard_tool, shards, tmp_path):
    tars = sorted(str(p) for p in Path(shards).glob('infrared-*.tar'))
    out = tmp_path / 'again.json'
    shard_tool['main'](['--index', str(out), *tars])
    assert out.read_text() == Path(shards, 'infrared.json').read_text()
