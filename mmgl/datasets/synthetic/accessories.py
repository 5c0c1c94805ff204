"""Bags and scarves."""

from .parts import Sketch
from .skeleton import NECK


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
