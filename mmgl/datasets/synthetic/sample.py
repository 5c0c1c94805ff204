"""Draw one image: a person, in a pose, in front of a camera."""

from functools import lru_cache

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from mmgl.protocols.difficulty import Difficulty

from .cameras import REGDB_CAMERAS, SYSU_CAMERAS, Camera, Place
from .figure import build_figure
from .identity import THERMAL, draw_identity
from .parts import Part
from .presets import LLCMPreset, Preset, RegDBPreset, SYSUPreset
from .render import paint
from .scene import background, crop_background
from .sensor import Picture, expose, illuminate, resize
from .skeleton import Point, Pose

Size = tuple[int, int]  # height, width

FRONT, BACK = 0.0, np.pi
_VIEWS = (FRONT, np.pi / 2, BACK, -np.pi / 2)  # as in ``Aim.views``

_identity = lru_cache(maxsize=512)(draw_identity)


def draw_pose(
    rng: Generator,
    camera: Camera,
    difficulty: Difficulty,
    heading: float | None = None,
) -> Pose:
    """Draw how a person walks past, with a usual heading if None."""
    amount = difficulty.pose
    if heading is None:
        pick = np.searchsorted(np.cumsum(camera.aim.views), rng.random())
        heading = _VIEWS[min(int(pick), 3)]
    yaw = heading + difficulty.view * rng.normal(0, 0.28)
    standing = rng.random() < 0.25
    stride = 0.06 if standing else rng.uniform(0.2, 0.48)
    return Pose(
        yaw=yaw,
        phase=rng.uniform(0, 2 * np.pi),
        stride=amount * stride,
        swing=amount * (0.05 if standing else rng.uniform(0.15, 0.5)),
        elbow=0.08 + amount * abs(rng.normal(0, 0.3)),
        spread=0.09 + amount * rng.uniform(-0.02, 0.09),
        lean=amount * rng.normal(0.03, 0.04),
        pitch=camera.aim.pitch + difficulty.view * rng.normal(0, 0.04),
        distance=camera.aim.distance * rng.uniform(0.85, 1.2),
    )


def _place(
    rng: Generator, parts: list[Part], size: Size, difficulty: Difficulty
) -> tuple[float, Point, float]:
    """Choose scale, shift and floor as a person detector would."""
    height, width = size
    outline = np.concatenate([part.outline for part in parts])
    top, bottom = outline[:, 1].min(), outline[:, 1].max()
    wobble = difficulty.misalign
    scale = height * (0.93 + wobble * rng.normal(0, 0.03)) / (bottom - top)
    x = width * (0.5 + wobble * rng.normal(0, 0.045))
    y = height * (0.5 + wobble * rng.normal(0, 0.018))
    if rng.random() < difficulty.crop_rate:
        lost = rng.uniform(0.06, 0.2)
        scale *= 1 + lost
        y += height * lost * (0.5 if rng.random() < 0.8 else -0.3)
    middle = np.median(outline[:, 0])
    shift = (x - middle * scale, y - (top + bottom) / 2 * scale)
    return float(scale), shift, float(bottom * scale + shift[1])


def _shadow(
    canvas: Picture, middle: float, feet: float, scale: float, strength: float
) -> None:
    """Darken the floor under the feet, in place."""
    mask = np.zeros(canvas.shape[:2], np.uint8)
    axes = (int(0.17 * scale), int(0.03 * scale))
    cv2.ellipse(mask, (int(middle), int(feet)), axes, 0, 0, 360, 255, -1)
    soft = cv2.blur(mask, (5, 5)).astype(np.float32) / 255
    canvas *= 1 - np.float32(strength) * soft[..., None]


def _occlude(canvas: Picture, rng: Generator) -> None:
    """Hide part of the lower body behind a dark or light object."""
    height, width = canvas.shape[:2]
    top = int(height * rng.uniform(0.62, 0.82))
    left = int(width * rng.uniform(-0.4, 0.6))
    right = left + int(width * rng.uniform(0.45, 0.8))
    tone = np.float32(rng.uniform(0.1, 0.6))
    canvas[top:, max(left, 0) : max(right, 0)] = tone


