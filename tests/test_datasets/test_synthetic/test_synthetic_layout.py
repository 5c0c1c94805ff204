"""The written roots against the layouts of the real sets."""

import cv2
import numpy as np
import pytest
from scipy.io import loadmat

from mmgl.datasets.synthetic import get_preset, preset_counts
from mmgl.datasets.synthetic.splits import (
    plan_sysu,
    regdb_split_files,
    sysu_split_files,
)

VISIBLE, INFRARED = (1, 2, 4, 5), (3, 6)


def read_ids(root, split):
    text = (root / 'exp' / f'{split}_id.txt').read_text()
    assert text.endswith('\n') and '\n' not in text[:-1]
    return [int(word) for word in text.split(',')]


def count(root, cameras, pids):
    return sum(
        len(list((root / f'cam{cam}' / f'{pid:04d}').glob('*.jpg')))
        for cam in cameras
        for pid in pids
    )


def test_sysu_ids_and_counts(sysu_root):
    counts = preset_counts('sysu', 'tiny')
    seen = []
    for split in ('train', 'val', 'test'):
        pids = read_ids(sysu_root, split)
        seen += pids
        assert len(pids) == counts[split]['ids']
        assert count(sysu_root, VISIBLE, pids) == counts[split]['visible']
        assert count(sysu_root, INFRARED, pids) == counts[split]['infrared']
    assert len(seen) == len(set(seen))
    assert sorted(seen) == read_ids(sysu_root, 'available')
    assert len(list(sysu_root.glob('cam*/*/*'))) == counts['images']


def test_sysu_images_are_numbered_without_gap(sysu_root):
    for folder in sysu_root.glob('cam*/*'):
        names = sorted(path.name for path in folder.iterdir())
        expected = [f'{n:04d}.jpg' for n in range(1, len(names) + 1)]
        assert names == expected


def test_sysu_multi_shot_is_possible(sysu_root):
    for pid in read_ids(sysu_root, 'test'):
        seen = [n for c in VISIBLE if (n := count(sysu_root, [c], [pid])) > 0]
        assert seen and min(seen) >= 10
        assert count(sysu_root, INFRARED, [pid]) > 0


def test_rand_perm_cam(sysu_root):
    cells = loadmat(sysu_root / 'exp' / 'rand_perm_cam.mat')['rand_perm_cam']
    assert cells.shape == (6, 1)
    filled = 0
    for cam in range(1, 7):
        column = cells[cam - 1, 0]
        assert column.shape[1] == 1
        for pid in range(1, column.shape[0] + 1):
            draws = column[pid - 1, 0]
            number = count(sysu_root, [cam], [pid])
            if number == 0:
                assert draws.size == 0
                continue
            filled += 1
            assert draws.shape == (10, number)
            ordered = np.sort(draws, axis=1)
            assert (ordered == np.arange(1, number + 1)).all()
    assert filled == len(list(sysu_root.glob('cam*/*')))


def test_infrared_is_grey_and_visible_is_not(sysu_root):
    for cam in range(1, 7):
        spread = 0
        for path in sorted(sysu_root.glob(f'cam{cam}/*/0001.jpg')):
            pixels = cv2.imread(str(path), cv2.IMREAD_COLOR).astype(int)
            spread = max(spread, int(np.ptp(pixels, axis=2).max()))
        assert (spread == 0) == (cam in INFRARED)


def test_images_have_person_shape_and_varying_size(sysu_root):
    low, high = get_preset('sysu', 'tiny').height
    sizes = set()
    for path in sysu_root.glob('cam1/*/*.jpg'):
        height, width = cv2.imread(str(path)).shape[:2]
        assert low <= height <= high and height > 1.6 * width
        sizes.add((height, width))
    assert len(sizes) > 10


def test_full_preset_has_the_counts_of_sysu_mm01():
    counts = preset_counts('sysu', 'full')
    train, val, test = (counts[k] for k in ('train', 'val', 'test'))
    assert (train['ids'], val['ids'], test['ids']) == (296, 99, 96)
    assert train['visible'] + val['visible'] == 22258
    assert train['infrared'] + val['infrared'] == 11909
    assert test['infrared'] == 3803
    assert sum(test['cameras'][c]['ids'] for c in VISIBLE) == 301
    assert sum(test['cameras'][c]['ids'] for c in (1, 2)) == 112


def test_full_preset_has_2208_valid_indoor_queries():
    pids, shots = plan_sysu(get_preset('sysu', 'full'), 0)
    held = {(s.pid, s.camid): s.count for s in shots}
    valid = 0
    for pid in pids['test']:
        # A query of camera 3 may not be matched with camera 2.
        for cam, gallery in ((3, (1,)), (6, (1, 2))):
            if any((pid, g) in held for g in gallery):
                valid += held.get((pid, cam), 0)
    assert valid == 2208


@pytest.mark.parametrize('preset', ['tiny', 'mini', 'full'])
def test_every_test_id_can_be_queried_and_found(preset):
    spec = get_preset('sysu', preset)
    pids, shots = plan_sysu(spec, 3)
    held = {(s.pid, s.camid): s.count for s in shots}
    total = sum(s.count for s in shots)
    assert total == preset_counts('sysu', preset)['images']
    for pid in pids['test']:
        assert any((pid, c) in held for c in INFRARED)
        assert any((pid, c) in held for c in VISIBLE)
        assert all(held.get((pid, c), 10) >= 10 for c in VISIBLE)
    for pid in pids['train'] + pids['val']:
        assert any((pid, c) in held for c in INFRARED)
        assert any((pid, c) in held for c in VISIBLE)


def test_regdb_layout(regdb_root):
    counts = preset_counts('regdb', 'tiny')
    for trial in range(1, 11):
        halves = {}
        for split in ('train', 'test'):
            labels = {}
            for folder, word in (
                ('Visible', 'visible'),
                ('Thermal', 'thermal'),
            ):
                name = f'{split}_{word}_{trial}.txt'
                lines = (regdb_root / 'idx' / name).read_text().split('\n')
                assert lines.pop() == ''
                assert len(lines) == counts['images_per_list']
                pairs = set()
                for line in lines:
                    path, label = line.split(' ')
                    assert (regdb_root / path).is_file()
                    top, pid, _ = path.split('/')
                    assert top == folder
                    pairs.add((int(pid), int(label)))
                labels[word] = pairs
            assert labels['visible'] == labels['thermal']
            numbers = sorted(label for _, label in labels['visible'])
            assert numbers == list(range(counts['ids_per_split']))
            halves[split] = {pid for pid, _ in labels['visible']}
        assert not halves['train'] & halves['test']


def test_regdb_trials_differ_and_full_has_2060_lines():
    spec = get_preset('regdb', 'full')
    files = regdb_split_files(spec, 0, lambda pid: 0.0)
    assert len(files) == 40
    assert {len(v.splitlines()) for v in files.values()} == {2060}
    assert len(set(files.values())) == 40


def test_regdb_thermal_is_grey(regdb_root):
    for folder, grey in (('Visible', False), ('Thermal', True)):
        path = next((regdb_root / folder / '1').iterdir())
        pixels = cv2.imread(str(path)).astype(int)
        assert (np.ptp(pixels, axis=2).max() == 0) == grey


def test_split_files_depend_on_the_seed():
    spec = get_preset('sysu', 'mini')
    first, second = sysu_split_files(spec, 0), sysu_split_files(spec, 1)
    assert first == sysu_split_files(spec, 0)
    assert all(first[name] != second[name] for name in first)
