"""Dress a skeleton: turn an identity and a pose into parts to paint."""

from collections.abc import Collection

import numpy as np

from .identity import Identity
from .parts import Level, Part, Sketch
from .skeleton import ANKLE, NECK, Point, Pose
from .worn import add_accessories, add_head


def _torso_levels(sketch: Sketch, hem: float) -> list[Level]:
    """Return the cross-sections of the torso garment, neck to hem."""
    body, loose = sketch.body, sketch.person.loose
    levels = [
        (NECK, 0.036, 0.036, 0.0),
        (0.836, body.shoulder * 0.62, 0.048, 0.0),
        (0.818, body.shoulder * 0.95, 0.054, 0.0),
        (0.79, body.shoulder * 1.0 + loose * 0.5, body.depth * 0.9, 0.0),
        (0.73, body.chest + loose, body.depth + loose, 0.006),
        (0.62, body.waist + loose, body.depth * 0.92 + loose, 0.004),
        (body.leg + 0.03, body.hip + loose, body.depth + loose, -0.003),
    ]
    kept = [level for level in levels if level[0] > hem + 0.012]
    flare = max(0.0, body.leg - hem)
    width = body.hip + loose + flare * 0.22
    if hem > body.leg + 0.03:
        width = body.waist * 0.5 + body.hip * 0.5 + loose
    return [*kept, (hem, width, body.depth + loose + flare * 0.3, 0.0)]


def _skirt_levels(sketch: Sketch, hem: float) -> list[Level]:
    """Return the cross-sections of a skirt; the knees push it out."""
    body, points = sketch.body, sketch.points
    reach = max(abs(points['knee-1'][2]), abs(points['knee1'][2]))
    drop = body.leg - hem
    flare = 0.10 + 0.25 * (sketch.person.leg_width - 1)
    width = body.hip + flare * drop
    return [
        (0.6, body.waist + 0.003, body.depth * 0.95, 0.0),
        (body.leg + 0.02, body.hip + 0.006, body.depth + 0.006, 0.0),
        (hem, width + 0.01, max(body.depth + flare * drop, reach), 0.0),
    ]


def _between(start: Point, end: Point, share: float) -> Point:
    """Return the point that lies ``share`` of the way to ``end``."""
    return (
        (1 - share) * start[0] + share * end[0],
        (1 - share) * start[1] + share * end[1],
    )


def _add_leg(sketch: Sketch, side: int) -> None:
    """Add thigh, shank and shoe of one side."""
    look, limb, person = sketch.look, sketch.limb, sketch.person
    (hip, _, size), (knee, near, _), (ankle, _, low), (toe, _, _) = (
        sketch.seen(side, 'hip', 'knee', 'ankle', 'toe')
    )
    order = -0.5 + near
    bare = person.lower in ('skirt', 'shorts')
    cloth = look['skin'] if bare else look['lower']
    fit = 1.0 if bare else person.leg_width
    limbs = sketch.body.limb
    thigh, calf = 0.052 * limbs * size, 0.036 * limbs
    if not bare:
        calf *= 0.6 + 0.4 * fit
    foot = 0.023 * (1 if bare else 1.1 * fit)
    skip = np.hypot(knee[0] - hip[0], knee[1] - hip[1]) + 0.1
    limb(knee, ankle, (calf, foot), cloth, order, skip)
    above = 0.0 if person.lower == 'shorts' else 0.1
    limb(hip, knee, (thigh, calf), cloth, order + 0.001, above)
    if person.lower == 'shorts':
        wide = max(calf * 1.25, 0.04) * person.leg_width**0.5
        mid = _between(hip, knee, 0.85)
        limb(hip, mid, (thigh, wide), look['lower'], order + 0.002, 0.1)
    shoe = 0.02 * low
    heel = (ankle[0] * 1.0, ankle[1] + ANKLE * 0.5 * low)
    limb(heel, toe, (shoe, shoe * 0.8), look['shoes'], order + 0.003)
    if person.boots:
        up = _between(ankle, knee, 0.38)
        limb(up, heel, (calf * 0.95, 0.027), look['shoes'], order + 0.002)


def _add_arm(sketch: Sketch, side: int) -> None:
    """Add sleeve, forearm and hand of one side."""
    look, limb, person = sketch.look, sketch.limb, sketch.person
    (top, _, size), (mid, near, _), (wrist, end, _), (hand, _, _) = (
        sketch.seen(side, 'shoulder', 'elbow', 'wrist', 'hand')
    )
    depth = max(near, end)
    order = 2 + depth if depth > -0.03 else -1 + depth
    width = 0.029 * sketch.body.limb * size
    long = person.upper in ('shirt', 'jacket', 'coat', 'hoodie')
    wide = 0.35 * person.loose if long else 0.0
    skin, sleeve = look['skin'], look['sleeve']
    lower = sleeve if long else skin
    upper = skin if person.upper == 'tank' else lower
    skip = float(np.hypot(mid[0] - top[0], mid[1] - top[1]))
    limb(wrist, hand, (width * 0.62, width * 0.55), skin, order)
    widths = (width * 0.86 + wide, width * 0.68 + wide)
    limb(mid, wrist, widths, lower, order + 0.001, skip)
    limb(top, mid, (width + wide, width * 0.88 + wide), upper, order + 0.002)
    if person.upper in ('tee', 'dress'):
        cuff = _between(top, mid, 0.6)
        limb(top, cuff, (width * 1.08, width * 1.22), sleeve, order + 0.003)


def _add_trunk(sketch: Sketch) -> None:
    """Add the pelvis or skirt and the torso garment."""
    look, body, person = sketch.look, sketch.body, sketch.person
    levels = [
        (0.6, body.waist, body.depth * 0.95, 0.0),
        (body.leg + 0.03, body.hip, body.depth, -0.004),
        (body.leg - 0.035, body.hip * 0.96, body.depth * 0.9, 0.0),
    ]
    if person.lower in ('skirt', 'long'):
        hem = 0.13 if person.lower == 'long' else body.leg - 0.17
        levels = _skirt_levels(sketch, hem)
    sketch.trunk(levels, look['lower'], 0.0, sketch.lean)
    panel = (look['inner'], 0.42) if person.open_front else None
    hem = NECK - person.hem
    if person.belt and person.upper in ('tee', 'shirt', 'tank'):
        hem = max(hem, 0.575)
    levels = _torso_levels(sketch, hem)
    sketch.trunk(levels, look['upper'], 1.0, sketch.lean, panel)
    if person.belt:
        low = max(hem, 0.57)
        wide = body.waist + person.loose + 0.004
        deep = body.depth + person.loose + 0.002
        belt = [(low + 0.022, wide, deep, 0.0), (low, wide, deep, 0.0)]
        sketch.trunk(belt, look['shoes'], 1.2, sketch.lean)


def build_figure(
    person: Identity, pose: Pose, missing: Collection[str] = ()
) -> list[Part]:
    """Build the parts of a person in painting order, y down."""
    sketch = Sketch(person, pose, missing)
    for side in (-1, 1):
        _add_leg(sketch, side)
        _add_arm(sketch, side)
    _add_trunk(sketch)
    add_head(sketch)
    add_accessories(sketch)
    return sorted(sketch.parts, key=lambda part: part.order)