def _render(
    seed: int,
    key: tuple[int, int, int],
    camera: Camera,
    preset: Preset,
    difficulty: Difficulty,
    heading: float | None = None,
) -> NDArray[np.uint8]:
    """Draw the image of a key: pid, source and number."""
    size = _size(seed, key, preset)
    rng = np.random.default_rng([seed, 31, *key])
    spectrum = camera.sensor.spectrum
    thermal = spectrum == THERMAL
    pose = draw_pose(rng, camera, difficulty, heading)
    missing = [
        name
        for name in ('bag', 'scarf', 'hat')
        if rng.random() < difficulty.accessory_drop_rate
    ]
    parts = build_figure(_identity(seed, key[0], difficulty), pose, missing)
    # Twice the size and area averaging give smooth edges; large pictures
    # are smooth enough at their own size with anti-aliased polygons.
    zoom = 2 if size[0] <= 200 else 1
    shape = (size[0] * zoom, size[1] * zoom)
    scale, shift, feet = _place(rng, parts, shape, difficulty)
    wide = background(seed, camera.place, spectrum)
    floor = min(feet / shape[0], 1.2)
    canvas = crop_background(wide, rng, shape, floor, difficulty.clutter)
    shade = difficulty.lighting * rng.uniform(-0.22, 0.22)
    if not thermal:
        _shadow(canvas, shift[0], feet, scale, rng.uniform(0.2, 0.6))
    # The unevenness of cloth, or of its temperature.
    folds = resize(rng.standard_normal((14, 7), dtype=np.float32), shape)
    folds = 1 + np.float32(0.12 if thermal else 0.07) * folds[..., 0]
    light = (0.0, 0.25) if thermal else (shade, 0.42)
    paint(canvas, parts, spectrum, scale, shift, light, folds)
    if rng.random() < difficulty.occlusion_rate:
        _occlude(canvas, rng)
    if zoom > 1:
        canvas = resize(canvas, size, cv2.INTER_AREA)
    canvas = illuminate(canvas, camera.sensor, rng, difficulty.lighting)
    return expose(canvas, camera.sensor, rng, difficulty)


def _size(seed: int, key: tuple[int, ...], preset: Preset) -> Size:
    """Draw the height and width of a person box in pixels."""
    rng = np.random.default_rng([seed, 32, *key])
    low, high = preset.height
    height = int(rng.integers(low, high + 1))
    share = (height - low) / max(high - low, 1)
    share = np.clip(0.6 * share + 0.4 * rng.random(), 0, 1)
    low, high = preset.width
    return height, int(round(low + share * (high - low)))


def jpeg_quality(seed: int, *key: int) -> int:
    """Draw the JPEG quality, 72 to 95, of the image of a key."""
    return int(np.random.default_rng([seed, 33, *key]).integers(72, 96))


def sysu_image(
    seed: int,
    pid: int,
    camid: int,
    number: int,
    preset: SYSUPreset,
    difficulty: Difficulty,
) -> NDArray[np.uint8]:
    """Draw image ``number`` (from 1) of a person in the SYSU-MM01 layout.

    The result is (H, W, 3), blue-green-red. No two images of a person share
    a pose or a background, so visible and infrared images are unpaired.
    """
    key, camera = (pid, camid, number), SYSU_CAMERAS[camid]
    return _render(seed, key, camera, preset, difficulty)


def regdb_heading(seed: int, pid: int) -> float:
    """Return the heading of a RegDB sequence: 0 (front) or pi (back)."""
    rng = np.random.default_rng([seed, 34, pid])
    return BACK if rng.random() < 0.5 else FRONT


def regdb_image(
    seed: int,
    pid: int,
    modality: int,
    number: int,
    preset: RegDBPreset,
    difficulty: Difficulty,
) -> NDArray[np.uint8]:
    """Draw frame ``number`` (from 1) of a person in the RegDB layout.

    As :func:`sysu_image`; ``modality`` is 0 for visible, 1 for thermal.
    """
    key, camera = (pid, 10 + modality, number), REGDB_CAMERAS[modality]
    heading = regdb_heading(seed, pid)
    return _render(seed, key, camera, preset, difficulty, heading)


def llcm_image(
    seed: int,
    pid: int,
    source: int,
    number: int,
    preset: LLCMPreset,
    difficulty: Difficulty,
) -> NDArray[np.uint8]:
    """Draw an image by the sensors of SYSU-MM01, at places of its own."""
    modality, camid = divmod(source - _LLCM_SOURCE, _LLCM_SOURCE)
    twins = (3, 6) if modality else (1, 2, 4, 5)
    camera = SYSU_CAMERAS[twins[camid % len(twins)]]
    camera = camera._replace(place=Place(_LLCM_SOURCE + camid, indoor=False))
    key = pid, source, number
    return _render(seed, key, camera, preset, difficulty)


# Apart from the sources of the other layouts.
_LLCM_SOURCE = 20


def llcm_source(modality: int, camid: int) -> int:
    """Number a modality of a camera, from 1 to 9."""
    return _LLCM_SOURCE * (1 + modality) + camid
