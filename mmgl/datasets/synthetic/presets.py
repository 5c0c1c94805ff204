"""Sizes and difficulty of the embedded synthetic data set."""

from dataclasses import asdict, dataclass, fields
from typing import NamedTuple

from mmgl.protocols.sysu import INFRARED_CAMERAS, VISIBLE_CAMERAS

GENERATOR_VERSION = 2
LAYOUTS = ('sysu', 'regdb')


@dataclass(frozen=True)
class Difficulty:
    """How hard the identities are to recognise.

    Every field is a multiplier (1 is the tuned default, 0 switches the
    effect off) unless its comment says it is a probability.

    Attributes:
        pose: Walking stride, arm swing and lean.
        view: Spread of the body's heading around the camera's usual views.
        misalign: Error of the person box (shift, scale, rotation).
        crop_rate: Probability that a box loses the feet or the head.
        occlusion_rate: Probability that an object hides the lower body.
        noise: Sensor noise.
        blur: Defocus and motion blur.
        lighting: Exposure, colour cast and shading changes.
        clutter: Contrast of the background.
        ir_texture_rate: Probability that a printed pattern is also seen in
            the infrared (many dyes are transparent there).
        thermal_texture: Contrast of printed patterns in thermal images.
        accessory_drop_rate: Probability that a bag, scarf or hat of the
            identity is missing in an image.
        sameness: 0 draws bodies and prints over their whole range, 1 gives
            everyone the same body and nearly always plain clothes; the
            cuts, bags and hats still differ.
    """

    pose: float = 1.0
    view: float = 1.0
    misalign: float = 1.0
    crop_rate: float = 0.10
    occlusion_rate: float = 0.04
    noise: float = 1.0
    blur: float = 1.0
    lighting: float = 1.0
    clutter: float = 1.0
    ir_texture_rate: float = 0.8
    thermal_texture: float = 0.35
    accessory_drop_rate: float = 0.10
    sameness: float = 0.0

    def __post_init__(self):
        for field in fields(self):
            value = getattr(self, field.name)
            unit = field.name.endswith('_rate') or field.name == 'sameness'
            if not 0 <= value <= (1 if unit else 10):
                top = '1' if unit else '10'
                raise ValueError(
                    f'Difficulty.{field.name}={value!r} must lie in '
                    f'[0, {top}].'
                )

    def to_dict(self):
        """Return the fields as a plain dict, as stored in the manifest."""
        return {key: float(value) for key, value in asdict(self).items()}


class Span(NamedTuple):
    """``total`` images of camera ``camid`` over ids ``start:stop``.

    The ids of a split are numbered from 0 in a drawn order, so an id that
    lies outside every span of a camera was never seen by that camera.
    """

    camid: int
    start: int
    stop: int
    total: int


class SYSUPreset(NamedTuple):
    """Ids, images and crop sizes of one SYSU-MM01 layout."""

    ids: dict
    spans: dict
    height: tuple
    width: tuple
    max_pid: int


class RegDBPreset(NamedTuple):
    """Ids, frames and crop sizes of one RegDB layout."""

    num_ids: int
    frames: int
    height: tuple
    width: tuple
    trials: int = 10


def _spans(counts):
    """Expand (camid, start, stop, images per id) rows into spans."""
    return tuple(Span(c, a, b, (b - a) * n) for c, a, b, n in counts)


_TINY = SYSUPreset(
    ids=dict(train=8, val=4, test=8),
    spans=dict(
        train=_spans(
            [(1, 0, 6, 3), (2, 0, 6, 3), (3, 0, 8, 4)]
            + [(4, 0, 8, 3), (5, 0, 8, 3), (6, 0, 7, 4)]
        ),
        val=_spans(
            [(1, 0, 3, 3), (2, 0, 3, 3), (3, 0, 4, 4)]
            + [(4, 0, 4, 3), (5, 0, 4, 3), (6, 0, 4, 4)]
        ),
        test=_spans(
            [(1, 0, 5, 10), (2, 0, 5, 10), (3, 1, 8, 4)]
            + [(4, 0, 7, 10), (5, 0, 8, 10), (6, 0, 8, 4)]
        ),
    ),
    height=(96, 120),
    width=(42, 54),
    max_pid=24,
)

