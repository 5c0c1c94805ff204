"""Every example runs as it stands; together they take some seconds."""

import csv
import re
import runpy
import sys
from pathlib import Path

import pytest

from mmgl.registry import DATASETS, MODELS

FOLDER = Path(__file__).parents[1] / 'examples'
TESTED = {
    'export', 'own_data', 'own_loss', 'pretrain', 'probe', 'search',
}  # fmt: skip


@pytest.fixture
def example(tmp_path, monkeypatch, capsys):
    """Run an example in an empty folder and return what it prints."""
    monkeypatch.chdir(tmp_path)

    def run(name, *arguments):
        argv = [f'{name}.py', *map(str, arguments)]
        monkeypatch.setattr(sys, 'argv', argv)
        runpy.run_path(str(FOLDER / f'{name}.py'), run_name='__main__')
        return capsys.readouterr().out

    return run


def test_all_are_tested_and_listed():
    names = {path.stem for path in FOLDER.glob('*.py')}
    assert names == TESTED
    listed = re.findall(r'\((\w+)\.py\)', (FOLDER / 'README.md').read_text())
    assert set(listed) == names


def test_pretrain(example, tiny_sysu, tmp_path):
    out = example(
        'pretrain', '--data-root', tiny_sysu, '--epochs', 1, '--iterations', 2
    )
    values = [float(v) for v in re.findall(r'  ?loss ([\d.]+)', out)]
    assert len(values) == 2 and all(0 < v < 50 for v in values)
    assert (tmp_path / 'backbone.pth').is_file()
    # The next step takes it.
    out = example('probe', tiny_sysu, 'backbone.pth')
    assert out.count('chance 25.0%') == 4


@pytest.mark.filterwarnings('ignore:.*has colours')
def test_search(example, bundle, photographs):
    night = sorted(photographs.rglob('*.png'))[0]
    for _ in range(2):
        out = example('search', bundle, photographs, night)
        assert len(out.splitlines()) == 5
        scores = [float(line.split()[0]) for line in out.splitlines()]
        assert scores == sorted(scores, reverse=True) and scores[0] <= 1


def test_own_loss(example):
    try:
        out = example('own_loss', '--steps', 2)
    finally:
        MODELS.module_dict.pop('CenterTripletLoss', None)
    values = [float(v) for v in re.findall(r'triplet ([\d.]+)', out)]
    assert len(values) == 2 and all(0 <= v < 3 for v in values)


def test_own_data(example, tmp_path):
    folder = tmp_path / 'mine'
    folder.mkdir()
    with (folder / 'images.csv').open('w', newline='') as file:
        table = csv.writer(file)
        table.writerow(['path', 'person', 'camera', 'modality', 'split'])
        for person in (7, 9, 12):
            for number in range(3):
                for camera, modality in ((1, 'visible'), (2, 'infrared')):
                    path = f'{person}/{camera}_{number}.png'
                    split = 'test' if person == 12 else 'train'
                    table.writerow([path, person, camera, modality, split])
    try:
        out = example('own_data', folder)
    finally:
        DATASETS.module_dict.pop('TableOfPeople', None)
    first, *lines = out.splitlines()
    assert first == '2 persons, 12 images' and len(lines) == 8
    assert {line.split()[0] for line in lines} == {'7', '9'}
    assert sum(line.split()[1] == 'infrared' for line in lines) == 4


def test_export(example, bundle, photographs):
    pytest.importorskip('onnx')
    pytest.importorskip('onnxruntime')
    paths = sorted(photographs.rglob('*.png'))[:2]
    out = example('export', bundle, *paths)
    assert out.count('differs by') == 2
    # Each image is most alike to itself.
    numbers = [
        float(n)
        for n in re.findall(r'-?[\d.]+(?=[\s\]])', out.split('most')[-1])
    ]
    assert numbers[0] == numbers[3] == 1 and numbers[1] == numbers[2] < 1
