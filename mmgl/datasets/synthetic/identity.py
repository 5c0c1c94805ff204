"""What stays the same about a person: body, garments, hair and bags."""

from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from mmgl.protocols.difficulty import Difficulty

from .texture import Texture

# (3,) blue-green-red or (1,) reflectance, in [0, 1].
Colour = NDArray[np.float32]
Pair = tuple[Colour, Colour]
Streams = tuple[Generator, Generator, Generator]

VISIBLE, INFRARED, THERMAL = 0, 1, 2


class Material(NamedTuple):
    """Two colours a spectrum, and the pattern that mixes them in all."""

    colours: tuple[Pair, Pair, Pair]  # visible, infrared, thermal
    texture: Texture = Texture()


class Body(NamedTuple):
    """Body shape in units of body height (half-widths for widths)."""

    shoulder: float
    chest: float
    waist: float
    hip: float
    depth: float
    leg: float
    limb: float
    head: float
    arm: float


class Identity(NamedTuple):
    """Everything that a picture of a person shows whoever takes it."""

    body: Body
    upper: str  # tee, shirt, jacket, coat, hoodie, tank or dress
    lower: str  # trousers, shorts, skirt or long
    hem: float  # how far below the neck the torso garment ends
    loose: float  # extra half-width of the torso garment
    leg_width: float  # half-width factor of trousers
    hair: str  # bald, short, bob, long, tail or bun
    hat: str  # none, cap, beanie or hood
    bag: str  # none, backpack, sling, handbag or case
    scarf: bool
    belt: bool
    open_front: bool
    boots: bool
    bag_side: int  # -1 or 1
    bag_size: float  # factor
    materials: dict[str, Material]


_UPPER = dict(tee=0.24, shirt=0.2, jacket=0.18, coat=0.12) | dict(
    hoodie=0.12, tank=0.06, dress=0.08
)
_HAIR = dict(bald=0.06, short=0.42, bob=0.16, long=0.18, tail=0.12, bun=0.06)
_BAGS = dict(none=0.4, backpack=0.2, sling=0.16, handbag=0.14, case=0.1)
_UPPER_PRINTS = dict(plain=0.2, stripes=0.27, checks=0.1, dots=0.07) | dict(
    two_tone=0.11, band=0.09, logo=0.1, blotches=0.06
)
# Trousers are plainer than shirts, as in a street.
_LOWER_PRINTS = dict(plain=0.5, stripes=0.14, checks=0.07, blotches=0.07) | (
    dict(two_tone=0.1, side=0.12)
)
_OTHER_PRINTS = dict(plain=0.6, stripes=0.2, band=0.2)
_PRINTS = dict(upper=_UPPER_PRINTS, lower=_LOWER_PRINTS)


def _pick(rng: Generator, **weights: float) -> str:
    total = np.cumsum(list(weights.values()))
    share = np.searchsorted(total / total[-1], rng.random())
    return list(weights)[int(share)]


def _draw_body(rng: Generator, spread: float) -> Body:
    def near(low: float, high: float) -> float:
        middle, half = (low + high) / 2, (high - low) / 2
        return middle + spread * half * rng.uniform(-1, 1)

    build = near(-1, 1)
    curve = near(-1, 1)
    return Body(
        shoulder=0.114 + 0.013 * build - 0.008 * curve + near(-0.006, 0.006),
        chest=0.100 + 0.016 * build + near(-0.004, 0.004),
        waist=0.084 + 0.022 * build - 0.007 * curve,
        hip=0.092 + 0.013 * build + 0.008 * curve + near(-0.004, 0.004),
        depth=0.064 + 0.018 * build + near(-0.004, 0.004),
        leg=near(0.455, 0.525),
        limb=1.0 + 0.2 * build + near(-0.08, 0.08),
        head=near(0.061, 0.074),
        arm=near(0.92, 1.08),
    )


def _draw_texture(rng: Generator, garment: str, spread: float) -> Texture:
    if rng.random() > spread:
        return Texture()
    kind = _pick(rng, **_PRINTS.get(garment, _OTHER_PRINTS))
    level = rng.uniform(0.08, 0.17)
    if garment == 'lower':
        level = rng.uniform(0.12, 0.36)
    texture = Texture(
        kind=kind,
        period=rng.uniform(0.042, 0.115),
        angle=float(rng.choice([0, 0, np.pi / 2, np.pi / 4, -np.pi / 4])),
        duty=rng.uniform(0.3, 0.7),
        level=level,
        size=rng.uniform(0.035, 0.09),
    )
    # Unused; without it, all that is drawn next would differ from before.
    rng.random()
    return texture


def _hsv(hue: float, saturation: float, value: float) -> Colour:
    """Convert one colour to blue-green-red in [0, 1]."""
    shifts = (np.array([2.0, 4.0, 0.0]) + hue * 6) % 6
    ramp = np.clip(np.abs(shifts - 3) - 1, 0, 1)
    colour: Colour = value * (1 - saturation + saturation * ramp)
    return colour.astype(np.float32)


def _visible_pair(rng: Generator) -> Pair:
    """Draw two cloth colours that differ visibly in lightness."""
    pair = []
    for _ in range(2):
        grey = rng.random() < 0.4
        saturation = rng.uniform(0, 0.12) if grey else rng.uniform(0.25, 0.72)
        # Blue and red to brown are the usual dyes; any hue may occur.
        hue = _pick(rng, blue=0.4, warm=0.35, any=0.25)
        middle = dict(blue=rng.normal(0.6, 0.05), warm=rng.normal(0.03, 0.05))
        pair.append((middle.get(hue, rng.random()) % 1, saturation))
    dark, light = rng.uniform(0.08, 0.42), rng.uniform(0.58, 0.92)
    first, second = (dark, light) if rng.random() < 0.5 else (light, dark)
    return _hsv(*pair[0], first), _hsv(*pair[1], second)


