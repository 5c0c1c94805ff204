"""LLCM's layout: read, checked, and what its public code draws."""

import os
import random
import shutil

import pytest

from mmgl.apis.verification import run_verification
from mmgl.datasets import LLCM
from mmgl.datasets.synthetic import preset_counts
from mmgl.datasets.verify_llcm import verify_llcm
from mmgl.protocols.cross import draw_galleries
from mmgl.protocols.llcm import read_row
from mmgl.utils.errors import ConfigError


@pytest.fixture
def broken(tiny_llcm, tmp_path):
    return shutil.copytree(tiny_llcm, tmp_path / 'llcm')


def test_splits(tiny_llcm):
    counts = preset_counts('llcm', 'tiny')
    train = LLCM(tiny_llcm, 'train')
    assert set(train.field('pid')) == set(range(6))
    raw = dict(zip(train.field('pid'), train.field('raw_pid'), strict=True))
    assert [raw[i] for i in range(6)] == train.metainfo['pids']
    for half, data in (('train', train), ('test', LLCM(tiny_llcm, 'test'))):
        modality = data.field('modality')
        assert (modality == 0).sum() == counts[half]['visible']
        assert (modality == 1).sum() == counts[half]['infrared']
        assert data.metainfo['num_pids'] == counts[half]['ids']
        for entry in (data.get_data_info(i) for i in range(len(data))):
            assert os.path.isfile(entry['img_path'])
    query = LLCM(tiny_llcm, 'query')
    assert set(query.field('modality')) == {1}
    # The third camera takes no infrared images.
    assert 3 not in query.field('camid')
    turned = LLCM(tiny_llcm, 'query', direction='visible_to_infrared')
    assert set(turned.field('modality')) == {0}


@pytest.mark.parametrize('modality', [0, 1])
@pytest.mark.parametrize('trial', [0, 7])
def test_gallery_is_the_one_that_public_code_draws(tiny_llcm, modality, trial):
    """Folder by folder, as in its data manager."""
    data = LLCM(tiny_llcm, 'test')
    word = ('vis', 'nir')[modality]
    random.seed(trial)
    drawn = []
    for pid in sorted(f'{pid:04d}' for pid in data.metainfo['pids']):
        for camid in range(1, 10):
            folder = f'{tiny_llcm}/test_{word}/cam{camid}/{pid}'
            if os.path.isdir(folder):
                files = sorted(f'{folder}/{f}' for f in os.listdir(folder))
                drawn.append(random.choice(files))
    rows = data.field('modality') == modality
    labels = (data.field(name)[rows] for name in ('pid', 'camid', 'index'))
    members = draw_galleries(*labels, shots=1, trials=10)[trial]
    entries = [data.get_data_info(i) for i in rows.nonzero()[0]]
    ours = [
        e['img_path'] for e, kept in zip(entries, members, strict=True) if kept
    ]
    assert sorted(ours) == sorted(drawn) and len(ours) >= 5


def test_lines_of_the_lists():
    row = read_row('vis/0351/0351_c06_s200656_f4830_vis.jpg 12')
    assert row[1:] == (351, 6, 12)
    for line in (
        '',
        'vis/0351/0351_c06_s200656_f4830_vis.jpg',
        'vis/0351/0351_s200656.jpg 12',
        'vis/../0351/0351_c06_x.jpg 12',
        '/vis/0351/0351_c06_x.jpg 12',
    ):
        assert read_row(line) is None


def damage(root, path, old, new):
    text = (root / path).read_text()
    assert old in text
    (root / path).write_text(text.replace(old, new, 1))


CASES = {
    'a line without a label': (
        'idx/train_vis.txt',
        '.jpg 0',
        '.jpg',
        'must be',
    ),
    'lists exchanged': ('idx/train_vis.txt', 'vis/', 'nir/', 'must be "vis/'),
    'a camera in the dark': (
        'idx/train_nir.txt',
        '_c01_',
        '_c03_',
        'camera 3',
    ),
    'another label': ('idx/train_vis.txt', '.jpg 0', '.jpg 5', 'one to one'),
    'no image': ('idx/train_vis.txt', '_f0001_', '_f0999_', 'are missing'),
    'no ids': ('idx/test_id.txt', ',', ';', 'whole numbers'),
}


@pytest.mark.parametrize('case', CASES)
def test_faults_are_one_sentence(case, broken):
    path, old, new, words = CASES[case]
    damage(broken, path, old, new)
    with pytest.raises((ValueError, FileNotFoundError), match=words) as error:
        LLCM(str(broken), 'train')
    assert '\n' not in str(error.value)
    assert any(verify_llcm(str(broken)).problems)


def test_halves_and_folders(broken):
    test = LLCM(str(broken), 'test').metainfo['pids']
    train = LLCM(str(broken), 'train').metainfo['pids']
    (broken / 'idx/test_id.txt').write_text(f'{test[0]},{train[0]}\n')
    with pytest.raises(ConfigError, match='share the persons'):
        LLCM(str(broken), 'train')
    (broken / 'idx/test_id.txt').write_text(f'{test[0]},999\n')
    with pytest.raises(FileNotFoundError, match='person 0999 has no image'):
        LLCM(str(broken), 'test')
    (broken / 'idx/test_id.txt').write_text(f'{test[0]}\n')
    shutil.rmtree(broken / 'test_nir/cam4')
    with pytest.raises(FileNotFoundError, match='test_nir/cam4 is missing'):
        LLCM(str(broken), 'test')


def test_verification(tiny_llcm, capsys):
    report = verify_llcm(tiny_llcm, decode=True)
    counts = preset_counts('llcm', 'tiny')
    assert report.problems == []
    assert report.counts['images'] == counts['images']
    assert report.counts['test infrared images'] == counts['test']['infrared']
    options = ['--root', tiny_llcm, '--layout', 'llcm', '--official']
    assert run_verification(options) == 1
    said = capsys.readouterr().out
    assert 'train ids: found 6, the official data set has 713' in said
    assert said.count('PROBLEM') == 3
