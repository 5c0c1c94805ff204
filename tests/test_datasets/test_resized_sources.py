"""Resized images from files, packs and shards."""

import os

import numpy as np
import pytest
from streaming import DECODE, epoch, loader

from mmgl.datasets import SYSUMM01
from mmgl.datasets.pack_writer import write_pack
from mmgl.utils.resampling import INTERPOLATIONS, OPENCV

LOAD = dict(type='LoadImageFromFile')
WIDTH, HEIGHT = 20, 30


def resize_step(interpolation):
    scale = (WIDTH, HEIGHT)
    if interpolation == OPENCV:
        return dict(type='Resize', scale=scale)
    return dict(type='PILResize', scale=scale, interpolation=interpolation)


def images_of(root, interpolation, **kwargs):
    dataset = SYSUMM01(
        root, 'trainval', [LOAD, resize_step(interpolation)], **kwargs
    )
    items = (dataset[n] for n in range(len(dataset)))
    return {
        os.path.relpath(item['img_path'], root): item['img'] for item in items
    }


@pytest.fixture(scope='module')
def packs(sysu_root, tmp_path_factory):
    folder = tmp_path_factory.mktemp('packs')
    dataset = SYSUMM01(sysu_root, 'trainval')
    paths = [dataset.get_data_info(n)['img_path'] for n in range(len(dataset))]
    for interpolation in INTERPOLATIONS:
        write_pack(
            sysu_root,
            paths,
            str(folder / interpolation),
            HEIGHT,
            WIDTH,
            interpolation,
        )
    return folder


@pytest.mark.parametrize('interpolation', INTERPOLATIONS)
def test_files_packs_and_shards_give_the_same(
    sysu_root, shards, packs, interpolation
):
    plain = images_of(sysu_root, interpolation)
    packed = images_of(
        sysu_root, interpolation, packed=str(packs / interpolation)
    )
    [batch] = epoch(
        loader(shards, 130, pipeline=[*DECODE, resize_step(interpolation)]), 0
    )
    streamed = {item['img_path']: item['img'] for item in batch}
    assert plain.keys() == packed.keys() == streamed.keys()
    for path, img in plain.items():
        assert img.shape == (HEIGHT, WIDTH, 3) and img.std() > 5
        assert np.array_equal(img, packed[path])
        assert np.array_equal(img, streamed[path])


def test_filters_differ(sysu_root):
    found = [images_of(sysu_root, name) for name in INTERPOLATIONS]
    path = next(iter(found[0]))
    assert len({one[path].tobytes() for one in found}) == len(INTERPOLATIONS)


@pytest.mark.parametrize('used', INTERPOLATIONS)
@pytest.mark.parametrize('packed', INTERPOLATIONS)
def test_pack_of_another_filter_is_refused(sysu_root, packs, packed, used):
    if used == packed:
        assert images_of(sysu_root, used, packed=str(packs / packed))
        return
    with pytest.raises(ValueError, match='height, width and interpolation'):
        images_of(sysu_root, used, packed=str(packs / packed))


def test_another_filter_needs_overwrite(sysu_root, packs):
    paths = [os.path.join(sysu_root, 'cam1', '0001', '0001.jpg')]
    out = str(packs / 'one')
    write_pack(sysu_root, paths, out, HEIGHT, WIDTH)
    with pytest.raises(ValueError, match='another interpolation.*--overwrite'):
        write_pack(sysu_root, paths, out, HEIGHT, WIDTH, 'bilinear')
