import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))


@pytest.fixture
def toy_config(tmp_path, monkeypatch):
    """Write a toy config; extra lines of Python are appended to it."""
    monkeypatch.chdir(tmp_path)
    base = HERE.parents[1] / 'configs/_base_/default_runtime.py'

    def write(extra='', name='toy_config.py'):
        import toy
        path = tmp_path / name
        path.write_text(toy.CONFIG.format(base=base) + extra)
        return str(path)

    return write
