"""CAJ's colour operations against normalise-then-operate."""

import random
from collections import Counter

import numpy as np
import pytest
import torch

from mmgl.datasets import Draw, rng_scope
from mmgl.datasets.transforms import (
    ChannelAdaptiveGray,
    ChannelExchange,
    ChannelRandomErasing,
)
from mmgl.models.data_preprocessors import ReIDDataPreprocessor

CIFAR = torch.tensor([0.4914, 0.4822, 0.4465])
GRAY = torch.tensor([0.2989, 0.587, 0.114])
TRANSFORMS = [ChannelExchange, ChannelAdaptiveGray, ChannelRandomErasing]


@pytest.fixture
def img():
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (24, 12, 3), dtype=np.uint8)


def normalized(img, **kwargs):
    """What the network sees of an image: (3, H, W), RGB."""
    tensor = torch.from_numpy(np.ascontiguousarray(img.transpose(2, 0, 1)))
    return ReIDDataPreprocessor(**kwargs)({'inputs': [tensor]})['inputs'][0]


def run(transform, img, seed=0):
    with rng_scope(Draw(0, 0, 0, seed, 0)):
        return transform(dict(img=img.copy()))['img']


def matches(got, want):
    return torch.allclose(got, want, rtol=0, atol=1e-5)


def only(channel):
    return tuple(float(c == channel) for c in range(3))


# ------------------------------------------------ equality in normalised space
@pytest.mark.parametrize('channel', [0, 1, 2])
@pytest.mark.parametrize('kind', [ChannelExchange, ChannelAdaptiveGray])
def test_copied_channel_carries_its_own_mean(img, kind, channel):
    before = normalized(img)
    after = normalized(run(kind(channel_probs=only(channel)), img))
    assert matches(after, before[channel].expand(3, -1, -1))


def test_gray_in_normalised_space(img):
    after = normalized(
        run(ChannelAdaptiveGray(channel_probs=(0, 0, 0), gray_prob=1), img)
    )
    want = (GRAY[:, None, None] * normalized(img)).sum(0)
    assert matches(after, want.expand(3, -1, -1))


def test_infrared_copies_differ_by_the_normalisation_only(img):
    # Three equal raw channels: "copy c" selects one of three affine maps.
    infrared = np.repeat(img[..., :1], 3, axis=2)
    before = normalized(infrared)
    assert not matches(before[0], before[2])
    after = normalized(run(ChannelAdaptiveGray(only(2)), infrared))
    assert matches(after[0], before[2])


def test_erasing_writes_constants_into_the_normalised_image(img):
    before = normalized(img)
    after = normalized(run(ChannelRandomErasing(prob=1.0), img))
    erased = ~torch.isclose(before, after, rtol=0, atol=1e-5).all(0)
    rows, columns = erased.any(1), erased.any(0)
    # A rectangle, filled with one colour.
    assert erased.any() and not erased.all()
    assert torch.equal(erased, rows[:, None] & columns[None])
    assert matches(after[:, erased], CIFAR[:, None].expand(-1, erased.sum()))


def test_chain_of_the_augmented_view(img):
    # Erasing, then exchange: the patch is constant mean_c in all channels.
    erase = ChannelRandomErasing(prob=1.0)
    before = normalized(run(erase, img, 3))
    with rng_scope(Draw(0, 0, 0, 3, 0)):
        results = ChannelExchange(only(1))(erase(dict(img=img.copy())))
    after = normalized(results['img'])
    assert matches(after, before[1].expand(3, -1, -1))
    assert torch.isclose(after, CIFAR[1], atol=1e-5).any()


def test_own_normalisation_and_rgb_images(img):
    stats = dict(mean=(10.0, 20.0, 30.0), std=(2.0, 30.0, 70.0))
    for to_rgb in (True, False):
        before = normalized(img, to_rgb=to_rgb, **stats)
        after = normalized(
            run(ChannelExchange(only(2), to_rgb=to_rgb, **stats), img),
            to_rgb=to_rgb,
            **stats,
        )
        torch.testing.assert_close(
            after, before[2].expand(3, -1, -1), rtol=1e-4, atol=1e-4
        )


def test_raw_space(img):
    out = run(ChannelExchange(only(0), space='raw'), img)
    # R is the last channel of a BGR image.
    np.testing.assert_allclose(out, img[..., 2:].repeat(3, 2), atol=1e-3)
    out = run(ChannelAdaptiveGray((0, 0, 0), gray_prob=1.0, space='raw'), img)
    want = img @ np.array([0.114, 0.587, 0.2989])
    np.testing.assert_allclose(out, want[..., None].repeat(3, 2), rtol=1e-4)
    out = run(ChannelRandomErasing(prob=1.0, space='raw'), img)
    changed = (out != img).any(2)
    np.testing.assert_allclose(
        out[changed],
        np.tile(255 * CIFAR.flip(0).numpy(), (changed.sum(), 1)),
        rtol=1e-5,
    )


# --------------------------------------------------------------- probabilities
def frequencies(transform, classify, n=2000):
    img = np.array([[[30, 120, 200], [90, 10, 50]]], dtype=np.uint8)
    img = img.repeat(4, 0).repeat(4, 1)
    before = normalized(img)
    counts = Counter()
    np.random.seed(0)
    for _ in range(n):
        counts[
            classify(
                before, normalized(transform(dict(img=img.copy()))['img'])
            )
        ] += 1
    return {key: count / n for key, count in counts.items()}


