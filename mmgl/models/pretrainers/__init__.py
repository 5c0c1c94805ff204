from .colorization_pretrainer import ColorizationPretrainer
from .jigsaw_pretrainer import JigsawPretrainer
from .mmgl_pretrainer import MMGLPretrainer
from .pretext_pretrainer import PretextPretrainer
from .psl_pretrainer import PSLPretrainer

__all__ = [
    'ColorizationPretrainer',
    'JigsawPretrainer',
    'MMGLPretrainer',
    'PSLPretrainer',
    'PretextPretrainer',
]
