"""Dress a skeleton: turn an identity and a pose into parts to paint."""

import numpy as np

from .accessories import add_accessories
from .head import add_head
from .parts import limb, trunk
from .skeleton import ANKLE, NECK, View, joints


def _torso_levels(person, body, hem):
    """Return the cross-sections of the torso garment, neck to hem."""
    loose = person.loose
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
    return kept + [(hem, width, body.depth + loose + flare * 0.3, 0.0)]


def _skirt_levels(person, body, points, hem):
    """Return the cross-sections of a skirt; the knees push it out."""
    reach = max(abs(points['knee-1'][2]), abs(points['knee1'][2]))
    drop = body.leg - hem
    flare = 0.10 + 0.25 * (person.leg_width - 1)
    width = body.hip + flare * drop
    return [
        (0.6, body.waist + 0.003, body.depth * 0.95, 0.0),
        (body.leg + 0.02, body.hip + 0.006, body.depth + 0.006, 0.0),
        (hem, width + 0.01, max(body.depth + flare * drop, reach), 0.0),
    ]


def _between(start, end, share):
    """Return the point that lies ``share`` of the way to ``end``."""
    return tuple(
        (1 - share) * a + share * b for a, b in zip(start, end, strict=True)
    )


def _add_leg(parts, person, points, view, side):
    """Add thigh, shank and shoe of one side."""
    look, body = person.materials, person.body
    (hip, _, size), (knee, near, _), (ankle, _, low), (toe, _, _) = (
        view(points[f'{name}{side}'])
        for name in ('hip', 'knee', 'ankle', 'toe')
    )
    order = -0.5 + near
    bare = person.lower in ('skirt', 'shorts')
    limbs = body.limb
    cloth = look['skin'] if bare else look['lower']
    fit = 1.0 if bare else person.leg_width
    thigh, calf = 0.052 * limbs * size, 0.036 * limbs
    if not bare:
        calf *= 0.6 + 0.4 * fit
    foot = 0.023 * (1 if bare else 1.1 * fit)
    skip = np.hypot(knee[0] - hip[0], knee[1] - hip[1]) + 0.1
    parts.append(limb(knee, ankle, (calf, foot), cloth, order, skip))
    top = look['lower'] if person.lower == 'shorts' else cloth
    if person.lower == 'shorts':
        wide = max(calf * 1.25, 0.04) * person.leg_width**0.5
        mid = _between(hip, knee, 0.85)
        parts.append(limb(hip, knee, (thigh, calf), cloth, order + 0.001))
        parts.append(limb(hip, mid, (thigh, wide), top, order + 0.002, 0.1))
    else:
        parts.append(limb(hip, knee, (thigh, calf), top, order + 0.001, 0.1))
    shoe = 0.02 * low
    heel = (ankle[0] * 1.0, ankle[1] + ANKLE * 0.5 * low)
    parts.append(
        limb(heel, toe, (shoe, shoe * 0.8), look['shoes'], order + 0.003)
    )
    if person.boots:
        up = _between(ankle, knee, 0.38)
        parts.append(
            limb(up, heel, (calf * 0.95, 0.027), look['shoes'], order + 0.002)
        )


def _add_arm(parts, person, points, view, side):
    """Add sleeve, forearm and hand of one side."""
    look, body = person.materials, person.body
    (top, _, size), (mid, near, _), (wrist, end, _), (hand, _, _) = (
        view(points[f'{name}{side}'])
        for name in ('shoulder', 'elbow', 'wrist', 'hand')
    )
    depth = max(near, end)
    order = 2 + depth if depth > -0.03 else -1 + depth
    width = 0.029 * body.limb * size
    long = person.upper in ('shirt', 'jacket', 'coat', 'hoodie')
    extra = 0.35 * person.loose
    skin, sleeve = look['skin'], look['sleeve']
    lower = sleeve if long else skin
    wide = extra if long else 0.0
    skip = float(np.hypot(mid[0] - top[0], mid[1] - top[1]))
    parts.append(limb(wrist, hand, (width * 0.62, width * 0.55), skin, order))
    parts.append(
        limb(
            mid,
            wrist,
            (width * 0.86 + wide, width * 0.68 + wide),
            lower,
            order + 0.001,
            skip,
        )
    )
    upper = skin if person.upper == 'tank' else lower
    parts.append(
        limb(
            top, mid, (width + wide, width * 0.88 + wide), upper, order + 0.002
        )
    )
    if person.upper in ('tee', 'dress'):
        cuff = _between(top, mid, 0.6)
        parts.append(
            limb(
                top, cuff, (width * 1.08, width * 1.22), sleeve, order + 0.003
            )
        )


def _add_trunk(parts, person, points, view, lean):
    """Add the pelvis or skirt and the torso garment."""
    look, body = person.materials, person.body
    if person.lower in ('skirt', 'long'):
        hem = 0.13 if person.lower == 'long' else body.leg - 0.17
        levels = _skirt_levels(person, body, points, hem)
    else:
        levels = [
            (0.6, body.waist, body.depth * 0.95, 0.0),
            (body.leg + 0.03, body.hip, body.depth, -0.004),
            (body.leg - 0.035, body.hip * 0.96, body.depth * 0.9, 0.0),
        ]
    parts.append(trunk(view, levels, look['lower'], 0.0, lean))
    panel = (look['inner'], 0.42) if person.open_front else None
    hem = NECK - person.hem
    if person.belt and person.upper in ('tee', 'shirt', 'tank'):
        hem = max(hem, 0.575)
    levels = _torso_levels(person, body, hem)
    parts.append(trunk(view, levels, look['upper'], 1.0, lean, panel))
    if person.belt:
        low = max(hem, 0.57)
        belt = [
            (
                low + dy,
                body.waist + person.loose + 0.004,
                body.depth + person.loose + 0.002,
                0.0,
            )
            for dy in (0.022, 0.0)
        ]
        parts.append(trunk(view, belt, look['shoes'], 1.2, lean))


def build_figure(person, pose, missing=()):
    """Build the parts of one person in one pose.

    Args:
        person (Identity): Shape, garments and accessories.
        pose (Pose): Pose and viewpoint.
        missing (tuple[str]): Accessories left at home: ``bag``, ``scarf``,
            ``hat``.

    Returns:
        list[Part]: Parts in painting order, in the picture plane with y
        down, in body heights.
    """
    view = View(pose)
    points = joints(person.body, pose)
    parts = []
    for side in (-1, 1):
        _add_leg(parts, person, points, view, side)
        _add_arm(parts, person, points, view, side)
    _add_trunk(parts, person, points, view, pose.lean)
    hat = 'none' if 'hat' in missing else person.hat
    add_head(parts, person, view, pose.lean, hat)
    add_accessories(parts, person, points, view, missing)
    return sorted(parts, key=lambda part: part.order)
