"""Bags and scarves."""

from .parts import box, limb, trunk
from .skeleton import NECK


def _backpack(parts, person, view):
    look, size = person.materials['bag'], person.bag_size
    body = person.body
    back = -(body.depth + person.loose + 0.035)
    centre, near, scale = view((0.0, 0.69, back))
    half = (
        view.half_width(0.082 * size, 0.05 * size) * scale,
        0.115 * size * scale,
    )
    order = 2.6 if near > 0.0 else 0.5
    parts.append(box(centre, half, look, order))
    if view.cos < -0.1:
        return
    for side in (-1, 1):
        front = body.depth + person.loose
        top, _, _ = view((side * body.shoulder * 0.55, 0.828, front * 0.4))
        low, _, _ = view((side * body.chest * 0.72, 0.66, front))
        parts.append(limb(top, low, (0.012, 0.012), look, 1.6))


def _sling(parts, person, view):
    look = person.materials['bag']
    size, side = person.bag_size, person.bag_side
    body = person.body
    face = 1 if view.cos > 0 else -1
    front = face * (body.depth + person.loose)
    top, _, _ = view((-side * body.shoulder * 0.5, 0.828, front * 0.5))
    low, _, _ = view((side * (body.hip * 0.85), 0.56, front * 0.7))
    parts.append(limb(top, low, (0.010, 0.010), look, 1.7))
    centre, near, scale = view((side * (body.hip + 0.03), 0.5, 0.0))
    half = (
        view.half_width(0.028, 0.075 * size) * scale + 0.01,
        0.058 * size * scale,
    )
    parts.append(box(centre, half, look, 2.4 if near > -0.03 else -2.0))


def _carried(parts, person, points, view):
    """A handbag or a case hangs from a hand."""
    look = person.materials['bag']
    size, side = person.bag_size, person.bag_side
    (x, y), near, scale = view(points[f'hand{side}'])
    large = person.bag == 'case'
    wide, high = (0.09, 0.07) if large else (0.058, 0.05)
    half = (
        view.half_width(0.03, wide * size) * scale + 0.006,
        high * size * scale,
    )
    order = 2.5 if near > -0.03 else -1.4
    drop = 0.02 if large else 0.055
    centre = (x, y + drop + half[1])
    parts.append(box(centre, half, look, order))
    if not large:
        for end in (-0.5, 0.5):
            parts.append(
                limb(
                    (x, y),
                    (x + end * half[0], y + drop + 0.012),
                    (0.006, 0.006),
                    look,
                    order - 0.01,
                )
            )


def _scarf(parts, person, view):
    look = person.materials['scarf']
    levels = [
        (NECK + 0.028, 0.045, 0.047, 0.01),
        (NECK + 0.005, 0.06, 0.058, 0.008),
        (NECK - 0.028, 0.058, 0.056, 0.006),
    ]
    parts.append(trunk(view, levels, look, 2.7))
    if view.cos > -0.2:
        deep = person.body.depth + person.loose
        top, _, _ = view((0.02, NECK - 0.01, deep * 0.8))
        low, _, _ = view((0.028, 0.66, deep))
        parts.append(limb(top, low, (0.02, 0.024), look, 1.9))


def add_accessories(parts, person, points, view, missing):
    """Append bag and scarf to ``parts``.

    Args:
        parts (list[Part]): Extended in place.
        person (Identity): Which accessories, their size and side.
        points (dict): Joints from :func:`skeleton.joints`.
        view (View): Projection.
        missing (tuple[str]): Accessories that are absent in this image.
    """
    if person.scarf and 'scarf' not in missing:
        _scarf(parts, person, view)
    if person.bag == 'none' or 'bag' in missing:
        return
    if person.bag == 'backpack':
        _backpack(parts, person, view)
    elif person.bag == 'sling':
        _sling(parts, person, view)
    else:
        _carried(parts, person, points, view)
