"""The pictures of the documents are those that their scripts draw."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / 'docs/images'


@pytest.fixture
def drawn(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / 'docs')
    import evaluation_pictures
    import pictures

    for module in (pictures, evaluation_pictures):
        arguments = [module.__file__, '--out', str(tmp_path)]
        monkeypatch.setattr(sys, 'argv', arguments)
        module.main()
    return tmp_path


def test_what_needs_no_run_is_drawn_again(drawn):
    names = {path.name for path in drawn.iterdir()}
    assert {'people.png', 'model.svg', 'data.svg', 'ties.svg'} <= names
    for name in names:
        # Other versions of matplotlib and fonts draw other lines.
        old, new = (folder / name for folder in (IMAGES, drawn))
        assert abs(new.stat().st_size / old.stat().st_size - 1) < 0.2, name


def test_pictures_are_small():
    sizes = {p.name: p.stat().st_size for p in IMAGES.iterdir()}
    mine = {
        'mmgl.png', 'people.png', 'model.svg', 'data.svg', 'training.svg',
        'draws.svg', 'ties.svg', 'camera_rule.svg', 'leak.svg',
    }  # fmt: skip
    assert mine <= set(sizes)
    assert all(sizes[name] < 150_000 for name in mine)
