"""Modules of benchmarks/ and of tools/benchmarks, which theirs import."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def scripts(monkeypatch):
    for folder in ('tools/benchmarks', 'benchmarks'):
        monkeypatch.syspath_prepend(str(ROOT / folder))
