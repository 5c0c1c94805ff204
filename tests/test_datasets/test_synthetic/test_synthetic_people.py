"""Identities, poses, textures and single images."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mmgl.datasets import synthetic
from mmgl.datasets.synthetic import (
    Difficulty,
    draw_identity,
    get_preset,
    sysu_image,
)
from mmgl.datasets.synthetic.cameras import SYSU_CAMERAS
from mmgl.datasets.synthetic.figure import build_figure
from mmgl.datasets.synthetic.sample import draw_pose
from mmgl.datasets.synthetic.skeleton import ANKLE, joints
from mmgl.datasets.synthetic.texture import KINDS, Texture, pattern

PLAIN = Difficulty()
STILL = Difficulty(
    view=0, misalign=0, crop_rate=0, occlusion_rate=0, noise=0, blur=0
)


def test_package_needs_neither_torch_nor_mmengine():
    # A new interpreter (about 1 s), without the parent packages.
    folder = str(Path(synthetic.__file__).parent)
    code = (
        'import importlib, sys, types\n'
        'package = types.ModuleType("alone")\n'
        f'package.__path__ = [{folder!r}]\n'
        'sys.modules["alone"] = package\n'
        'importlib.import_module("alone.writer")\n'
        'print([m for m in ("torch", "mmengine", "mmgl.datasets", '
        '"mmgl.registry") if m in sys.modules])\n'
    )
    done = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True
    )
    assert done.stdout.strip() == '[]', done.stderr


def test_colour_is_no_cue_across_modalities():
    names = ('upper', 'lower')
    pairs = []
    for pid in range(600):
        look = draw_identity(0, pid, PLAIN).materials
        for name in names:
            for visible, infrared in zip(*look[name].colours[:2], strict=True):
                pairs.append([*visible, visible.mean(), infrared[0]])
    table = np.corrcoef(np.array(pairs).T)
    # 2400 values, half of them dependent: 3 standard errors are 0.09.
    assert np.abs(table[-1, :-1]).max() < 0.09


def test_identity_depends_on_seed_and_pid():
    first = draw_identity(0, 5, PLAIN)
    assert first.body == draw_identity(0, 5, PLAIN).body
    assert first.body != draw_identity(1, 5, PLAIN).body
    assert first.body != draw_identity(0, 6, PLAIN).body


def test_sameness_removes_body_differences():
    same = Difficulty(sameness=1)
    bodies = {draw_identity(0, pid, same).body for pid in range(20)}
    assert len(bodies) == 1
    kinds = [
        draw_identity(0, pid, same).materials['upper'].texture.kind
        for pid in range(100)
    ]
    assert kinds.count('plain') > 80


def test_infrared_texture_rate_sets_the_contrast():
    def contrast(rate):
        gaps = []
        for pid in range(100):
            person = draw_identity(0, pid, Difficulty(ir_texture_rate=rate))
            first, second = person.materials['upper'].colours[1]
            gaps.append(abs(float(first[0] - second[0])))
        return np.array(gaps)

    assert contrast(1.0).min() > 0.3
    assert contrast(0.0).max() < 0.06


@pytest.mark.parametrize('camid', [1, 3, 5])
def test_skeleton_stands_upright_on_the_floor(camid):
    rng = np.random.default_rng(camid)
    for pid in range(20):
        body = draw_identity(0, pid, PLAIN).body
        pose = draw_pose(rng, SYSU_CAMERAS[camid], PLAIN)
        points = joints(body, pose)
        lowest = min(points['ankle-1'][1], points['ankle1'][1])
        assert lowest == pytest.approx(ANKLE)
        for side in (-1, 1):
            heights = [
                points[f'{name}{side}'][1]
                for name in ('shoulder', 'hip', 'knee', 'ankle')
            ]
            assert heights == sorted(heights, reverse=True)
            bone = np.subtract(points[f'hip{side}'], points[f'knee{side}'])
            expected = (body.leg - ANKLE) / 2
            assert np.linalg.norm(bone) == pytest.approx(expected)


def test_figure_is_finite_and_ordered():
    rng = np.random.default_rng(0)
    for pid in range(60):
        person = draw_identity(0, pid, PLAIN)
        pose = draw_pose(rng, SYSU_CAMERAS[2], PLAIN)
        parts = build_figure(person, pose)
        orders = [part.order for part in parts]
        assert orders == sorted(orders)
        outline = np.concatenate([part.outline for part in parts])
        assert np.isfinite(outline).all()
        # Body heights: upright, about as high as the body, not too wide.
        assert 0.85 < np.ptp(outline[:, 1]) < 1.4
        assert np.ptp(outline[:, 0]) < 1.2


def test_accessories_can_be_left_at_home():
    pose = draw_pose(np.random.default_rng(1), SYSU_CAMERAS[1], STILL, 0.0)
    persons = (draw_identity(0, pid, PLAIN) for pid in range(100))
    person = next(p for p in persons if p.bag == 'backpack')
    with_bag = build_figure(person, pose)
    assert len(with_bag) > len(build_figure(person, pose, ('bag',)))


@pytest.mark.parametrize('kind', KINDS)
def test_pattern_stays_in_range_and_shows_both_colours(kind):
    u, v = np.meshgrid(np.linspace(-0.12, 0.12, 80), np.linspace(0, 0.4, 90))
    tex = Texture(kind, period=0.07, level=0.12, size=0.06)
    weight = pattern(tex, u, v)
    if kind == 'plain':
        assert weight == 0
        return
    assert weight.shape == u.shape
    assert weight.min() >= 0 and weight.max() <= 1
    assert weight.min() < 0.1 and weight.max() > 0.9


def test_stripes_have_the_period_and_direction():
    line = np.arange(0, 0.4, 0.001)
    tex = Texture('stripes', period=0.08)
    across = pattern(tex, np.zeros_like(line), line)
    np.testing.assert_allclose(across[:-80], across[80:], atol=1e-6)
    assert np.ptp(pattern(tex, line, np.zeros_like(line))) < 1e-9


def test_image_is_a_function_of_its_key():
    spec = get_preset('sysu', 'tiny')
    first = sysu_image(0, 3, 1, 1, spec, PLAIN)
    sysu_image(0, 9, 4, 2, spec, PLAIN)
    np.testing.assert_array_equal(first, sysu_image(0, 3, 1, 1, spec, PLAIN))
    other = sysu_image(0, 3, 1, 2, spec, PLAIN)
    assert first.shape != other.shape or (first != other).any()
    other = sysu_image(1, 3, 1, 1, spec, PLAIN)
    assert first.shape != other.shape or (first != other).any()


def test_noise_is_a_knob():
    spec = get_preset('sysu', 'tiny')

    def roughness(noise):
        image = sysu_image(
            0, 3, 6, 1, spec, Difficulty(noise=noise, blur=0)
        ).astype(float)
        return np.abs(np.diff(image[..., 0], axis=1)).mean()

    assert roughness(3) > 1.5 * roughness(0)


@pytest.mark.parametrize(
    'wrong', [dict(noise=-1), dict(crop_rate=1.5), dict(sameness=2)]
)
def test_difficulty_rejects_values_out_of_range(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Difficulty(**wrong)
