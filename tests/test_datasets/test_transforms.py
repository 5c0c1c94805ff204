import math
from collections import Counter
from itertools import permutations

import numpy as np
import pytest
import torch

from mmgl.datasets import Draw
from mmgl.datasets.transforms import (
    AugMix,
    PackReIDInputs,
    SharedStripeShuffle,
    shuffle_stripes,
)


def draw(pair=0, position=0, epoch=0, seed=0):
    return Draw(0, seed, epoch, position, pair)


def coded_image(height=12, width=4):
    """Row number in channel 0, column number in channel 1."""
    img = np.zeros((height, width, 3), dtype=np.uint8)
    img[..., 0] = np.arange(height)[:, None]
    img[..., 1] = np.arange(width)
    return img


# ---- stripes -------------------------------------------------------------


def test_orientation_with_a_three_cycle():
    # A cycle differs from its inverse, a swap would not.
    img = coded_image()
    out = shuffle_stripes(img, np.array([1, 2, 0]))
    assert out[:, 0, 0].tolist() == [4, 5, 6, 7, 8, 9, 10, 11, 0, 1, 2, 3]
    assert (out[..., 1] == img[..., 1]).all()


def test_transposed_permutation_matrix_restores_the_image():
    img = coded_image(height=24)
    results = SharedStripeShuffle(6)(dict(img=img, sample_idx=3))
    perm = results['permutation']
    assert perm.dtype == np.int64
    matrix = np.zeros((6, 6))
    matrix[np.arange(6), perm] = 1
    stripes = results['img'].reshape(6, -1).astype(float)
    assert np.array_equal((matrix.T @ stripes).reshape(img.shape), img)
    assert np.array_equal(matrix.T @ perm, np.arange(6))


def test_pair_members_share_and_pairs_differ():
    shuffle = SharedStripeShuffle(6)

    def permutation(**key):
        results = shuffle(dict(img=coded_image(), draw=draw(**key)))
        return tuple(results['permutation'])

    assert permutation(pair=4, position=8) == permutation(pair=4, position=9)
    assert len({permutation(pair=p) for p in range(48)}) > 40
    assert len({permutation(epoch=e) for e in range(48)}) > 40
    assert permutation(seed=1) != permutation(seed=2)


def test_plain_index_gives_a_fixed_permutation():
    def permutations_of(seed):
        shuffle = SharedStripeShuffle(6, seed=seed)
        return [
            tuple(
                shuffle(dict(img=coded_image(), sample_idx=i))['permutation']
            )
            for i in range(20)
        ]

    assert permutations_of(0) == permutations_of(0)
    assert permutations_of(0) != permutations_of(1)
    assert len(set(permutations_of(0))) > 15


def test_permutations_are_uniform():
    shuffle = SharedStripeShuffle(6)
    img = np.zeros((6, 1, 3), dtype=np.uint8)
    expected = 10
    counts = Counter(
        tuple(shuffle(dict(img=img, draw=draw(pair=p)))['permutation'])
        for p in range(720 * expected)
    )
    chi2 = sum(
        (counts[p] - expected) ** 2 / expected for p in permutations(range(6))
    )
    # 719 degrees of freedom: mean 719, standard deviation 38.
    assert abs(chi2 - 719) < 4 * math.sqrt(2 * 719)


def test_global_generators_do_not_matter():
    shuffle = SharedStripeShuffle(6)
    np.random.seed(1)
    first = shuffle(dict(img=coded_image(), draw=draw()))['permutation']
    np.random.seed(2)
    state = np.random.get_state()[1].copy()
    second = shuffle(dict(img=coded_image(), draw=draw()))['permutation']
    assert np.array_equal(first, second)
    assert np.array_equal(state, np.random.get_state()[1])


def test_height_must_be_a_multiple():
    with pytest.raises(ValueError, match='height 12.*num_stripes=5'):
        SharedStripeShuffle(5)(dict(img=coded_image(), sample_idx=0))
    for bad in (1, 0, 2.0):
        with pytest.raises(ValueError, match='num_stripes'):
            SharedStripeShuffle(bad)


# ---- types of images ------------------------------------------------------


@pytest.mark.parametrize('transform', [AugMix(), PackReIDInputs()])
@pytest.mark.parametrize(
    'img', [np.zeros((4, 4, 3), np.float64), np.zeros((4, 4), np.uint8)]
)
def test_float_or_grey_images_are_refused(transform, img):
    with pytest.raises(ValueError, match='uint8'):
        transform(dict(img=img))


# ---- packing -------------------------------------------------------------


def packed(meta_keys=(), **extra):
    return PackReIDInputs(meta_keys)(
        {
            **dict(
                img=coded_image(),
                img_path='x.jpg',
                pid=3,
                modality=1,
                camid=6,
                index=2,
            ),
            **extra,
        }
    )


def test_pack():
    data = packed(permutation=np.array([1, 2, 0]), draw=draw(pair=7))
    assert data['inputs'].shape == (3, 12, 4)
    assert data['inputs'].dtype == torch.uint8
    assert data['inputs'].is_contiguous()
    assert data['inputs'][0, :, 0].tolist() == list(range(12))
    sample = data['data_samples']
    assert (sample.pid, sample.modality, sample.camid, sample.index) == (
        3,
        1,
        6,
        2,
    )
    assert sample.permutation.tolist() == [1, 2, 0]
    assert sample.permutation.dtype == np.int64
    assert (sample.img_path, sample.pair_key) == ('x.jpg', 7)


def test_pack_float_images_but_no_normalised_ones():
    img = coded_image().astype(np.float32) - 3.5
    inputs = packed(img=img)['inputs']
    assert inputs.dtype == torch.float32
    assert np.array_equal(inputs.numpy(), img.transpose(2, 0, 1))
    with pytest.raises(ValueError, match='remove Normalize'):
        packed(img_norm_cfg={})


def test_pack_views():
    first = coded_image()
    views = [first, first[::-1], first[:, ::-1]]
    data = packed(img=views)
    assert data['inputs'].shape == (3, 3, 12, 4)
    assert data['inputs'].dtype == torch.uint8
    for got, view in zip(data['inputs'], views, strict=True):
        assert np.array_equal(got.numpy(), view.transpose(2, 0, 1))
    assert data['data_samples'].pid == 3
    # One type for all views of an image.
    mixed = packed(img=[first, first.astype(np.float32)])['inputs']
    assert mixed.dtype == torch.float32 and torch.equal(mixed[0], mixed[1])
    with pytest.raises(ValueError, match='is empty'):
        packed(img=[])


def test_pack_views_of_several_sizes_as_a_list():
    views = [coded_image(), coded_image()[:6, :2], coded_image()[::-1]]
    inputs = packed(img=views)['inputs']
    assert [tuple(view.shape) for view in inputs] == [
        (3, 12, 4),
        (3, 6, 2),
        (3, 12, 4),
    ]
    for got, view in zip(inputs, views, strict=True):
        assert np.array_equal(got.numpy(), view.transpose(2, 0, 1))
    with pytest.raises(ValueError, match='shape'):
        packed(img=[coded_image(), coded_image()[..., 0]])


def test_pack_without_draw_and_with_meta_keys():
    sample = packed(['flip'], flip=True)['data_samples']
    assert sample.pair_key is None and 'permutation' not in sample
    assert sample.flip is True
    with pytest.raises(KeyError, match='flop'):
        packed(['flop'])
