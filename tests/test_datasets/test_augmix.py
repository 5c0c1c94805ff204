from collections import Counter

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from mmgl.datasets import Draw, rng_scope
from mmgl.datasets.transforms import AugMix, image_ops
from mmgl.datasets.transforms import augmix as module
from mmgl.utils.images import as_contiguous

SIZE = (48, 24)
FILTERS = {'nearest': Image.NEAREST, 'bilinear': Image.BILINEAR}


def picture(seed=0):
    """Smooth, with all channels different and not of full range."""
    rows, cols = np.mgrid[: SIZE[0], : SIZE[1]] / 7
    phase = np.random.default_rng(seed).random(3) * 6
    waves = [np.sin(rows + p) * np.cos(cols * 1.3 - p) for p in phase]
    return (np.stack(waves, -1) * 90 + 120).astype(np.uint8)


def noise(seed=0):
    return np.random.default_rng(seed).integers(
        0, 256, (*SIZE, 3), dtype=np.uint8
    )


def as_pil(img):
    return Image.fromarray(np.ascontiguousarray(img[..., ::-1]))


def as_array(image):
    return np.asarray(image)[..., ::-1]


def differences(a, b, border=0):
    gap = np.abs(a.astype(int) - b.astype(int))
    return gap[border:-border, border:-border] if border else gap


IMAGES = [
    picture(1),
    noise(1),
    np.full((*SIZE, 3), 77, np.uint8),
    np.zeros((*SIZE, 3), np.uint8),
    noise(2) // 2 + 20,
]


# ---- single operations, against PIL ---------------------------------------


@pytest.mark.parametrize('img', IMAGES, ids=range(len(IMAGES)))
def test_maps_of_levels_are_those_of_pil(img):
    pil = as_pil(img)
    pairs = [
        (image_ops.autocontrast(img), ImageOps.autocontrast(pil)),
        (image_ops.equalize(img), ImageOps.equalize(pil)),
    ]
    pairs += [
        (image_ops.posterize(img, bits), ImageOps.posterize(pil, bits))
        for bits in range(1, 9)
    ]
    pairs += [
        (image_ops.solarize(img, level), ImageOps.solarize(pil, level))
        for level in (0, 1, 128, 180, 255, 256)
    ]
    for ours, theirs in pairs:
        assert ours.dtype == np.uint8
        assert np.array_equal(ours, as_array(theirs))


def test_autocontrast_for_all_ranges():
    ramp = np.arange(0, 256, dtype=np.uint8)
    for low in range(0, 250, 7):
        for high in range(low, 256, 11):
            img = np.stack([ramp.clip(low, high)] * 3, -1)[None]
            assert np.array_equal(
                image_ops.autocontrast(img),
                as_array(ImageOps.autocontrast(as_pil(img))),
            )


@pytest.mark.parametrize('factor', [0.1, 0.37, 0.64, 1.0, 1.4])
@pytest.mark.parametrize('name', module.FURTHER_OPERATIONS)
def test_enhancements_are_those_of_pil(name, factor):
    for img in IMAGES:
        enhance = getattr(ImageEnhance, name.title())(as_pil(img))
        gap = differences(
            getattr(image_ops, name)(img, factor),
            as_array(enhance.enhance(factor)),
        )
        assert gap.max() <= 1


GEOMETRY = {
    'rotate': (
        lambda img, how: image_ops.rotate(img, 7, how),
        lambda pil, how: pil.rotate(7, resample=how),
    ),
    'rotate back': (
        lambda img, how: image_ops.rotate(img, -9, how),
        lambda pil, how: pil.rotate(-9, resample=how),
    ),
}
for axis, cells in {
    'x': (1, 0.08, 0, 0, 1, 0),
    'y': (1, 0, 0, -0.08, 1, 0),
    'both': (0.95, 0.1, 2.3, -0.05, 1.02, -1.7),
}.items():
    GEOMETRY[f'shear {axis}'] = (
        lambda img, how, cells=cells: image_ops.affine(img, cells, how),
        lambda pil, how, cells=cells: pil.transform(
            pil.size, Image.AFFINE, cells, resample=how
        ),
    )


