"""Sizes of the embedded synthetic data set."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from mmgl.protocols.llcm import CAMERAS
from mmgl.protocols.sysu import ALL_CAMERAS, INFRARED_CAMERAS, VISIBLE_CAMERAS

GENERATOR_VERSION = 2


class Span(NamedTuple):
    """``total`` images of a camera over ids ``start:stop`` of a split."""

    camid: int
    start: int
    stop: int
    total: int


class SYSUPreset(NamedTuple):
    """Ids, images and crop sizes, lowest to highest, as in SYSU-MM01."""

    ids: dict[str, int]
    spans: dict[str, tuple[Span, ...]]
    height: tuple[int, int]
    width: tuple[int, int]
    max_pid: int


class RegDBPreset(NamedTuple):
    """Ids, frames and crop sizes as in RegDB."""

    num_ids: int
    frames: int
    height: tuple[int, int]
    width: tuple[int, int]
    trials: int = 10


class LLCMPreset(NamedTuple):
    """Ids and crop sizes; three cameras see a person ``images`` times."""

    ids: dict[str, int]
    images: int
    height: tuple[int, int]
    width: tuple[int, int]
    max_pid: int

    def cameras_of(self, place: int) -> dict[int, list[int]]:
        """Cameras, by modality, of the person at a place of its half."""
        seen = sorted((place + step) % 9 + 1 for step in (0, 2, 5))
        return {m: [c for c in seen if c in CAMERAS[m]] for m in CAMERAS}


Preset = SYSUPreset | RegDBPreset | LLCMPreset


def _spans(
    visible: int,
    infrared: int,
    stops: tuple[int, ...],
    starts: tuple[int, ...] = (0,) * 6,
) -> tuple[Span, ...]:
    """Give every id that cameras 1 to 6 saw the same number of images."""
    spans = []
    for camid, start, stop in zip(ALL_CAMERAS, starts, stops, strict=True):
        images = infrared if camid in INFRARED_CAMERAS else visible
        spans.append(Span(camid, start, stop, (stop - start) * images))
    return tuple(spans)


_TINY = SYSUPreset(
    ids=dict(train=8, val=4, test=8),
    spans=dict(
        train=_spans(3, 4, (6, 6, 8, 8, 8, 7)),
        val=_spans(3, 4, (3, 3, 4, 4, 4, 4)),
        test=_spans(10, 4, (5, 5, 8, 7, 8, 8), (0, 0, 1, 0, 0, 0)),
    ),
    height=(96, 120),
    width=(42, 54),
    max_pid=24,
)

_MINI = SYSUPreset(
    ids=dict(train=112, val=16, test=40),
    spans=dict(
        train=_spans(4, 5, (94, 94, 112, 110, 112, 104)),
        val=_spans(6, 8, (12, 12, 16, 16, 16, 15)),
        test=_spans(10, 6, (24, 24, 40, 39, 40, 40), (0, 0, 1, 0, 1, 0)),
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
LLCM_PRESETS = dict(
    tiny=LLCMPreset(dict(train=6, test=5), 3, (96, 120), (42, 54), 20),
    mini=LLCMPreset(dict(train=112, test=40), 5, (128, 160), (56, 72), 160),
    full=LLCMPreset(dict(train=713, test=351), 7, (180, 300), (70, 130), 1064),
)
_PRESETS: Mapping[str, Mapping[str, Preset]] = dict(
    sysu=SYSU_PRESETS, regdb=REGDB_PRESETS, llcm=LLCM_PRESETS
)


def get_preset(layout: str, preset: str) -> Preset:
    """Return the sizes of ``'tiny'``, ``'mini'`` or ``'full'``."""
    if layout not in _PRESETS:
        raise ValueError(
            f'layout={layout!r}: choose one of {tuple(_PRESETS)}.'
        )
    table = _PRESETS[layout]
    if preset not in table:
        raise ValueError(f'preset={preset!r}: choose one of {tuple(table)}.')
    return table[preset]


def preset_counts(layout: str, preset: str) -> dict[str, Any]:
    """Count the ids and images a preset writes, whatever the seed.

    For SYSU, per split ``{ids, visible, infrared, cameras}`` where
    ``cameras`` maps camid to ``{ids, images}``; for RegDB
    ``{ids, visible, infrared, ids_per_split, images_per_list, trials}``.
    For LLCM, per half ``{ids, visible, infrared}``. All have ``images``, the
    grand total.

    >>> preset_counts('regdb', 'full')['images']
    8240
    """
    spec = get_preset(layout, preset)
    if isinstance(spec, RegDBPreset):
        images, half = spec.num_ids * spec.frames, spec.num_ids // 2
        return dict(
            ids=spec.num_ids,
            visible=images,
            infrared=images,
            ids_per_split=half,
            images_per_list=half * spec.frames,
            trials=spec.trials,
            images=2 * images,
        )
    counts: dict[str, Any] = {}
    for split, ids in spec.ids.items():
        if isinstance(spec, LLCMPreset):
            seen = [spec.cameras_of(place) for place in range(ids)]
            visible, infrared = (
                spec.images * sum(len(taken[m]) for taken in seen)
                for m in CAMERAS
            )
            counts[split] = dict(ids=ids, visible=visible, infrared=infrared)
            continue
        cameras = {cam: dict(ids=0, images=0) for cam in ALL_CAMERAS}
        for camid, start, stop, total in spec.spans[split]:
            cameras[camid]['ids'] += stop - start
            cameras[camid]['images'] += total
        visible = sum(cameras[c]['images'] for c in VISIBLE_CAMERAS)
        infrared = sum(cameras[c]['images'] for c in INFRARED_CAMERAS)
        counts[split] = dict(
            ids=ids, visible=visible, infrared=infrared, cameras=cameras
        )
    parts = counts.values()
    images = sum(part['visible'] + part['infrared'] for part in parts)
    return dict(counts, images=images)
