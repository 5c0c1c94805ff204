"""Drawn people to try the service with; nothing of them is stored."""

from functools import lru_cache

import cv2

from mmgl.protocols.modality import MODALITY_NAMES
from mmgl.protocols.sysu import INFRARED_CAMERAS, VISIBLE_CAMERAS

from .answers import Sample

_PERSONS = 4
# Another one than those of the data sets that are trained on.
_SEED = 380
_CAMERAS = (VISIBLE_CAMERAS[0], INFRARED_CAMERAS[0])

SAMPLES = [
    Sample(number=2 * person + modality, person=person + 1, modality=name)
    for person in range(_PERSONS)
    for modality, name in enumerate(MODALITY_NAMES)
]


def listed() -> list[Sample]:
    """List the samples; none where what draws them is not installed."""
    try:
        import mmgl.datasets.synthetic  # noqa: F401
    except ImportError:
        return []
    return SAMPLES


@lru_cache(maxsize=len(SAMPLES))
def draw(number: int) -> bytes:
    """Draw a sample, as a PNG file."""
    from mmgl.datasets.synthetic import Difficulty, get_preset, sysu_image

    person, modality = divmod(number, len(_CAMERAS))
    image = sysu_image(
        _SEED,
        person + 1,
        _CAMERAS[modality],
        1,
        get_preset('sysu', 'mini'),  # type: ignore[arg-type]
        Difficulty(),
    )
    done, data = cv2.imencode('.png', image)
    if not done:
        raise OSError('a sample cannot be encoded as PNG')
    return data.tobytes()