def _grey_pair(
    rng: Generator, low: float, high: float, contrast: float
) -> Pair:
    """Draw two reflectances that differ by at least ``contrast``."""
    gap = min(contrast * rng.uniform(1.0, 1.5), high - low)
    first = rng.uniform(low, high - gap)
    dark = np.array([first], np.float32)
    light = np.array([first + gap], np.float32)
    return (dark, light) if rng.random() < 0.5 else (light, dark)


def plain_material(
    visible: ArrayLike, infrared: float, thermal: float
) -> Material:
    """Make a material of one colour; ``visible`` is blue, green, red."""
    first, second, third = (
        np.atleast_1d(np.asarray(value, np.float32))
        for value in (visible, infrared, thermal)
    )
    return Material(((first, first), (second, second), (third, third)))


def _draw_cloth(
    streams: Streams, garment: str, difficulty: Difficulty
) -> Material:
    shape, visible, infrared = streams
    texture = _draw_texture(shape, garment, 1 - 0.9 * difficulty.sameness)
    kept = infrared.random() < difficulty.ir_texture_rate
    contrast = 0.33 if kept else 0.03
    return Material(
        (
            _visible_pair(visible),
            _grey_pair(infrared, 0.14, 0.86, contrast),
            _grey_pair(infrared, 0.25, 0.6, 0.35 * difficulty.thermal_texture),
        ),
        texture,
    )


def _draw_shoes(visible: Generator, infrared: Generator) -> Material:
    """Draw shoes: black, brown, white, now and then coloured."""
    value = visible.choice([0.1, 0.16, 0.3, 0.85])
    colour = _hsv(visible.uniform(0.02, 0.1), visible.uniform(0, 0.5), value)
    if visible.random() < 0.2:
        colour = _hsv(visible.random(), 0.5, 0.6)
    return plain_material(colour, infrared.uniform(0.1, 0.85), 0.35)


def _draw_materials(
    streams: Streams, upper: str, difficulty: Difficulty
) -> dict[str, Material]:
    shape, visible, infrared = streams
    materials = {
        name: _draw_cloth(streams, name, difficulty)
        for name in ('upper', 'lower', 'inner', 'bag', 'scarf', 'hat')
    }
    materials['shoes'] = _draw_shoes(visible, infrared)
    # Raglan sleeves contrast with the body.
    materials['sleeve'] = materials['upper']
    if shape.random() < 0.2 and upper in ('tee', 'shirt', 'hoodie'):
        sleeve = _draw_cloth(streams, 'plain', difficulty)
        materials['sleeve'] = sleeve._replace(texture=Texture())
    if upper == 'dress':
        materials['lower'] = materials['upper']
    tone = visible.uniform(0.45, 0.95)
    skin = np.array([0.56, 0.68, 0.9]) * tone
    materials['skin'] = plain_material(skin, infrared.uniform(0.6, 0.72), 0.93)
    hair = _hsv(
        visible.uniform(0.03, 0.11),
        visible.uniform(0.2, 0.6),
        visible.choice([0.1, 0.14, 0.22, 0.4, 0.6]),
    )
    materials['hair'] = plain_material(hair, infrared.uniform(0.2, 0.5), 0.66)
    return materials


def draw_identity(seed: int, pid: int, difficulty: Difficulty) -> Identity:
    """Draw the attributes of one person.

    Shape, visible colour and infrared reflectance come from three
    independent random streams, so that colour tells nothing about how the
    person looks in the other modality. Of the difficulty, ``sameness``,
    ``ir_texture_rate`` and ``thermal_texture`` matter.
    """
    rng, visible, infrared = (
        np.random.default_rng([seed, 11, pid, stream]) for stream in range(3)
    )
    streams, spread = (rng, visible, infrared), 1 - difficulty.sameness
    upper = _pick(rng, **_UPPER)
    lower = _pick(rng, trousers=0.58, shorts=0.18, skirt=0.16, long=0.08)
    lower = 'skirt' if upper == 'dress' else lower
    coat, jacket = rng.uniform(0.46, 0.62), rng.uniform(0.3, 0.38)
    hems = dict(coat=coat, jacket=jacket, hoodie=rng.uniform(0.31, 0.36))
    hem = hems[upper] if upper in hems else rng.uniform(0.3, 0.37)
    hood = 0.2 if upper in ('hoodie', 'coat') else 0.0
    loose = dict(coat=0.018, jacket=0.016, hoodie=0.014).get(upper, 0.004)
    return Identity(
        body=_draw_body(rng, spread),
        upper=upper,
        lower=lower,
        hem=hem,
        loose=loose + spread * rng.uniform(0, 0.012),
        leg_width=1 + spread * rng.uniform(-0.1, 0.55),
        hair=_pick(rng, **_HAIR),
        hat=_pick(rng, none=0.66, cap=0.13, beanie=0.11, hood=hood),
        bag=_pick(rng, **_BAGS),
        scarf=rng.random() < 0.15,
        belt=rng.random() < 0.2,
        open_front=upper in ('jacket', 'coat') and rng.random() < 0.55,
        boots=rng.random() < 0.25,
        bag_side=int(rng.choice([-1, 1])),
        bag_size=rng.uniform(0.85, 1.25),
        materials=_draw_materials(streams, upper, difficulty),
    )
