"""Packs that somebody else wrote, and images that are not what they seem."""

import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from small_images import write_image

from mmgl.apis.packing import run_packing
from mmgl.datasets import SYSUMM01, StreamedPairs, pack_writer
from mmgl.datasets.pack_writer import write_pack
from mmgl.datasets.packed import COLUMNS, PackedImages, PackIndex
from mmgl.datasets.samplers import StreamSampler
from mmgl.datasets.shards import write_shards
from mmgl.utils.errors import ConfigError

TOOL = str(Path(__file__).parents[2] / 'tools/train.py')
SIZE = 48, 24
RESIZE = dict(type='PILResize', scale=(24, 48), interpolation='lanczos')
LOAD = dict(type='LoadImageFromFile')


@pytest.fixture
def pack(tmp_path):
    """Four images of 48 x 24 pixels, and their pack."""
    root, out = tmp_path / 'root', tmp_path / 'pack'
    for number in range(4):
        write_image(root / f'{number}.png', number)
    paths = [str(p) for p in root.iterdir()]
    write_pack(str(root), paths, str(out), *SIZE)
    assert PackedImages(str(out))[2].shape == (*SIZE, 3)
    return out


def rewrite(pack, **changes):
    """Change members of the index; a function gets what was there."""
    with np.load(pack / 'index.npz') as data:
        arrays = dict(data)
    for name, change in changes.items():
        arrays[name] = change(arrays[name])
    np.savez(pack / 'index.npz', **arrays)


def header(**changes):
    return lambda text: json.dumps(json.loads(str(text)) | changes)


def refused(pack, text='index.npz'):
    for read in (PackedImages, PackIndex.load):
        with pytest.raises(ConfigError, match=text) as info:
            read(str(pack))
        assert '\n' not in str(info.value)
        assert 'pack the data set again' in str(info.value)


def canary(path):
    return [
        dict(type='os.system', command=f'touch {path}'),
        dict(type='LoadImageFromFile', backend_args=dict(backend='x')),
        dict(type='LoadImageFromFile', _scope_='os'),
        dict(type='Compose', transforms=[dict(type='builtins.print')]),
        dict(),
        7,
    ]


@pytest.mark.parametrize('number', range(6))
def test_steps_are_no_code(pack, number, tmp_path):
    step = canary(tmp_path / 'canary')[number]
    rewrite(pack, header=header(steps=[step, RESIZE]))
    refused(pack)
    assert not (tmp_path / 'canary').exists()


@pytest.mark.parametrize(
    'changes',
    [
        dict(header=header(shape=[48])),
        dict(header=header(shape=[48, -24])),
        dict(header=header(shape=[48.0, 24])),
        dict(header=header(shape=7)),
        dict(header=header(format=2)),
        dict(header=lambda _: '[]'),
        dict(header=lambda _: '{'),
        dict(header=lambda _: 7),
        dict(paths=lambda p: p[:-1]),
        dict(paths=lambda p: np.array(['0.png'] * len(p))),
        dict(paths=lambda p: np.array(['/etc/passwd', *p[1:]])),
        dict(paths=lambda p: np.array(['../0.png', *p[1:]])),
        dict(paths=lambda p: np.arange(len(p))),
        dict(sizes=lambda a: a.astype(float)),
        dict(sizes=lambda a: a[:2]),
        dict(times=lambda a: a[None]),
        dict(heights=lambda a: a * 0),
        dict(widths=lambda a: -a),
        dict(done=lambda a: a.astype(int)),
        dict(source_sums=lambda a: a.astype('S9')),
    ],
)
def test_an_index_that_lies(pack, changes):
    rewrite(pack, **changes)
    refused(pack)


@pytest.mark.parametrize('name', ['paths', *COLUMNS, 'header'])
def test_no_pickle_is_read(pack, tmp_path, name):
    class Evil:
        def __reduce__(self):
            return os.system, (f'touch {tmp_path}/canary',)

    evil = np.array([Evil()], dtype=object)
    with np.load(pack / 'index.npz') as data:
        arrays = dict(data) | {name: evil}
    np.savez(pack / 'index.npz', **arrays, allow_pickle=True)
    refused(pack)
    np.save(pack / 'images.npy', evil, allow_pickle=True)
    refused(pack)
    assert not (tmp_path / 'canary').exists()


