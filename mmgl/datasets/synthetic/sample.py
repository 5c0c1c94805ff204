"""Draw one image: a person, in a pose, in front of a camera."""

from functools import lru_cache

import cv2
import numpy as np

from .cameras import BACK, FRONT, LEFT, REGDB_CAMERAS, RIGHT, SYSU_CAMERAS
from .figure import build_figure
from .identity import INFRARED, THERMAL, draw_identity
from .render import paint
from .scene import background, crop_background
from .sensor import expose, illuminate
from .skeleton import Pose

_identity = lru_cache(maxsize=512)(draw_identity)


def draw_pose(rng, camera, difficulty, heading=None):
    """Draw how a person walks past a camera.

    Args:
        rng (np.random.Generator): Source of variation.
        camera (Camera): Usual views, pitch and distance.
        difficulty (Difficulty): ``pose`` and ``view`` are used.
        heading (float | None): Fixed heading in radians instead of a drawn
            one.

    Returns:
        Pose: The pose.
    """
    amount = difficulty.pose
    if heading is None:
        pick = np.searchsorted(np.cumsum(camera.views), rng.random())
        heading = (FRONT, RIGHT, BACK, LEFT)[min(int(pick), 3)]
    yaw = heading + difficulty.view * rng.normal(0, 0.28)
    standing = rng.random() < 0.25
    stride = 0.06 if standing else rng.uniform(0.2, 0.48)
    return Pose(
        yaw=float(yaw),
        phase=float(rng.uniform(0, 2 * np.pi)),
        stride=float(amount * stride),
        swing=float(amount * (0.05 if standing else rng.uniform(0.15, 0.5))),
        elbow=float(0.08 + amount * abs(rng.normal(0, 0.3))),
        spread=float(0.09 + amount * rng.uniform(-0.02, 0.09)),
        lean=float(amount * rng.normal(0.03, 0.04)),
        pitch=float(camera.pitch + difficulty.view * rng.normal(0, 0.04)),
        distance=float(camera.distance * rng.uniform(0.85, 1.2)),
    )


def _place(rng, parts, size, difficulty):
    """Choose scale and shift of the figure, as a person detector would."""
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


def _folds(rng, shape, thermal):
    """Draw the unevenness of cloth (or of its temperature)."""
    height, width = shape
    grid = rng.standard_normal((14, 7), dtype=np.float32)
    folds = cv2.resize(grid, (width, height), interpolation=cv2.INTER_LINEAR)
    return 1 + np.float32(0.12 if thermal else 0.07) * folds


def _shadow(canvas, middle, feet, scale, strength):
    """Darken the floor under the feet, in place."""
    mask = np.zeros(canvas.shape[:2], np.uint8)
    cv2.ellipse(
        mask,
        (int(middle), int(feet)),
        (int(0.17 * scale), int(0.03 * scale)),
        0,
        0,
        360,
        255,
        -1,
    )
    mask = cv2.blur(mask, (5, 5)).astype(np.float32) / 255
    canvas *= 1 - np.float32(strength) * mask[..., None]


def _occlude(canvas, rng):
    """Hide part of the lower body behind a dark or light object."""
    height, width = canvas.shape[:2]
    top = int(height * rng.uniform(0.62, 0.82))
    left = int(width * rng.uniform(-0.4, 0.6))
    right = left + int(width * rng.uniform(0.45, 0.8))
    tone = np.float32(rng.uniform(0.1, 0.6))
    canvas[top:, max(left, 0) : max(right, 0)] = tone


def _missing(rng, rate):
    """Choose the accessories that are absent from one image."""
    return tuple(k for k in ('bag', 'scarf', 'hat') if rng.random() < rate)


