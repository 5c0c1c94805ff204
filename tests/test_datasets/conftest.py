import os
import os.path as osp
import runpy
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat
from small_images import write_image

STANDARD_PIPELINE = [
    dict(type='LoadImageFromFile'),
    dict(type='PILResize', scale=(24, 48), interpolation='lanczos'),
    dict(type='mmpretrain.RandomCrop', crop_size=(48, 24), padding=4),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='AugMix'),
    dict(
        type='mmpretrain.RandomErasing',
        erase_prob=0.5,
        mode='rand',
        min_area_ratio=0.02,
        max_area_ratio=0.4,
    ),
]


def write_sysu(root, train=(1, 4, 2), val=(9, 7), test=(6, 17, 10), n=3):
    """A SYSU-MM01 tree; person 6 was not seen by cameras 4 and 5."""
    os.makedirs(osp.join(root, 'exp'))
    for name, pids in (('train', train), ('val', val), ('test', test)):
        with open(osp.join(root, 'exp', f'{name}_id.txt'), 'w') as file:
            file.write(','.join(map(str, pids)) + '\n')
    rng = np.random.default_rng(0)
    everyone = sorted((*train, *val, *test))
    cells = np.empty((6, 1), dtype=object)
    for cam in range(1, 7):
        inner = np.empty((max(everyone), 1), dtype=object)
        for pid in range(1, max(everyone) + 1):
            inner[pid - 1, 0] = np.zeros((0, 0), dtype=np.uint8)
            if pid not in everyone or (pid == 6 and cam in (4, 5)):
                continue
            # More visible than infrared images, as in the real set.
            count = n + (cam == 1)
            inner[pid - 1, 0] = np.stack(
                [rng.permutation(count) + 1 for _ in range(10)]
            ).astype(np.uint8)
            for index in range(1, count + 1):
                write_image(
                    osp.join(
                        root, f'cam{cam}', f'{pid:04d}', f'{index:04d}.jpg'
                    ),
                    (cam, pid, index),
                )
        cells[cam - 1, 0] = inner
    savemat(
        osp.join(root, 'exp', 'rand_perm_cam.mat'), dict(rand_perm_cam=cells)
    )
    return str(root)


def write_regdb(root, num_ids=3, n=4):
    """A RegDB tree; trial t's test half holds the persons after train's."""
    os.makedirs(osp.join(root, 'idx'))
    for trial in range(1, 11):
        order = np.random.default_rng(trial).permutation(2 * num_ids) + 100
        halves = dict(train=order[:num_ids], test=order[num_ids:])
        for half, pids in halves.items():
            for word, letter in (('visible', 'v'), ('thermal', 't')):
                lines = []
                for label, pid in enumerate(pids):
                    for number in range(n):
                        path = (
                            f'{word.title()}/{pid}/'
                            f'male_back_{letter}_{number:05d}_{pid}.bmp'
                        )
                        lines.append(f'{path} {label}\n')
                        if trial == 1:
                            write_image(
                                osp.join(root, path),
                                (letter == 't', pid, number),
                            )
                name = f'{half}_{word}_{trial}.txt'
                with open(osp.join(root, 'idx', name), 'w') as file:
                    file.writelines(lines)
    return str(root)


@pytest.fixture(scope='session')
def sysu_root(tmp_path_factory):
    """Read only; tests that break something write their own tree."""
    return write_sysu(tmp_path_factory.mktemp('data') / 'sysu')


@pytest.fixture(scope='session')
def regdb_root(tmp_path_factory):
    return write_regdb(tmp_path_factory.mktemp('data') / 'regdb')


@pytest.fixture
def broken_sysu(tmp_path):
    """A tree of its own for a test to break."""
    return write_sysu(tmp_path / 'sysu', n=2)


@pytest.fixture
def broken_regdb(tmp_path):
    return write_regdb(tmp_path / 'regdb', num_ids=2, n=2)


@pytest.fixture
def standard_pipeline():
    """The usual training augmentation, before shuffling and packing."""
    return [dict(step) for step in STANDARD_PIPELINE]


@pytest.fixture(scope='session')
def shard_tool():
    path = 'tools/dataset_converters/write_shards.py'
    return runpy.run_path(str(Path(__file__).parents[2] / path))


@pytest.fixture(scope='session')
def shards(shard_tool, sysu_root, tmp_path_factory):
    """65 visible and 30 infrared images, 9 in a shard."""
    pytest.importorskip('webdataset')
    out = str(tmp_path_factory.mktemp('shards'))
    shard_tool['main'](
        [
            '--root',
            sysu_root,
            '--split',
            'trainval',
            '--out',
            out,
            '--images-per-shard',
            '9',
        ]
    )
    return out
