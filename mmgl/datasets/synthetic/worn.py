"""Head, hair and hats; bags and scarves."""

from .identity import plain_material
from .parts import Sketch
from .skeleton import NECK, Point

_EYE = plain_material((0.12, 0.12, 0.14), 0.15, 0.85)


def _face(sketch: Sketch, centre: Point, half: Point) -> None:
    """Add the visible part of the face; none is seen from behind."""
    view = sketch.view
    if view.cos < -0.35:
        return
    ahead = max(view.cos, 0.0)
    shift = view.sin * half[0] * 0.42
    wide = half[0] * (0.5 + 0.36 * ahead)
    x, y = centre[0] + shift, centre[1] + half[1] * 0.2
    sketch.ellipse((x, y), (wide, half[1] * 0.8), sketch.look['skin'], 3.1)
    for side in (-1, 1):
        gap = side * wide * 0.45 * ahead + view.sin * wide * 0.45
        eye = (x + gap, y - half[1] * 0.12)
        size = (half[0] * 0.1, half[1] * 0.06)
        sketch.ellipse(eye, size, _EYE, 3.11, 0.0)


def _hair(sketch: Sketch, centre: Point, half: Point) -> None:
    """Add what hangs below the skull; behind the body seen from front."""
    look, style, view = sketch.look['hair'], sketch.person.hair, sketch.view
    x = centre[0] - view.sin * half[0] * 0.35
    rear = 3.25 if view.cos < 0 else 0.7
    if style in ('bob', 'long'):
        drop = 1.35 if style == 'bob' else 2.9
        top = (x, centre[1] - half[1] * 0.2)
        end = (x - view.sin * 0.01, centre[1] + half[1] * drop)
        wide = half[0] * (1.14 if style == 'bob' else 1.05)
        sketch.limb(top, end, (wide, wide * 0.85), look, rear)
    elif style == 'tail':
        top = (x - view.sin * half[0] * 0.6, centre[1] - half[1] * 0.3)
        end = (top[0] - view.sin * 0.02, centre[1] + half[1] * 1.9)
        sketch.limb(top, end, (half[0] * 0.4, half[0] * 0.22), look, rear)
    elif style == 'bun':
        spot = (x - view.sin * half[0] * 0.75, centre[1] - half[1] * 0.85)
        sketch.ellipse(spot, (half[0] * 0.5,) * 2, look, 2.98)


def _beanie(sketch: Sketch, centre: Point, half: Point) -> None:
    top = (centre[0], centre[1] - half[1] * 0.42)
    size = (half[0] * 1.16, half[1] * 0.72)
    sketch.ellipse(top, size, sketch.look['hat'], 3.5)


def _cap(sketch: Sketch, centre: Point, half: Point) -> None:
    """Add a cap with its brim."""
    look, view = sketch.look['hat'], sketch.view
    x, y = centre[0], centre[1] - half[1] * 0.42
    sketch.ellipse((x, y), (half[0] * 1.12, half[1] * 0.62), look, 3.5)
    if view.cos > -0.6:
        tip = (
            x + view.sin * half[0] * 1.5,
            y + half[1] * (0.35 + 0.15 * max(view.cos, 0)),
        )
        brim = 0.2 + 0.5 * abs(view.cos)
        width = (half[0] * (0.4 + brim), half[0] * brim * 0.6)
        sketch.limb((x, y + half[1] * 0.32), tip, width, look, 3.6)


_HATS = dict(cap=_cap, beanie=_beanie)


def add_head(sketch: Sketch) -> None:
    """Add neck, head, hair and hat."""
    look, view, person = sketch.look, sketch.view, sketch.person
    size, lean = person.body.head, sketch.lean
    hat = 'none' if 'hat' in sketch.missing else person.hat
    neck = [(NECK + 0.045, 0.03, 0.032, 0.012), (NECK - 0.03, 0.034, 0.036, 0)]
    sketch.trunk(neck, look['skin'], 0.9, lean)
    centre, _, scale = view((0.0, 1 - size, lean * 0.45 + 0.018))
    half = (view.half_width(size * 0.72, size * 0.86) * scale, size * scale)
    if hat == 'hood':
        skull = (half[0] * 1.3, half[1] * 1.12)
        sketch.ellipse(centre, skull, look['upper'], 3.0)
    else:
        _hair(sketch, centre, half)
        skull = (half[0] * 1.06, half[1] * 1.04)
        shell = 'skin' if person.hair == 'bald' else 'hair'
        sketch.ellipse(centre, skull, look[shell], 3.0)
    _face(sketch, centre, half)
    if hat in _HATS:
        _HATS[hat](sketch, centre, half)
    if person.upper == 'hoodie' and hat != 'hood':
        spot, _, _ = view((0.0, NECK, lean * 0.35 - 0.035))
        order = 2.9 if view.cos < 0.2 else 0.8
        wide = view.half_width(0.075, 0.05)
        sketch.ellipse(spot, (wide, 0.036), look['upper'], order)