@pytest.mark.parametrize('interpolation', ['nearest', 'bilinear'])
@pytest.mark.parametrize('name', GEOMETRY)
def test_geometry_is_that_of_pil(name, interpolation):
    ours, theirs = GEOMETRY[name]
    img = picture(3)
    one = ours(img, interpolation)
    other = as_array(theirs(as_pil(img), FILTERS[interpolation]))
    # Far from what comes in from outside, whose edge PIL blends otherwise.
    gap = differences(one, other, border=8)
    if interpolation == 'bilinear':
        assert gap.max() <= 3 and gap.mean() < 0.7
    else:
        # Places in the middle of two pixels fall on either side.
        assert (gap > 0).mean() < 0.02
    # Off by one pixel would be far worse.
    assert differences(np.roll(one, 1, 1), other, 8).mean() > 3
    # What is outside is black in both.
    assert ((one == 0).all(-1) == (other == 0).all(-1)).mean() > 0.9


@pytest.mark.parametrize(
    'right, down',
    [(0, 0), (5, 0), (-5, 0), (0, 7), (0, -7), (3, -2), (24, 0), (0, -48)],
)
def test_translation(right, down):
    img = noise(4)
    expected = as_pil(img).transform(
        SIZE[::-1],
        Image.AFFINE,
        (1, 0, -right, 0, 1, -down),
        resample=Image.BILINEAR,
    )
    assert np.array_equal(
        image_ops.translate(img, right, down), as_array(expected)
    )


@pytest.mark.parametrize('count', [1, 2, 3, 4, 5, 7])
@pytest.mark.parametrize('height', [48, 400])
def test_mix(count, height, monkeypatch):
    rng = np.random.default_rng(count)
    images = [
        rng.integers(0, 256, (height, 24, 3), dtype=np.uint8)
        for _ in range(count)
    ]
    weights = rng.dirichlet([1] * count).tolist()
    expected = sum(
        w * i.astype(float) for w, i in zip(weights, images, strict=True)
    )
    for block in (image_ops.BLOCK_BYTES, 1, 5000):
        monkeypatch.setattr(image_ops, 'BLOCK_BYTES', block)
        mixed = image_ops.mix(images, weights)
        assert mixed.dtype == np.uint8
        assert np.abs(mixed - expected).max() <= 0.501


def test_operations_change_no_argument():
    img = noise(5)
    before = img.copy()
    for name in module.OPERATIONS + module.FURTHER_OPERATIONS:
        for forward in (True, False):
            out = module.apply_operation(img, name, 0.3, forward, 'bilinear')
            assert out.shape == img.shape and out.dtype == np.uint8
    assert np.array_equal(img, before)


def test_mirrored_views():
    img = noise(6)
    for view in (
        img,
        img[:, ::-1],
        img[::-1],
        img[::-1, ::-1],
        img[4:, 3:],
        img[4:, 3:][:, ::-1],
        img[..., ::-1],
        img[..., 0],
    ):
        out = as_contiguous(view)
        assert out.flags.c_contiguous and np.array_equal(out, view)


# ---- strengths -------------------------------------------------------------


@pytest.mark.parametrize('strength', [0.01, 0.1, 0.299])
def test_strengths_of_the_paper(strength, monkeypatch):
    """Levels out of ten: 30 degrees, shear 0.3, a third, 4 bits, 256."""
    calls = {}
    for name in ('posterize', 'solarize', 'rotate', 'affine', 'translate'):
        monkeypatch.setattr(
            image_ops,
            name,
            lambda img, *args, name=name: calls.update({name: args}) or img,
        )
    img = noise(7)

    def apply(name, forward=True):
        module.apply_operation(img, name, strength, forward, 'bilinear')

    apply('posterize')
    assert calls['posterize'] == (4 - int(4 * strength),)
    apply('solarize')
    assert calls['solarize'] == (256 - int(256 * strength),)
    for forward, sign in ((True, 1), (False, -1)):
        apply('rotate', forward)
        assert calls['rotate'][0] == sign * int(30 * strength)
        apply('shear_x', forward)
        assert calls['affine'][0][1] == pytest.approx(sign * 0.3 * strength)
        apply('shear_y', forward)
        assert calls['affine'][0][3] == pytest.approx(sign * 0.3 * strength)
        apply('translate_x', forward)
        assert calls['translate'] == (sign * int(8 * strength), 0)
        apply('translate_y', forward)
        assert calls['translate'] == (0, sign * int(16 * strength))


# ---- the mixture -----------------------------------------------------------


def recorded(monkeypatch, options, runs):
    """Operations, chain lengths and weights of many images."""
    operations, chains, weights = [], [], []
    monkeypatch.setattr(
        module,
        'apply_operation',
        lambda img, name, strength, forward, how: (
            operations.append((name, strength, forward)) or img
        ),
    )
    plain = AugMix._chain
    monkeypatch.setattr(
        AugMix,
        '_chain',
        lambda self, img, numbers: (
            chains.append(len(numbers)) or plain(self, img, numbers)
        ),
    )
    monkeypatch.setattr(
        image_ops, 'mix', lambda images, w: weights.append(w) or images[0]
    )
    augmix = AugMix(**options)
    np.random.seed(0)
    for _ in range(runs):
        augmix(dict(img=noise()))
    return operations, chains, np.array(weights)