_MINI = SYSUPreset(
    ids=dict(train=112, val=16, test=40),
    spans=dict(
        train=_spans(
            [(1, 0, 94, 4), (2, 0, 94, 4), (3, 0, 112, 5)]
            + [(4, 0, 110, 4), (5, 0, 112, 4), (6, 0, 104, 5)]
        ),
        val=_spans(
            [(1, 0, 12, 6), (2, 0, 12, 6), (3, 0, 16, 8)]
            + [(4, 0, 16, 6), (5, 0, 16, 6), (6, 0, 15, 8)]
        ),
        test=_spans(
            [(1, 0, 24, 10), (2, 0, 24, 10), (3, 1, 40, 6)]
            + [(4, 0, 39, 10), (5, 1, 40, 10), (6, 0, 40, 6)]
        ),
    ),
    height=(128, 160),
    width=(56, 72),
    max_pid=188,
)

# Ids and images per camera and split are those of SYSU-MM01: 20,284 + 1,974
# visible and 9,929 + 1,980 infrared images to train on, 301 (id, camera)
# pairs in the gallery, 3,803 queries, 2,208 of them valid indoors.
_FULL = SYSUPreset(
    ids=dict(train=296, val=99, test=96),
    spans=dict(
        train=(
            Span(1, 0, 194, 4721),
            Span(2, 0, 195, 5753),
            Span(3, 3, 296, 5929),
            Span(4, 0, 283, 4821),
            Span(5, 2, 296, 4989),
            Span(6, 0, 200, 4000),
        ),
        val=(Span(3, 0, 99, 1980), Span(4, 0, 99, 990), Span(5, 0, 96, 984)),
        test=(
            Span(1, 0, 56, 1374),
            Span(2, 0, 56, 1565),
            Span(3, 2, 56, 1088),
            Span(3, 56, 95, 795),
            Span(4, 0, 94, 1918),
            Span(5, 1, 96, 1918),
            Span(6, 0, 96, 1920),
        ),
    ),
    height=(220, 360),
    width=(84, 138),
    max_pid=533,
)

SYSU_PRESETS = dict(tiny=_TINY, mini=_MINI, full=_FULL)
REGDB_PRESETS = dict(
    tiny=RegDBPreset(12, 10, (96, 120), (42, 54)),
    mini=RegDBPreset(80, 10, (128, 160), (56, 72)),
    full=RegDBPreset(412, 10, (180, 300), (70, 130)),
)


def get_preset(layout, preset):
    """Return the preset of a layout.

    Args:
        layout (str): ``'sysu'`` or ``'regdb'``.
        preset (str): ``'tiny'``, ``'mini'`` or ``'full'``.

    Returns:
        SYSUPreset | RegDBPreset: The sizes.

    Raises:
        ValueError: If the layout or the preset is unknown.
    """
    if layout not in LAYOUTS:
        raise ValueError(f'layout={layout!r}: choose one of {LAYOUTS}.')
    table = SYSU_PRESETS if layout == 'sysu' else REGDB_PRESETS
    if preset not in table:
        raise ValueError(f'preset={preset!r}: choose one of {tuple(table)}.')
    return table[preset]


def preset_counts(layout, preset):
    """Count the ids and images a preset writes, whatever the seed.

    Args:
        layout (str): ``'sysu'`` or ``'regdb'``.
        preset (str): ``'tiny'``, ``'mini'`` or ``'full'``.

    Returns:
        dict: For SYSU, per split ``{ids, visible, infrared, cameras}`` where
        ``cameras`` maps camid to ``{ids, images}``; for RegDB
        ``{ids, visible, infrared, ids_per_split, images_per_list, trials}``.
        Both have ``images``, the grand total.

    Raises:
        ValueError: If the layout or the preset is unknown.
    """
    spec = get_preset(layout, preset)
    if layout == 'regdb':
        images = spec.num_ids * spec.frames
        return dict(
            ids=spec.num_ids,
            visible=images,
            infrared=images,
            ids_per_split=spec.num_ids // 2,
            images_per_list=spec.num_ids // 2 * spec.frames,
            trials=spec.trials,
            images=2 * images,
        )
    counts = {}
    for split, spans in spec.spans.items():
        cameras = {cam: dict(ids=0, images=0) for cam in range(1, 7)}
        for span in spans:
            cameras[span.camid]['ids'] += span.stop - span.start
            cameras[span.camid]['images'] += span.total
        counts[split] = dict(
            ids=spec.ids[split],
            visible=sum(cameras[c]['images'] for c in VISIBLE_CAMERAS),
            infrared=sum(cameras[c]['images'] for c in INFRARED_CAMERAS),
            cameras=cameras,
        )
    counts['images'] = sum(
        counts[split]['visible'] + counts[split]['infrared']
        for split in spec.spans
    )
    return counts
