import os
import os.path as osp
import pickle

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from mmgl.datasets import SYSUMM01


@pytest.mark.parametrize(
    'split, raw_pids',
    [('train', [1, 2, 4]), ('val', [7, 9]), ('trainval', [1, 2, 4, 7, 9])],
)
def test_training_splits_have_contiguous_sorted_labels(
    sysu_root, split, raw_pids
):
    dataset = SYSUMM01(sysu_root, split)
    assert len(dataset) == len(raw_pids) * 19
    assert dataset.metainfo['pids'] == raw_pids
    assert dataset.metainfo['num_pids'] == len(raw_pids)
    labels, raw = dataset.field('pid'), dataset.field('raw_pid')
    assert sorted(set(labels)) == list(range(len(raw_pids)))
    assert all(
        raw_pids[label] == pid for label, pid in zip(labels, raw, strict=True)
    )


def test_entries_name_existing_files(sysu_root):
    dataset = SYSUMM01(sysu_root, 'trainval')
    for i in range(len(dataset)):
        item = dataset.get_data_info(i)
        expected = osp.join(
            sysu_root,
            f'cam{item["camid"]}',
            f'{item["raw_pid"]:04d}',
            f'{item["index"]:04d}.jpg',
        )
        assert item['img_path'] == expected and osp.isfile(expected)
        assert item['modality'] == int(item['camid'] in (3, 6))


@pytest.mark.parametrize(
    'split, count, cameras',
    [
        ('query', 18, {3, 6}),
        ('gallery', 33, {1, 2, 4, 5}),
        ('test', 51, {1, 2, 3, 4, 5, 6}),
        ('val_test', 38, {1, 2, 3, 4, 5, 6}),
    ],
)
def test_test_splits_keep_raw_pids(sysu_root, split, count, cameras):
    dataset = SYSUMM01(sysu_root, split)
    assert len(dataset) == count
    assert set(dataset.field('camid')) == cameras
    pids = [7, 9] if split == 'val_test' else [6, 10, 17]
    assert sorted(set(dataset.field('pid'))) == pids
    assert np.array_equal(dataset.field('pid'), dataset.field('raw_pid'))
    permutations = dataset.metainfo['rand_perm_cam']
    assert set().union(*permutations.values()) == set(pids)
    cells = loadmat(osp.join(sysu_root, 'exp', 'rand_perm_cam.mat'))
    official = cells['rand_perm_cam'][1, 0][pids[0] - 1, 0]
    assert np.array_equal(permutations[2][pids[0]], official)


def test_test_is_query_and_gallery(sysu_root):
    def paths(split):
        dataset = SYSUMM01(sysu_root, split)
        return [
            dataset.get_data_info(i)['img_path'] for i in range(len(dataset))
        ]

    assert sorted(paths('query') + paths('gallery')) == sorted(paths('test'))


@pytest.mark.parametrize('modality, number', [('visible', 0), ('infrared', 1)])
def test_one_modality(sysu_root, modality, number):
    dataset = SYSUMM01(sysu_root, 'train', modality=modality)
    assert set(dataset.field('modality')) == {number}
    assert dataset.metainfo['num_pids'] == 3


def test_protocol_listing_equals_the_disk(sysu_root):
    for split in SYSUMM01.SPLITS:
        disk = SYSUMM01(sysu_root, split)
        protocol = SYSUMM01(sysu_root, split, listing='protocol')
        assert len(disk) == len(protocol)
        assert all(
            disk.get_data_info(i) == protocol.get_data_info(i)
            for i in range(len(disk))
        )


def test_lazy_init_indices_and_pickling(sysu_root):
    lazy = SYSUMM01(sysu_root, 'train', lazy_init=True, indices=5)
    assert lazy.metainfo['num_pids'] == 3
    assert len(lazy) == 5
    assert len(pickle.loads(pickle.dumps(lazy))) == 5


def test_stray_files_are_ignored(broken_sysu):
    before = len(SYSUMM01(broken_sysu, 'test'))
    for name in ('Thumbs.db', '._0001.jpg', 'cover.jpg', '0003.txt'):
        with open(osp.join(broken_sysu, 'cam1', '0006', name), 'w'):
            pass
    assert len(SYSUMM01(broken_sysu, 'test')) == before


def test_gap_is_an_error_in_test_and_a_warning_in_training(broken_sysu):
    os.remove(osp.join(broken_sysu, 'cam1', '0006', '0002.jpg'))
    with pytest.raises(ValueError, match=r'cam1.0006.*missing numbers \[2\]'):
        SYSUMM01(broken_sysu, 'test')
    os.remove(osp.join(broken_sysu, 'cam2', '0004', '0001.jpg'))
    with pytest.warns(UserWarning, match='cam2.0004'):
        SYSUMM01(broken_sysu, 'train')


