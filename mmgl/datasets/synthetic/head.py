"""Head, hair and hats."""

from .identity import plain_material
from .parts import ellipse, limb, trunk
from .skeleton import NECK

_EYE = plain_material((0.12, 0.12, 0.14), 0.15, 0.85)


def _face(parts, look, centre, half, view, order):
    """Add the visible part of the face; none is seen from behind."""
    if view.cos < -0.35:
        return
    ahead = max(view.cos, 0.0)
    shift = view.sin * half[0] * 0.42
    wide = half[0] * (0.5 + 0.36 * ahead)
    middle = (centre[0] + shift, centre[1] + half[1] * 0.2)
    parts.append(ellipse(middle, (wide, half[1] * 0.8), look['skin'], order))
    for side in (-1, 1):
        gap = side * wide * 0.45 * ahead + view.sin * wide * 0.45
        eye = (middle[0] + gap, middle[1] - half[1] * 0.12)
        parts.append(
            ellipse(
                eye, (half[0] * 0.1, half[1] * 0.06), _EYE, order + 0.01, 0.0
            )
        )


def _hair(parts, person, centre, half, view, order):
    """Add what hangs below the skull; behind the body seen from front."""
    look, style = person.materials['hair'], person.hair
    x = centre[0] - view.sin * half[0] * 0.35
    rear = 3.25 if view.cos < 0 else 0.7
    if style in ('bob', 'long'):
        drop = 1.35 if style == 'bob' else 2.9
        top = (x, centre[1] - half[1] * 0.2)
        end = (x - view.sin * 0.01, centre[1] + half[1] * drop)
        wide = half[0] * (1.14 if style == 'bob' else 1.05)
        parts.append(limb(top, end, (wide, wide * 0.85), look, rear))
    elif style == 'tail':
        top = (x - view.sin * half[0] * 0.6, centre[1] - half[1] * 0.3)
        end = (top[0] - view.sin * 0.02, centre[1] + half[1] * 1.9)
        parts.append(
            limb(top, end, (half[0] * 0.4, half[0] * 0.22), look, rear)
        )
    elif style == 'bun':
        spot = (x - view.sin * half[0] * 0.75, centre[1] - half[1] * 0.85)
        parts.append(ellipse(spot, (half[0] * 0.5,) * 2, look, order - 0.02))


def _hat(parts, person, hat, centre, half, view):
    """Add a cap with its brim, or a beanie."""
    look = person.materials['hat']
    top = (centre[0], centre[1] - half[1] * 0.42)
    if hat == 'beanie':
        parts.append(ellipse(top, (half[0] * 1.16, half[1] * 0.72), look, 3.5))
    elif hat == 'cap':
        parts.append(ellipse(top, (half[0] * 1.12, half[1] * 0.62), look, 3.5))
        tip = (
            top[0] + view.sin * half[0] * 1.5,
            top[1] + half[1] * (0.35 + 0.15 * max(view.cos, 0)),
        )
        base = (top[0], top[1] + half[1] * 0.32)
        brim = 0.2 + 0.5 * abs(view.cos)
        if view.cos > -0.6:
            parts.append(
                limb(
                    base,
                    tip,
                    (half[0] * (0.4 + brim), half[0] * brim * 0.6),
                    look,
                    3.6,
                )
            )


def add_head(parts, person, view, lean, hat):
    """Append neck, head, hair and hat to ``parts``.

    Args:
        parts (list[Part]): Extended in place.
        person (Identity): Head size, hair and materials.
        view (View): Projection.
        lean (float): Forward lean of the trunk.
        hat (str): Hat worn in this image.
    """
    look, size = person.materials, person.body.head
    neck = [(NECK + 0.045, 0.03, 0.032, 0.012), (NECK - 0.03, 0.034, 0.036, 0)]
    parts.append(trunk(view, neck, look['skin'], 0.9, lean))
    ahead = lean * 0.45 + 0.018
    centre, _, scale = view((0.0, 1 - size, ahead))
    half = (view.half_width(size * 0.72, size * 0.86) * scale, size * scale)
    hooded = hat == 'hood'
    shell = look['upper'] if hooded else look['hair']
    if person.hair == 'bald' and not hooded:
        shell = look['skin']
    grow = 1.3 if hooded else 1.06
    if not hooded:
        _hair(parts, person, centre, half, view, 3.0)
    skull = (half[0] * grow, half[1] * (1.12 if hooded else 1.04))
    parts.append(ellipse(centre, skull, shell, 3.0))
    _face(parts, look, centre, half, view, 3.1)
    if hat in ('cap', 'beanie'):
        _hat(parts, person, hat, centre, half, view)
    if person.upper == 'hoodie' and not hooded:
        spot, _, _ = view((0.0, NECK, lean * 0.35 - 0.035))
        order = 2.9 if view.cos < 0.2 else 0.8
        wide = view.half_width(0.075, 0.05)
        parts.append(ellipse(spot, (wide, 0.036), look['upper'], order))