def _backpack(sketch: Sketch) -> None:
    body, view, person = sketch.body, sketch.view, sketch.person
    look, size = sketch.look['bag'], person.bag_size
    front = body.depth + person.loose
    centre, near, scale = view((0.0, 0.69, -(front + 0.035)))
    wide = view.half_width(0.082 * size, 0.05 * size) * scale
    half = (wide, 0.115 * size * scale)
    sketch.box(centre, half, look, 2.6 if near > 0.0 else 0.5)
    if view.cos < -0.1:
        return
    for side in (-1, 1):
        top, _, _ = view((side * body.shoulder * 0.55, 0.828, front * 0.4))
        low, _, _ = view((side * body.chest * 0.72, 0.66, front))
        sketch.limb(top, low, (0.012, 0.012), look, 1.6)


def _sling(sketch: Sketch) -> None:
    body, view, person = sketch.body, sketch.view, sketch.person
    look, size, side = sketch.look['bag'], person.bag_size, person.bag_side
    face = 1 if view.cos > 0 else -1
    front = face * (body.depth + person.loose)
    top, _, _ = view((-side * body.shoulder * 0.5, 0.828, front * 0.5))
    low, _, _ = view((side * (body.hip * 0.85), 0.56, front * 0.7))
    sketch.limb(top, low, (0.010, 0.010), look, 1.7)
    centre, near, scale = view((side * (body.hip + 0.03), 0.5, 0.0))
    wide = view.half_width(0.028, 0.075 * size) * scale + 0.01
    half = (wide, 0.058 * size * scale)
    sketch.box(centre, half, look, 2.4 if near > -0.03 else -2.0)


def _carried(sketch: Sketch) -> None:
    """A handbag or a case hangs from a hand."""
    person, look = sketch.person, sketch.look['bag']
    size = person.bag_size
    [((x, y), near, scale)] = sketch.seen(person.bag_side, 'hand')
    large = person.bag == 'case'
    deep, high = (0.09, 0.07) if large else (0.058, 0.05)
    wide = sketch.view.half_width(0.03, deep * size) * scale + 0.006
    half = (wide, high * size * scale)
    order = 2.5 if near > -0.03 else -1.4
    drop = 0.02 if large else 0.055
    sketch.box((x, y + drop + half[1]), half, look, order)
    if not large:
        for end in (-0.5, 0.5):
            handle = (x + end * half[0], y + drop + 0.012)
            sketch.limb((x, y), handle, (0.006, 0.006), look, order - 0.01)


def _scarf(sketch: Sketch) -> None:
    look, view = sketch.look['scarf'], sketch.view
    levels = [
        (NECK + 0.028, 0.045, 0.047, 0.01),
        (NECK + 0.005, 0.06, 0.058, 0.008),
        (NECK - 0.028, 0.058, 0.056, 0.006),
    ]
    sketch.trunk(levels, look, 2.7)
    if view.cos > -0.2:
        deep = sketch.body.depth + sketch.person.loose
        top, _, _ = view((0.02, NECK - 0.01, deep * 0.8))
        low, _, _ = view((0.028, 0.66, deep))
        sketch.limb(top, low, (0.02, 0.024), look, 1.9)


_BAGS = dict(backpack=_backpack, sling=_sling, handbag=_carried, case=_carried)


def add_accessories(sketch: Sketch) -> None:
    """Add the bag and the scarf, unless they are missing."""
    if sketch.person.scarf and 'scarf' not in sketch.missing:
        _scarf(sketch)
    if sketch.person.bag != 'none' and 'bag' not in sketch.missing:
        _BAGS[sketch.person.bag](sketch)