def _render(seed, key, person, camera, size, difficulty, heading):
    rng = np.random.default_rng([seed, 31, *key])
    spectrum, (height, width) = camera.spectrum, size
    pose = draw_pose(rng, camera, difficulty, heading)
    missing = _missing(rng, difficulty.accessory_drop_rate)
    parts = build_figure(person, pose, missing)
    # Twice the size and area averaging give smooth edges; large pictures
    # are smooth enough at their own size with anti-aliased polygons.
    zoom = 2 if height <= 200 else 1
    shape = (height * zoom, width * zoom)
    scale, shift, feet = _place(rng, parts, shape, difficulty)
    wide = background(seed, camera.place, camera.indoor, spectrum)
    canvas = crop_background(
        wide, rng, shape, min(feet / shape[0], 1.2), difficulty.clutter
    )
    shade = difficulty.lighting * rng.uniform(-0.22, 0.22)
    if spectrum != THERMAL:
        _shadow(canvas, shift[0], feet, scale, rng.uniform(0.2, 0.6))
    depth = 0.25 if spectrum == THERMAL else 0.42
    folds = _folds(rng, shape, spectrum == THERMAL)
    light = (shade if spectrum != THERMAL else 0.0, depth)
    paint(canvas, parts, spectrum, scale, shift, light, folds)
    if rng.random() < difficulty.occlusion_rate:
        _occlude(canvas, rng)
    if zoom > 1:
        canvas = cv2.resize(
            canvas, (width, height), interpolation=cv2.INTER_AREA
        )
        canvas = canvas.reshape(height, width, -1)
    canvas = illuminate(canvas, camera, rng, difficulty.lighting)
    return expose(canvas, camera, rng, difficulty)


def _size(seed, key, preset):
    """Draw the height and width of a person box in pixels."""
    rng = np.random.default_rng([seed, 32, *key])
    low, high = preset.height
    height = int(rng.integers(low, high + 1))
    share = (height - low) / max(high - low, 1)
    share = np.clip(0.6 * share + 0.4 * rng.random(), 0, 1)
    low, high = preset.width
    return height, int(round(low + share * (high - low)))


def jpeg_quality(seed, key):
    """Draw the JPEG quality of an image, 72 to 95."""
    return int(np.random.default_rng([seed, 33, *key]).integers(72, 96))


def sysu_image(seed, pid, camid, number, preset, difficulty):
    """Draw one image of the SYSU-MM01 layout.

    No two images of a person share a pose or a background, so visible and
    infrared images are unpaired.

    Args:
        seed (int): Seed of the data set.
        pid (int): Raw identity number.
        camid (int): Camera, 1 to 6.
        number (int): 1-based image number inside (pid, camid).
        preset (SYSUPreset): Crop sizes.
        difficulty (Difficulty): Strength of every variation.

    Returns:
        np.ndarray: (H, W, 3) uint8, blue-green-red.
    """
    key = (pid, camid, number)
    person = _identity(seed, pid, difficulty)
    return _render(
        seed,
        key,
        person,
        SYSU_CAMERAS[camid],
        _size(seed, key, preset),
        difficulty,
        None,
    )


def regdb_heading(seed, pid):
    """Return the heading of a RegDB sequence: 0 (front) or pi (back)."""
    rng = np.random.default_rng([seed, 34, pid])
    return BACK if rng.random() < 0.5 else FRONT


def regdb_image(seed, pid, modality, number, preset, difficulty):
    """Draw one image of the RegDB layout.

    Args:
        seed (int): Seed of the data set.
        pid (int): Raw identity number.
        modality (int): 0 visible, 1 thermal.
        number (int): 1-based frame number.
        preset (RegDBPreset): Crop sizes.
        difficulty (Difficulty): Strength of every variation.

    Returns:
        np.ndarray: (H, W, 3) uint8, blue-green-red.
    """
    key = (pid, 10 + modality, number)
    person = _identity(seed, pid, difficulty)
    camera = REGDB_CAMERAS[INFRARED if modality else 0]
    return _render(
        seed,
        key,
        person,
        camera,
        _size(seed, key, preset),
        difficulty,
        regdb_heading(seed, pid),
    )
