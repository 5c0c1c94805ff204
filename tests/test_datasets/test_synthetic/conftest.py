import pytest

from mmgl.datasets.synthetic import write_regdb, write_sysu


@pytest.fixture(scope='session')
def sysu_root(tmp_path_factory):
    """A tiny SYSU layout; about 4 seconds, hence made once."""
    root = tmp_path_factory.mktemp('synthetic') / 'sysu'
    write_sysu(root, 'tiny')
    return root


@pytest.fixture(scope='session')
def regdb_root(tmp_path_factory):
    """A tiny RegDB layout; about 2 seconds, hence made once."""
    root = tmp_path_factory.mktemp('synthetic') / 'regdb'
    write_regdb(root, 'tiny')
    return root
