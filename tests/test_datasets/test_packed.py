import os
import pickle
import re
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.dataset import pseudo_collate
from torch.utils.data import DataLoader

from mmgl.datasets import SYSUMM01, RegDB, pack_writer
from mmgl.datasets.pack_writer import RowWriter, verify_pack, write_pack
from mmgl.datasets.packed import PackedImages, PackIndex
from mmgl.datasets.samplers import CrossModalPairSampler
from mmgl.utils.resampling import resample

TOOL = Path(__file__).parents[2] / 'tools/dataset_converters/pack_dataset.py'
PACK = [
    dict(type='SharedStripeShuffle', num_stripes=6),
    dict(type='PackReIDInputs'),
]


@pytest.fixture(scope='session')
def tool():
    return runpy.run_path(str(TOOL))


@pytest.fixture(scope='session')
def sysu_pack(tool, sysu_root, tmp_path_factory):
    out = str(tmp_path_factory.mktemp('pack') / 'sysu')
    tool['main'](
        ['--root', sysu_root, '--out', out, '--height', '48', '--width', '24']
    )
    return out


def paths_of(root):
    return [str(p) for p in Path(root).rglob('*.jpg')]


def pack(root, out, **kwargs):
    return write_pack(root, paths_of(root), str(out), 48, 24, **kwargs)


# ---- equality ------------------------------------------------------------


def test_loading_gives_the_same_results(
    sysu_root, sysu_pack, standard_pipeline
):
    plain = SYSUMM01(sysu_root, 'test', standard_pipeline[:2])
    packed = SYSUMM01(
        sysu_root, 'test', standard_pipeline[:2], packed=sysu_pack
    )
    assert len(plain) == len(packed) > 20
    for number in range(len(plain)):
        one, other = plain[number], packed[number]
        assert other.pop('packed_row') >= 0
        assert np.array_equal(one.pop('img'), other.pop('img'))
        assert one == other


@pytest.mark.parametrize('num_workers', [0, 2])
def test_training_batches_are_the_same(
    sysu_root, sysu_pack, num_workers, standard_pipeline
):
    def batches(**kwargs):
        dataset = SYSUMM01(
            sysu_root, 'trainval', standard_pipeline + PACK, **kwargs
        )
        sampler = CrossModalPairSampler(dataset, 8, seed=3)
        return list(
            DataLoader(
                dataset,
                8,
                sampler=sampler,
                num_workers=num_workers,
                collate_fn=pseudo_collate,
            )
        )

    plain, packed = batches(), batches(packed=sysu_pack)
    assert len(plain) == len(packed) > 3
    for one, other in zip(plain, packed, strict=True):
        for a, b in zip(one['inputs'], other['inputs'], strict=True):
            assert np.array_equal(a.numpy(), b.numpy())
        for a, b in zip(
            one['data_samples'], other['data_samples'], strict=True
        ):
            assert (a.img_path, a.pid, a.modality) == (
                b.img_path,
                b.pid,
                b.modality,
            )


def test_regdb_pack_serves_all_trials(
    tool, regdb_root, tmp_path, standard_pipeline
):
    out = str(tmp_path / 'pack')
    tool['main'](
        [
            '--root',
            regdb_root,
            '--layout',
            'regdb',
            '--out',
            out,
            '--height',
            '48',
            '--width',
            '24',
            '--workers',
            '2',
        ]
    )
    for trial in (1, 7):
        for split in ('train', 'test'):
            plain, packed = (
                RegDB(
                    regdb_root,
                    split,
                    trial,
                    pipeline=standard_pipeline[:2],
                    **kwargs,
                )
                for kwargs in ({}, dict(packed=out))
            )
            assert np.array_equal(plain[5]['img'], packed[5]['img'])


def test_a_killed_worker_is_one_sentence(
    tool, regdb_root, tmp_path, monkeypatch, capsys
):
    def killed(self, number):
        os.kill(os.getpid(), signal.SIGKILL)

    # Workers are forks of this process.
    monkeypatch.setattr(RowWriter, '__call__', killed)
    out = ['--out', str(tmp_path / 'pack'), '--workers', '2']
    with pytest.raises(SystemExit) as stop:
        tool['main'](['--root', regdb_root, '--layout', 'regdb', *out])
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith('error: A process in the process pool was')
    assert said.count('\n') == 1