@pytest.mark.parametrize(
    'change',
    [
        lambda images: images[:-1],
        lambda images: images.astype(np.uint16),
        lambda images: images.transpose(0, 2, 1, 3),
        lambda images: np.asfortranarray(images),
        lambda images: images.view(np.int8),
        lambda images: images.ravel(),
    ],
)
def test_images_that_do_not_fit(pack, change):
    np.save(pack / 'images.npy', change(np.load(pack / 'images.npy')))
    with pytest.raises(ConfigError, match='images.npy'):
        PackedImages(str(pack))


def test_images_of_another_length(pack):
    path = pack / 'images.npy'
    data = path.read_bytes()
    for content in (data + b'x', data[:-1], data[:80], b'', b'no array'):
        path.write_bytes(content)
        with pytest.raises(ConfigError, match='images.npy'):
            PackedImages(str(pack))
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(ConfigError, match='images.npy.*no such file'):
        PackedImages(str(pack))
    path = pack / 'index.npz'
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(FileNotFoundError, match='index.npz'):
        PackedImages(str(pack))


# ---- where a pack may lie --------------------------------------------------


def test_nothing_is_written_into_the_data_set(broken_sysu, tmp_path):
    inside = os.path.join(broken_sysu, 'packed')
    link = tmp_path / 'link'
    link.symlink_to(broken_sysu)
    for out in (inside, broken_sysu, str(link / 'packed')):
        with pytest.raises(ConfigError, match='lies in the data set'):
            write_pack(broken_sysu, [], out, *SIZE)
        with pytest.raises(ConfigError, match='lies in the data set'):
            write_shards(SYSUMM01(broken_sysu, 'train'), out)
    assert not os.path.exists(inside)


def test_the_tool_says_so(broken_sysu, capsys):
    arguments = ['--root', broken_sysu, '--out', f'{broken_sysu}/packed']
    file = os.path.join(broken_sysu, 'exp', 'val_id.txt')
    elsewhere = ['--out', f'{broken_sysu}2']
    for more in (
        [],
        ['--out', file],
        ['--out', TOOL],
        [*elsewhere, '--height', '0'],
        [*elsewhere, '--height', '1000000', '--width', '1000000'],
        [*elsewhere, '--workers', '-1'],
        [*elsewhere, '--workers', '1000000000000'],
        [*elsewhere, '--splits', 'trian'],
        [*elsewhere, '--window', '99', '1'],
    ):
        with pytest.raises(SystemExit) as caught:
            run_packing([*arguments, *more])
        assert caught.value.code == 2
        # Behind the usage, where it is the option that is wrong.
        error = capsys.readouterr().err.splitlines()[-1]
        assert 'error: ' in error and 'DEBUG' not in error
    assert not os.path.exists(f'{broken_sysu}2/images.npy')


