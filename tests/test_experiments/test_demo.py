"""The demo: pictures that fit each other, and a model that fits a mail."""

import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from mmgl import Embedder
from mmgl.datasets import SYSUMM01
from mmgl.experiments.demo import choose_pictures, make_demo, run_demo
from mmgl.experiments.methods import SMOKE


def test_pictures_of_a_letter_show_one_unseen_person(tiny_sysu, tmp_path):
    choose_pictures(tiny_sysu, tmp_path)
    images = SYSUMM01(tiny_sysu, 'test', lazy_init=False)
    known = {}
    for number in range(len(images)):
        info = images.get_data_info(number)
        known[cv2.imread(info['img_path']).tobytes()] = info
    letters = sorted(path.name for path in (tmp_path / 'day').iterdir())
    assert letters[0] == 'a.png' and 2 <= len(letters) <= 8
    persons = []
    for letter in letters:
        day, night = (
            known[cv2.imread(str(tmp_path / kind / letter)).tobytes()]
            for kind in ('day', 'night')
        )
        assert (day['modality'], night['modality']) == (0, 1)
        assert day['pid'] == night['pid']
        persons.append(day['pid'])
    assert len(set(persons)) == len(letters)
    first = (tmp_path / 'night/a.png').read_bytes()
    assert (tmp_path / 'night.png').read_bytes() == first


@pytest.mark.parametrize(
    'name, words',
    [
        ('day', 'holds other files; choose a new'),
        ('people-model', 'choose a new folder'),
    ],
)
def test_what_a_folder_holds_is_left_alone(name, words, tmp_path, capsys):
    (tmp_path / name).mkdir()
    with pytest.raises(SystemExit) as stopped:
        run_demo([str(tmp_path)])
    assert stopped.value.code == 2
    assert words in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.slow
def test_the_whole_demo(tmp_path):
    """A minute and a half: data, two short trainings, an evaluation."""
    make_demo(tmp_path, SMOKE, workers=0)
    size = sum(f.stat().st_size for f in (tmp_path / 'people-model').iterdir())
    assert 1e6 < size < 2e6
    card = (tmp_path / 'people-model/README.md').read_text()
    assert re.search(r'all_single/rank1 \| \d', card)
    embedder = Embedder(tmp_path / 'people-model')
    day = embedder.embed(tmp_path / 'day', 'visible')
    night = embedder.embed(tmp_path / 'night.png', 'infrared')
    assert day.shape[0] == len(list(Path(tmp_path / 'day').iterdir()))
    assert np.isfinite(day @ night.T).all()
