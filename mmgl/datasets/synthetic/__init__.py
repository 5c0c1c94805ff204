"""An embedded data set of drawn people in the layouts of the real sets.

Plain numpy and OpenCV: identities, poses, cameras, sensors and split files,
deterministic to the byte for a seed. See ``docs/synthetic_data.md``.
"""

from mmgl.protocols.difficulty import Difficulty

from .identity import Identity, draw_identity
from .presets import GENERATOR_VERSION, get_preset, preset_counts
from .sample import regdb_image, sysu_image
from .writer import write_llcm, write_regdb, write_sysu

__all__ = [
    'GENERATOR_VERSION',
    'Difficulty',
    'Identity',
    'draw_identity',
    'get_preset',
    'preset_counts',
    'regdb_image',
    'sysu_image',
    'write_llcm',
    'write_regdb',
    'write_sysu',
]