def test_shards_take_no_broken_image(broken_sysu, tmp_path):
    pytest.importorskip('webdataset')
    dataset = SYSUMM01(broken_sysu, 'train')
    path = Path(dataset.get_data_info(0)['img_path'])
    content = path.read_bytes()
    for data in (content[: len(content) // 2], b'', b'text'):
        path.write_bytes(data)
        with pytest.raises(ConfigError, match=f'{path.name}.*cannot be read'):
            write_shards(dataset, str(tmp_path / 'shards'))
    path.unlink()
    path.symlink_to(path)
    for write in (
        lambda: write_shards(dataset, str(tmp_path / 'shards')),
        lambda: write_pack(broken_sysu, [path], str(tmp_path / 'p'), *SIZE),
    ):
        with pytest.raises(ConfigError, match='Too many levels'):
            write()
    assert list((tmp_path / 'shards').glob('visible*')) == []


def test_shards_of_an_earlier_run_are_not_mixed(broken_sysu, tmp_path):
    pytest.importorskip('webdataset')
    dataset = SYSUMM01(broken_sysu, 'train')
    write_shards(dataset, str(tmp_path), 5)
    Path(dataset.get_data_info(0)['img_path']).unlink()
    with pytest.raises(FileNotFoundError):
        write_shards(dataset, str(tmp_path), 5, seed=1)
    # Some shards are new, so there is no index of the old ones.
    with pytest.raises(FileNotFoundError, match='visible.json'):
        StreamedPairs(str(tmp_path))
    with pytest.raises(ConfigError, match='seed must be'):
        write_shards(dataset, str(tmp_path), seed=-1)


def test_a_kill_while_a_pack_is_replaced_leaves_no_wrong_pair(
    broken_sysu, tmp_path, monkeypatch
):
    paths = [str(p) for p in Path(broken_sysu).glob('cam1/0001/*.jpg')]
    out = str(tmp_path / 'pack')
    write_pack(broken_sysu, paths, out, *SIZE)

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(pack_writer, '_refresh', stop)
    with pytest.raises(KeyboardInterrupt):
        write_pack(broken_sysu, paths, out, 30, 20, overwrite=True)
    monkeypatch.undo()
    with pytest.raises(ConfigError, match='not finished'):
        PackedImages(out)
    # The same command goes on, without --overwrite.
    write_pack(broken_sysu, paths, out, 30, 20)
    assert PackedImages(out)[0].shape == (30, 20, 3)


# ---- sixteen bits, by every path -------------------------------------------


@pytest.fixture
def thermal_sysu(broken_sysu):
    """Infrared images of 16 bits, 7,000 to 9,040, as some cameras count."""
    rng = np.random.default_rng(0)
    for path in Path(broken_sysu).glob('cam[36]/*/*.jpg'):
        img = rng.integers(7000, 9041, SIZE, dtype=np.uint16)
        assert cv2.imwrite(str(path.with_suffix('.png')), img)
        path.unlink()
    return broken_sysu


def test_thermal_images_by_every_path(thermal_sysu, tmp_path):
    steps = [dict(LOAD, window=(1, 99)), RESIZE]
    plain = SYSUMM01(thermal_sysu, 'trainval', steps)
    images = {
        plain.get_data_info(n)['img_path']: plain[n]['img']
        for n in range(len(plain))
    }
    infrared = [v for k, v in images.items() if k.endswith('.png')]
    assert len(infrared) == 20
    for img in infrared:
        assert img.dtype == np.uint8 and len(np.unique(img)) > 150
    # Packed.
    pack = str(tmp_path / 'pack')
    run_packing(
        [
            *('--root', thermal_sysu, '--out', pack),
            *('--height', '48', '--width', '24', '--window', '1', '99'),
        ]
    )
    packed = SYSUMM01(thermal_sysu, 'trainval', steps, packed=pack)
    for number in range(len(packed)):
        path = packed.get_data_info(number)['img_path']
        assert np.array_equal(packed[number]['img'], images[path])
    with pytest.raises(ValueError, match=r'window=\(1.*window=None'):
        SYSUMM01(thermal_sysu, 'trainval', [LOAD, RESIZE], packed=pack)
    # Streamed.
    pytest.importorskip('webdataset')
    out = str(tmp_path / 'shards')
    write_shards(plain, out)
    first = dict(type='LoadImageFromBytes', window=(1, 99))
    stream = StreamedPairs(out, pipeline=[first, RESIZE])
    sampler = StreamSampler(stream, 2 * len(infrared), 0)
    batch = stream.__getitems__(list(sampler)[: 2 * len(infrared)])
    for item in batch:
        path = os.path.join(thermal_sysu, item['img_path'])
        assert np.array_equal(item['img'], images[path])


def test_thermal_images_without_a_window(thermal_sysu, tmp_path, capsys):
    text = 'png.*16 bits; set the argument window'
    dataset = SYSUMM01(thermal_sysu, 'trainval', [LOAD], modality='infrared')
    with pytest.raises(ConfigError, match=text):
        dataset[0]
    with pytest.raises(SystemExit):
        run_packing(['--root', thermal_sysu, '--out', str(tmp_path / 'p')])
    assert '16 bits; set the argument window' in capsys.readouterr().err
    pytest.importorskip('webdataset')
    write_shards(dataset, str(tmp_path / 's'))
    stream = StreamedPairs(
        str(tmp_path / 's'),
        'infrared.json',
        'infrared.json',
        [dict(type='LoadImageFromBytes')],
    )
    sampler = StreamSampler(stream, 2, 0)
    with pytest.raises(ConfigError):
        stream.__getitems__(list(sampler)[:2])


@pytest.mark.parametrize(
    'window', [(1,), (1, 2, 3), (99, 1), (5, 5), (-1, 50), (1, 101)]
)
def test_windows_that_are_none(sysu_root, window):
    with pytest.raises(ConfigError, match='LoadImageFromFile.window'):
        SYSUMM01(sysu_root, 'train', [dict(LOAD, window=window)])
