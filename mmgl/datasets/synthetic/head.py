"""Head, hair and hats."""

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
