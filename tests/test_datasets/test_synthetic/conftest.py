from pathlib import Path

import pytest


@pytest.fixture(scope='session')
def sysu_root(tiny_sysu):
    return Path(tiny_sysu)


@pytest.fixture(scope='session')
def regdb_root(tiny_regdb):
    return Path(tiny_regdb)