def colour_operation(before, after):
    for name, want in (
        ('R', before[:1]),
        ('G', before[1:2]),
        ('B', before[2:]),
        ('same', before),
        ('gray', (GRAY[:, None, None] * before).sum(0, True)),
    ):
        if matches(after, want.expand(3, -1, -1)):
            return name
    return 'other'


@pytest.mark.parametrize(
    'transform, want',
    [
        (ChannelExchange(), dict(R=1 / 3, G=1 / 3, B=1 / 3)),
        (ChannelExchange((0.5, 0, 0.1)), dict(R=0.5, B=0.1, same=0.4)),
        (
            ChannelAdaptiveGray(),
            dict(R=0.25, G=0.25, B=0.25, gray=0.125, same=0.125),
        ),
        (
            ChannelAdaptiveGray(gray_prob=0.6),
            dict(R=0.25, G=0.25, B=0.25, gray=0.15, same=0.1),
        ),
    ],
)
def test_colour_probabilities(transform, want):
    # Four standard deviations of 2,000 draws are at most .045.
    got = frequencies(transform, colour_operation)
    assert got == pytest.approx(want, abs=0.045)


@pytest.mark.parametrize('prob', [0.0, 0.5, 0.6, 1.0])
def test_erasing_probability(prob):
    got = frequencies(
        ChannelRandomErasing(prob),
        lambda before, after: not matches(before, after),
    )
    assert got.get(True, 0) == pytest.approx(prob, abs=0.045)


def test_rectangles_follow_the_published_ranges():
    erase = ChannelRandomErasing()
    assert erase.area_range == (0.02, 0.4)
    assert erase.aspect_range == (0.3, 1 / 0.3) and erase.max_tries == 100
    # Small enough to fit at any aspect: area and aspect stay uniform, the
    # latter not in its logarithm, whose mean would be 1.26.
    erase = ChannelRandomErasing(area_range=(0.02, 0.2))
    np.random.seed(0)
    height = width = 2000
    drawn = [erase.draw_rectangle(height, width) for _ in range(3000)]
    rows = np.array([r.stop - r.start for r, _ in drawn])
    columns = np.array([c.stop - c.start for _, c in drawn])
    area, aspect = rows * columns / height / width, rows / columns
    assert area.min() > 0.019 and area.max() < 0.201
    assert aspect.min() > 0.29 and aspect.max() < 3.35
    assert area.mean() == pytest.approx(0.11, abs=0.01)
    assert aspect.mean() == pytest.approx((0.3 + 1 / 0.3) / 2, abs=0.1)
    assert min(r.start for r, _ in drawn) < 20
    assert max(r.stop for r, _ in drawn) > height - 20


def test_top_left_is_uniform_and_inclusive():
    # 1 x 1 in 2 x 2: each of the four corners.
    erase = ChannelRandomErasing(area_range=(0.25, 0.25), aspect_range=(1, 1))
    np.random.seed(0)
    counts = Counter(
        tuple(s.start for s in erase.draw_rectangle(2, 2)) for _ in range(800)
    )
    assert len(counts) == 4 and min(counts.values()) > 150


def test_no_rectangle_fits(img):
    # Full height never fits, after any number of tries.
    erase = ChannelRandomErasing(
        prob=1.0, area_range=(0.9, 1.0), aspect_range=(3.0, 3.3), max_tries=5
    )
    assert erase.draw_rectangle(24, 12) is None
    assert np.array_equal(run(erase, img), img)


# ------------------------------------------------------------------- behaviour
@pytest.mark.parametrize('kind', TRANSFORMS)
def test_randomness_type_and_input(img, kind):
    transform = kind()
    outs = [run(transform, img, seed) for seed in range(20)]
    assert all(out.dtype == np.float32 for out in outs)
    assert len({out.tobytes() for out in outs}) > 2
    # Only numpy's generator matters, and float images give the same.
    random.seed(1)
    torch.manual_seed(1)
    again = run(transform, img.astype(np.float32))
    assert np.array_equal(outs[0], again)
    kept = img.copy()
    transform(dict(img=img))
    assert np.array_equal(img, kept)


@pytest.mark.parametrize('kind', TRANSFORMS)
def test_bad_arguments(kind):
    with pytest.raises(ValueError, match=f'{kind.__name__}.space'):
        kind(space='hsv')
    with pytest.raises(ValueError, match='three positive'):
        kind(std=(1, 2, 0))
    for bad in (np.zeros((4, 4, 3)), np.zeros((4, 4), np.uint8)):
        with pytest.raises(ValueError, match='uint8 or float32'):
            kind()(dict(img=bad))


@pytest.mark.parametrize(
    'kind, options, message',
    [
        (ChannelExchange, dict(channel_probs=(0.5, 0.6, 0)), 'channel_probs'),
        (ChannelExchange, dict(channel_probs=(1,)), 'channel_probs'),
        (
            ChannelAdaptiveGray,
            dict(channel_probs=(-0.1, 0, 0)),
            'channel_probs',
        ),
        (ChannelAdaptiveGray, dict(gray_prob=1.1), 'gray_prob'),
        (ChannelAdaptiveGray, dict(gray_weights=(1,)), 'gray_weights'),
        (ChannelRandomErasing, dict(prob=2), 'prob'),
        (ChannelRandomErasing, dict(area_range=(0.4, 0.2)), 'area_range'),
        (ChannelRandomErasing, dict(area_range=(0.4, 1.2)), 'area_range'),
        (ChannelRandomErasing, dict(aspect_range=(0, 1)), 'aspect_range'),
        (ChannelRandomErasing, dict(max_tries=0), 'max_tries'),
    ],
)
def test_values_out_of_range(kind, options, message):
    with pytest.raises(ValueError, match=message):
        kind(**options)