def test_what_is_drawn(monkeypatch):
    operations, chains, weights = recorded(monkeypatch, {}, 2000)
    assert len(chains) == 6000
    counts = Counter(chains)
    assert set(counts) == {1, 2, 3}
    assert all(1800 < n < 2200 for n in counts.values())
    names = Counter(name for name, _, _ in operations)
    assert set(names) == {
        'autocontrast',
        'equalize',
        'posterize',
        'rotate',
        'solarize',
        'shear_x',
        'shear_y',
        'translate_x',
        'translate_y',
    }
    # About 12,000 operations, 1,333 of each; 5 sigma.
    assert all(1160 < n < 1510 for n in names.values())
    strengths = np.array([strength for _, strength, _ in operations])
    # Uniform from 0.1 to 3, out of ten.
    assert 0.01 <= strengths.min() < 0.011 and 0.299 < strengths.max() <= 0.3
    assert strengths.mean() == pytest.approx(0.155, abs=0.004)
    forward = np.mean([f for _, _, f in operations])
    assert forward == pytest.approx(0.5, abs=0.03)
    # Dirichlet(1, 1, 1) times Beta(1, 1), and the rest for the image.
    assert np.allclose(weights.sum(axis=1), 1)
    share = 1 - weights[:, 0]
    assert share.mean() == pytest.approx(1 / 2, abs=0.03)
    assert share.var() == pytest.approx(1 / 12, abs=0.01)
    rows = weights[:, 1:] / share[:, None]
    assert rows.mean(axis=0) == pytest.approx([1 / 3] * 3, abs=0.03)
    assert rows.var(axis=0) == pytest.approx([1 / 18] * 3, abs=0.01)


def test_options_count(monkeypatch):
    operations, chains, weights = recorded(
        monkeypatch,
        dict(
            mixture_width=2,
            chain_depth=4,
            all_ops=True,
            severity=10,
            alpha=50.0,
        ),
        300,
    )
    assert set(chains) == {4} and len(chains) == 600
    assert weights.shape == (300, 3)
    assert {'color', 'contrast', 'brightness', 'sharpness'} <= {
        name for name, _, _ in operations
    }
    assert 0.99 < max(strength for _, strength, _ in operations) <= 1
    # Nearly even for a large alpha.
    assert np.abs(weights[:, 0] - 0.5).max() < 0.3


def run(augmix, position, img=None):
    with rng_scope(Draw(0, 0, 0, position, 0)):
        return augmix(dict(img=picture() if img is None else img))['img']


def test_follows_the_scope_and_changes_the_image():
    augmix = AugMix()
    out = run(augmix, 0)
    assert out.dtype == np.uint8 and out.shape == (*SIZE, 3)
    assert out.flags.c_contiguous
    assert np.array_equal(out, run(augmix, 0))
    assert not np.array_equal(out, run(augmix, 1))
    mirrored = picture()[:, ::-1]
    assert np.array_equal(
        run(augmix, 5, mirrored), run(augmix, 5, mirrored.copy())
    )
    # A mixture keeps most of the picture: correlation stays high.
    mean = np.mean([run(augmix, i) for i in range(30)], axis=0)
    assert np.corrcoef(mean.ravel(), picture().ravel())[0, 1] > 0.9


def test_keeps_the_image_without_the_chains(monkeypatch):
    monkeypatch.setattr(np.random, 'beta', lambda a, b: 0.0)
    assert np.array_equal(run(AugMix(), 0), picture())


def test_probability():
    augmix = AugMix(prob=0.5)
    changed = sum(
        not np.array_equal(run(augmix, i), picture()) for i in range(200)
    )
    assert 60 < changed < 140
    assert np.array_equal(run(AugMix(prob=0.0), 0), picture())


@pytest.mark.parametrize(
    'options',
    [
        dict(severity=0),
        dict(severity=11),
        dict(mixture_width=0),
        dict(chain_depth=0),
        dict(alpha=0.0),
        dict(prob=1.5),
        dict(interpolation='bicubic'),
    ],
)
def test_bad_options(options):
    with pytest.raises(ValueError, match=f'AugMix.{next(iter(options))}'):
        AugMix(**options)