def test_two_images_of_one_number(broken_sysu):
    with open(osp.join(broken_sysu, 'cam1', '0001', '1.jpg'), 'w'):
        pass
    with pytest.raises(ValueError, match='two images of number 1'):
        SYSUMM01(broken_sysu, 'train')


def remove_tree(folder):
    for file in os.listdir(folder):
        os.remove(osp.join(folder, file))
    os.rmdir(folder)


def test_person_without_infrared_images(broken_sysu):
    for cam in (3, 6):
        remove_tree(osp.join(broken_sysu, f'cam{cam}', '0002'))
    with pytest.raises(FileNotFoundError, match='0002.*infrared'):
        SYSUMM01(broken_sysu, 'train')
    assert SYSUMM01(broken_sysu, 'train', modality='visible')


@pytest.mark.parametrize(
    'path, split',
    [
        ('exp/train_id.txt', 'train'),
        ('exp/rand_perm_cam.mat', 'test'),
        ('cam4', 'train'),
    ],
)
def test_missing_part_is_named(broken_sysu, path, split):
    os.rename(osp.join(broken_sysu, path), osp.join(broken_sysu, 'gone'))
    with pytest.raises(FileNotFoundError, match=osp.basename(path)):
        SYSUMM01(broken_sysu, split)


@pytest.mark.parametrize(
    'text, message',
    [
        ('1,2,x\n', 'train_id.txt.*whole numbers'),
        ('\n', 'train_id.txt.*empty'),
        ('1,2,2\n', 'train_id.txt.*repeats'),
        ('1,7\n', 'share a person'),
    ],
)
def test_broken_id_file(broken_sysu, text, message):
    with open(osp.join(broken_sysu, 'exp', 'train_id.txt'), 'w') as file:
        file.write(text)
    with pytest.raises(ValueError, match=message):
        SYSUMM01(broken_sysu, 'trainval')


def test_broken_permutations(broken_sysu):
    path = osp.join(broken_sysu, 'exp', 'rand_perm_cam.mat')
    content = loadmat(path)
    entry = content['rand_perm_cam'][1, 0][5, 0]
    entry[3, 0] = entry[3, 1]
    savemat(path, dict(rand_perm_cam=content['rand_perm_cam']))
    with pytest.raises(ValueError, match='camera 2, person 6'):
        SYSUMM01(broken_sysu, 'test')
    with open(path, 'wb') as file:
        file.write(b'no mat file')
    with pytest.raises(ValueError, match='cannot be read'):
        SYSUMM01(broken_sysu, 'test')


@pytest.mark.parametrize(
    'options',
    [
        dict(split='training'),
        dict(split='train', modality='thermal'),
        dict(split='train', listing='web'),
        dict(split='query', modality='visible'),
    ],
)
def test_bad_options(sysu_root, options):
    with pytest.raises(ValueError, match='SYSUMM01'):
        SYSUMM01(sysu_root, **options)


def test_missing_root():
    with pytest.raises(FileNotFoundError, match='data_root'):
        SYSUMM01('no/such/folder', 'train')


def test_official_counts(protocol_root):
    root = osp.join(protocol_root, 'sysu_mm01')

    def load(split):
        return SYSUMM01(root, split, listing='protocol')

    trainval = load('trainval')
    modality = trainval.field('modality')
    assert (modality == 0).sum() == 22258
    assert (modality == 1).sum() == 11909
    assert trainval.metainfo['num_pids'] == 395
    assert set(trainval.field('pid')) == set(range(395))
    assert [load(s).metainfo['num_pids'] for s in ('train', 'val')] == [
        296,
        99,
    ]
    query = load('query')
    assert len(query) == 3803
    # Per trial one or ten images of each person and visible camera.
    gallery = load('gallery')
    folders = set(
        zip(
            gallery.field('camid').tolist(),
            gallery.field('pid').tolist(),
            strict=True,
        )
    )
    permutations = gallery.metainfo['rand_perm_cam']
    for cameras, size in (((1, 2, 4, 5), 301), ((1, 2), 112)):
        drawn = [permutations[c][p][0] for c, p in folders if c in cameras]
        assert len(drawn) == size
        assert sum(len(row[:10]) for row in drawn) == size * 10
    indoor = {p for c, p in folders if c in (1, 2)}
    assert np.isin(query.field('pid'), list(indoor)).sum() == 2208
