"""RGB-infrared person re-identification and self-supervised pre-training.

Importing the package is cheap: it reads installed versions from their
metadata and loads neither torch nor mmengine before one of the names below
is used. ``mmgl.engine`` and ``mmgl.apis`` load the rest, a Runner built under
the scope ``mmgl`` does so by itself.

Example:
    >>> import mmgl
    >>> mmgl.list_configs('finetune/agw_r18*synthetic')
    ['finetune/agw_r18-narrow_synthetic']
    >>> model = mmgl.build_model('finetune/agw_r18-narrow_synthetic')
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .utils.compat import know_own_configs
from .utils.errors import missing_packages
from .utils.versions import check_versions
from .version import __version__

if TYPE_CHECKING:
    from .apis.inference import Embedder
    from .apis.models import build_model, get_config
    from .apis.scoring import evaluate_features
    from .checkpoints.whole import load_checkpoint
    from .config.shipped import list_configs
    from .gallery.gallery import Gallery

# Where the names of the face are, for whoever asks for one.
_LAZY = {
    'Embedder': 'mmgl.apis.inference',
    'Gallery': 'mmgl.gallery.gallery',
    'build_model': 'mmgl.apis.models',
    'evaluate_features': 'mmgl.apis.scoring',
    'get_config': 'mmgl.apis.models',
    'list_configs': 'mmgl.config.shipped',
    'load_checkpoint': 'mmgl.checkpoints.whole',
}

__all__ = [
    'Embedder',
    'Gallery',
    '__version__',
    'build_model',
    'evaluate_features',
    'get_config',
    'list_configs',
    'load_checkpoint',
]

check_versions()
know_own_configs(load=False)


def __getattr__(name: str) -> Any:
    """Import a name of the face when it is used (PEP 562)."""
    if name not in _LAZY:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    with missing_packages(f'mmgl.{name}'):
        return getattr(import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    """List the face too, of which nothing may be imported yet."""
    return sorted({*globals(), *__all__})
