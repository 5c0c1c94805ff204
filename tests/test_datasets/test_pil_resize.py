"""PILResize against PIL itself."""

import sys

import cv2
import mmcv.transforms
import numpy as np
import pytest
from PIL import Image

from mmgl.datasets.transforms import PILResize
from mmgl.utils.resampling import KERNELS, resample

# Width and height of the pipelines.
SIZES = ((144, 288), (128, 256), (128, 384))


def by_pil(img, size, interpolation):
    """Columns first, then rows, which Pillow 13 may do the other way."""
    kind = Image.Resampling[interpolation.upper()]
    picture = Image.fromarray(img)
    columns = picture.resize((size[0], picture.height), kind)
    return np.asarray(columns.resize(size, kind))


def difference(img, size, interpolation):
    found = resample(img, size, interpolation)
    expected = by_pil(img, size, interpolation)
    assert found.dtype == np.uint8 and found.shape == expected.shape
    return cv2.absdiff(found, expected)


def pictures(rng, height, width):
    """Noise, extremes, boards, stripes, slow changes, and grey."""
    shape = (height, width, 3)
    noise = rng.integers(0, 256, shape, dtype=np.uint8)
    y, x = np.mgrid[:height, :width]
    rows, columns = rng.integers(1, 4, 2)
    board = ((y // rows + x // columns) % 2 * 255).astype(np.uint8)
    small = rng.integers(0, 256, (6, 4, 3), dtype=np.uint8)
    smooth = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    return dict(
        noise=noise,
        extremes=noise // 128 * np.uint8(255),
        board=np.repeat(board[..., None], 3, axis=2),
        stripes=np.repeat(noise[:, :1], width, axis=1),
        smooth=smooth,
        grey=np.repeat(noise[..., :1], 3, axis=2),
    )


def random_sources(rng, size, count):
    """Real crops; every third one in a ratio that often hits a half."""
    for number in range(count):
        height, width = rng.integers((60, 30), (601, 301)).tolist()
        if number % 3 == 0:
            top, bottom = rng.integers((3, 4), (17, 13), (2, 2)).T.tolist()
            width = int(np.clip(size[0] * top[0] // bottom[0], 30, 300))
            height = int(np.clip(size[1] * top[1] // bottom[1], 60, 600))
        yield height, width


@pytest.mark.parametrize('size', SIZES)
@pytest.mark.parametrize('interpolation', KERNELS)
def test_pixels_are_those_of_pil(interpolation, size):
    rng = np.random.default_rng(size[1])
    for height, width in random_sources(rng, size, 24):
        for name, img in pictures(rng, height, width).items():
            worst = difference(img, size, interpolation).max()
            assert worst <= 1, (name, height, width)


@pytest.mark.parametrize('interpolation', KERNELS)
@pytest.mark.parametrize(
    'source',
    [
        (128, 64),  # RegDB
        (96, 96),
        (576, 288),
        (288, 100),
        (100, 144),
        (288, 300),
        (600, 144),
    ],
)
def test_simple_ratios_and_single_passes(source, interpolation):
    rng = np.random.default_rng(0)
    for size in SIZES:
        for name, img in pictures(rng, *source).items():
            worst = difference(img, size, interpolation).max()
            assert worst <= 1, (name, size)


@pytest.mark.parametrize('interpolation', KERNELS)
def test_numpy_gives_the_bits_of_torch(interpolation, monkeypatch):
    rng = np.random.default_rng(4)
    sources = list(random_sources(rng, SIZES[0], 6))
    for source in [*sources, (288, 100), (100, 144)]:
        for name, img in pictures(rng, *source).items():
            want = resample(img, SIZES[0], interpolation)
            with monkeypatch.context() as patch:
                patch.delitem(sys.modules, 'torch')
                got = resample(img, SIZES[0], interpolation)
            assert np.array_equal(got, want), (name, source)


def test_lanczos_is_nearly_always_to_the_bit():
    rng = np.random.default_rng(1)
    for source in ((128, 64), (200, 80), (350, 150), (600, 300)):
        img = pictures(rng, *source)['noise']
        assert difference(img, (144, 288), 'lanczos').mean() < 2e-3


def test_opencv_differs_by_far_where_images_shrink():
    """What the filter is for."""
    img = pictures(np.random.default_rng(2), 500, 250)['noise']
    plain = cv2.resize(img, (144, 288))
    assert (
        np.abs(plain.astype(float) - by_pil(img, (144, 288), 'lanczos')).mean()
        > 20
    )


def test_memory_order_and_shapes():
    rng = np.random.default_rng(3)
    img = pictures(rng, 200, 90)['noise']
    expected = resample(img, (48, 96), 'lanczos')
    kept = img.copy()
    mirrored = np.ascontiguousarray(img[:, ::-1])[:, ::-1]
    part = np.pad(img, ((3, 4), (5, 6), (0, 0)))[3:-4, 5:-6]
    for view in (mirrored, part):
        assert not view.flags.c_contiguous
        assert np.array_equal(resample(view, (48, 96), 'lanczos'), expected)
    single = resample(img[..., 1], (48, 96), 'lanczos')
    assert np.array_equal(single, expected[..., 1])
    assert np.array_equal(img, kept)
    assert resample(img, (90, 200), 'lanczos') is img


@pytest.mark.parametrize('interpolation', KERNELS)
def test_huge_images(interpolation):
    """Sums of hundreds of products, beyond any crop."""
    img = pictures(np.random.default_rng(4), 3000, 2000)['noise']
    assert difference(img, (144, 288), interpolation).max() <= 1


def test_results_have_the_keys_of_resize():
    img = pictures(np.random.default_rng(5), 77, 33)['noise']
    given = dict(img=img, img_shape=(77, 33), ori_shape=(77, 33), pid=4)
    ours = PILResize([48, 96], 'bilinear')(dict(given))
    theirs = mmcv.transforms.Resize((48, 96))(dict(given))
    assert np.array_equal(ours.pop('img'), resample(img, (48, 96), 'bilinear'))
    assert theirs.pop('img').shape == (96, 48, 3)
    assert ours == theirs


@pytest.mark.parametrize(
    'options, text',
    [
        (dict(interpolation='area'), "interpolation.*lanczos.*'area'"),
        (dict(scale=144), 'scale.*width and height.*144'),
        (dict(scale=(144, 0)), r'scale.*\(144, 0\)'),
        (dict(scale=(144.0, 288.0)), r'scale.*144\.0'),
        (dict(scale=(1, 2, 3)), 'scale'),
    ],
)
def test_wrong_options(options, text):
    with pytest.raises(ValueError, match=f'PILResize.{text}'):
        PILResize(
            **(dict(scale=(144, 288), interpolation='lanczos') | options)
        )


def test_float_images_are_refused():
    with pytest.raises(ValueError, match='uint8.*float32.*before'):
        PILResize((4, 8), 'lanczos')(dict(img=np.zeros((9, 9, 3), 'f4')))