def test_resize_is_part_of_the_pack(broken_sysu, tmp_path):
    write_pack(broken_sysu, paths_of(broken_sysu), str(tmp_path / 'p'), 30, 20)
    steps = [
        dict(type='LoadImageFromFile'),
        dict(type='PILResize', scale=(20, 30), interpolation='lanczos'),
    ]
    plain, packed = (
        SYSUMM01(broken_sysu, 'train', steps, **kwargs)[2]
        for kwargs in ({}, dict(packed=str(tmp_path / 'p')))
    )
    assert packed['img'].shape == (30, 20, 3)
    assert np.array_equal(plain['img'], packed['img'])
    assert plain['scale_factor'] == packed['scale_factor']


# ---- the reader ----------------------------------------------------------


def test_reader_maps_lazily_and_gives_copies(sysu_pack):
    images = PackedImages(sysu_pack)
    first = images[0]
    state = pickle.dumps(images)
    assert len(state) < 1000
    other = pickle.loads(state)
    assert other._map is None
    assert np.array_equal(other[0], first)
    first[:] = 0  # as RandomErasing does
    assert not np.array_equal(images[0], first)
    assert isinstance(images._map, np.memmap)
    assert images._map.mode == 'r'


@pytest.mark.parametrize(
    'steps, text',
    [
        (
            [
                dict(type='LoadImageFromFile'),
                dict(
                    type='PILResize', scale=(24, 50), interpolation='lanczos'
                ),
            ],
            '24, 50',
        ),
        (
            [
                dict(type='LoadImageFromFile', color_type='grayscale'),
                dict(
                    type='PILResize', scale=(24, 48), interpolation='lanczos'
                ),
            ],
            'grayscale',
        ),
        ([dict(type='LoadImageFromFile')], 'PILResize'),
    ],
)
def test_other_loading_steps_are_refused(sysu_root, sysu_pack, steps, text):
    with pytest.raises(ValueError, match=f'packed.*{text}.*height, width'):
        SYSUMM01(sysu_root, 'train', steps, packed=sysu_pack)


def test_no_pack(sysu_root, tmp_path, standard_pipeline):
    with pytest.raises(FileNotFoundError, match='pack_dataset'):
        SYSUMM01(
            sysu_root,
            'train',
            standard_pipeline,
            packed=str(tmp_path / 'nothing'),
        )


# ---- stale, broken, unfinished -------------------------------------------


def open_train(root, out):
    steps = [
        dict(type='LoadImageFromFile'),
        dict(type='PILResize', scale=(24, 48), interpolation='lanczos'),
    ]
    return SYSUMM01(root, 'train', steps, packed=str(out))


def change(path, seed=5):
    img = np.random.default_rng(seed).integers(0, 256, (60, 30, 3), np.uint8)
    assert cv2.imwrite(path, img)
    return img


def test_changed_source_is_refused_and_mended(broken_sysu, tmp_path):
    out = tmp_path / 'p'
    pack(broken_sysu, out)
    dataset = open_train(broken_sysu, out)
    path = dataset.get_data_info(3)['img_path']
    before = [dataset[n]['img'] for n in range(6)]
    change(path)
    with pytest.raises(ValueError, match='stale: 1 of .* run tools') as info:
        open_train(broken_sysu, out)
    assert os.path.basename(path) in str(info.value)
    calls = []
    pack(broken_sysu, out, progress=lambda done, total: calls.append(done))
    assert len(calls) == 1
    dataset = open_train(broken_sysu, out)
    expected = resample(cv2.imread(path), (24, 48), 'lanczos')
    assert np.array_equal(dataset[3]['img'], expected)
    assert dataset[3]['ori_shape'] == (60, 30)
    for n in (0, 1, 2, 4, 5):
        assert np.array_equal(dataset[n]['img'], before[n])
    verify_pack(str(out))


def test_touched_source_costs_no_decoding(broken_sysu, tmp_path, monkeypatch):
    out = tmp_path / 'p'
    pack(broken_sysu, out)
    for path in paths_of(broken_sysu):
        os.utime(path, ns=(1, 1))
    with pytest.raises(ValueError, match='stale'):
        open_train(broken_sysu, out)
    monkeypatch.setattr(pack_writer, 'RowWriter', None)
    pack(broken_sysu, out)
    assert len(open_train(broken_sysu, out)) > 0


def test_new_image_needs_overwrite(broken_sysu, tmp_path):
    out = tmp_path / 'p'
    pack(broken_sysu, out)
    new = os.path.join(broken_sysu, 'cam1', '0001', '0004.jpg')
    change(new)
    with pytest.raises(ValueError, match='1 images .* not in the pack'):
        open_train(broken_sysu, out)
    with pytest.raises(ValueError, match='--overwrite'):
        pack(broken_sysu, out)
    pack(broken_sysu, out, overwrite=True)
    assert len(open_train(broken_sysu, out)) > 0


