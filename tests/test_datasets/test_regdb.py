import os
import os.path as osp

import numpy as np
import pytest

from mmgl.datasets import RegDB


@pytest.mark.parametrize('split', ['train', 'test'])
@pytest.mark.parametrize('trial', [1, 7])
def test_rows_equal_the_files(regdb_root, split, trial):
    dataset = RegDB(regdb_root, split, trial=trial)
    expected = []
    for word in ('visible', 'thermal'):
        name = f'{split}_{word}_{trial}.txt'
        with open(osp.join(regdb_root, 'idx', name)) as file:
            expected += [line.split() for line in file]
    assert len(dataset) == len(expected) == 24
    for i, (path, label) in enumerate(expected):
        item = dataset.get_data_info(i)
        assert item['img_path'] == osp.join(regdb_root, *path.split('/'))
        assert item['pid'] == int(label)
        assert item['modality'] == int('Thermal' in path)
        assert item['camid'] == item['modality'] + 1
        assert item['raw_pid'] == int(path.split('/')[1])
        assert dataset.metainfo['pids'][item['pid']] == item['raw_pid']
    assert dataset.metainfo['trial'] == trial


def test_index_runs_inside_pid_and_modality(regdb_root):
    dataset = RegDB(regdb_root, 'test')
    assert dataset.field('index').tolist() == [1, 2, 3, 4] * 6


@pytest.mark.parametrize(
    'direction, query',
    [('visible_to_infrared', 0), ('infrared_to_visible', 1)],
)
def test_direction(regdb_root, direction, query):
    for split, modality in (('query', query), ('gallery', 1 - query)):
        dataset = RegDB(regdb_root, split, direction=direction)
        assert set(dataset.field('modality')) == {modality}
        assert len(dataset) == 12


def test_trials_differ(regdb_root):
    pids = {
        tuple(RegDB(regdb_root, 'train', trial=t).metainfo['pids'])
        for t in range(1, 11)
    }
    # Two of the ten random orders may coincide, more hardly.
    assert len(pids) >= 8


def test_missing_image_is_named(broken_regdb):
    path = RegDB(broken_regdb, 'train').get_data_info(1)['img_path']
    os.remove(path)
    with pytest.raises(FileNotFoundError, match=osp.basename(path)):
        RegDB(broken_regdb, 'train')
    assert len(RegDB(broken_regdb, 'train', listing='protocol')) == 8


def test_missing_split_file_is_named(broken_regdb):
    os.remove(osp.join(broken_regdb, 'idx', 'test_thermal_1.txt'))
    assert len(RegDB(broken_regdb, 'train')) == 8
    with pytest.raises(FileNotFoundError, match='test_thermal_1.txt'):
        RegDB(broken_regdb, 'query')


@pytest.mark.parametrize(
    'edit, message',
    [
        (lambda lines: ['Visible/1/a.bmp\n', *lines], 'line 1'),
        (lambda lines: ['Visible/x/a.bmp 0\n', *lines], 'line 1'),
        (lambda lines: [lines[0], *lines], 'twice'),
        (lambda lines: [], 'empty'),
        (
            lambda lines: [line.replace(' 1\n', ' 2\n') for line in lines],
            'contiguous',
        ),
        (
            lambda lines: [
                line[:-2] + '10'[int(line[-2])] + '\n' for line in lines
            ],
            'disagree',
        ),
    ],
)
def test_broken_split_file(broken_regdb, edit, message):
    path = osp.join(broken_regdb, 'idx', 'train_visible_1.txt')
    with open(path) as file:
        lines = file.readlines()
    with open(path, 'w') as file:
        file.writelines(edit(lines))
    with pytest.raises(ValueError, match=message):
        RegDB(broken_regdb, 'train')


@pytest.mark.parametrize(
    'options',
    [
        dict(trial=0),
        dict(trial=11),
        dict(trial='1'),
        dict(direction='rgb_to_ir'),
    ],
)
def test_bad_options(regdb_root, options):
    with pytest.raises(ValueError, match=f'RegDB.{next(iter(options))}'):
        RegDB(regdb_root, 'train', **options)


def test_official_counts(protocol_root):
    # Two or three seconds: it reads all forty split files.
    for trial in range(1, 11):
        counts = []
        for split in ('train', 'test'):
            dataset = RegDB(
                osp.join(protocol_root, 'regdb'),
                split,
                trial=trial,
                listing='protocol',
            )
            modality = dataset.field('modality')
            counts += np.bincount(modality).tolist()
            assert dataset.metainfo['num_pids'] == 206
        assert counts == [2060] * 4