def test_broken_source_is_named(broken_sysu, tmp_path):
    path = paths_of(broken_sysu)[4]
    Path(path).write_bytes(b'no image')
    with pytest.raises(ValueError, match=os.path.basename(path)):
        pack(broken_sysu, tmp_path / 'p')
    with pytest.raises(ValueError, match='not finished.*goes on'):
        open_train(broken_sysu, tmp_path / 'p')


def test_damage_is_found(broken_sysu, tmp_path):
    out = str(tmp_path / 'p')
    pack(broken_sysu, out)
    assert verify_pack(out) == len(paths_of(broken_sysu))
    images = np.load(os.path.join(out, 'images.npy'), mmap_mode='r+')
    images[7, 0, 0, 0] ^= 1
    images.flush()
    with pytest.raises(ValueError, match=PackIndex.load(out).paths[7]):
        verify_pack(out)
    index = Path(out, 'index.npz')
    data = bytearray(index.read_bytes())
    data[len(data) // 2] ^= 255
    index.write_bytes(data)
    with pytest.raises(ValueError, match='index.npz'):
        PackedImages(out)


def test_truncated_images_are_found(broken_sysu, tmp_path):
    out = str(tmp_path / 'p')
    pack(broken_sysu, out)
    file = Path(out, 'images.npy')
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(ValueError, match='images.npy'):
        PackedImages(out)


def test_goes_on_after_an_interruption(broken_sysu, tmp_path, monkeypatch):
    monkeypatch.setattr(pack_writer, 'BLOCK', 10)
    out = str(tmp_path / 'p')

    def stop(done, total):
        if done == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pack(broken_sysu, out, progress=stop)
    index = PackIndex.load(out)
    assert index.num_done == 20
    # A row that never reached the disk, as after a power failure.
    lost = int(np.flatnonzero(index.columns['done'])[4])
    images = np.load(os.path.join(out, 'images.npy'), mmap_mode='r+')
    images[lost] = 0
    images.flush()
    done = []
    pack(broken_sysu, out, progress=lambda now, _: done.append(now))
    assert done[0] == 29  # 19 sound rows and a block
    assert verify_pack(out) == len(index)
    source = cv2.imread(os.path.join(broken_sysu, index.paths[lost]))
    expected = resample(source, (24, 48), 'lanczos')
    assert np.array_equal(PackedImages(out)[lost], expected)


def test_goes_on_after_a_kill(broken_sysu, tmp_path):
    """Starts a process, which takes most of ten seconds for its imports."""
    out = tmp_path / 'p'
    code = (
        'import sys, time\n'
        'from mmgl.datasets import pack_writer\n'
        'from mmgl.datasets.pack_writer import write_pack\n'
        'from pathlib import Path\n'
        'pack_writer.BLOCK = 5\n'
        'root, out = sys.argv[1:]\n'
        'paths = [str(p) for p in Path(root).rglob("*.jpg")]\n'
        'write_pack(root, paths, out, 48, 24,\n'
        '           progress=lambda done, total: time.sleep(done > 14))\n'
    )
    process = subprocess.Popen(
        [sys.executable, '-c', code, broken_sysu, str(out)],
        cwd=Path(__file__).parents[2],
    )
    try:
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline:
            if (out / 'index.npz').exists() and PackIndex.load(
                str(out)
            ).num_done >= 15:
                break
            assert process.poll() is None
            time.sleep(0.05)
    finally:
        process.kill()
        process.wait()
    assert 15 <= PackIndex.load(str(out)).num_done < len(paths_of(broken_sysu))
    pack(broken_sysu, out)
    verify_pack(str(out))
    fresh = tmp_path / 'fresh'
    pack(broken_sysu, fresh)
    assert (out / 'images.npy').read_bytes() == (
        fresh / 'images.npy'
    ).read_bytes()


# ---- the tool ------------------------------------------------------------


def test_tool_verifies_and_reports(tool, sysu_pack, tmp_path, capsys):
    tool['main'](['--out', sysu_pack, '--verify'])
    assert 'sound' in capsys.readouterr().out
    for arguments, text in (
        (['--verify'], 'is no pack of images: .*pack_dataset'),
        (['--root', 'nowhere'], "no folder 'nowhere'"),
    ):
        with pytest.raises(SystemExit) as caught:
            tool['main'](['--out', str(tmp_path), *arguments])
        assert caught.value.code == 2
        assert re.match(f'error: .*{text}', capsys.readouterr().err)
