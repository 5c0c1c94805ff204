"""RGB-infrared person re-identification and self-supervised pre-training.

Importing the package is cheap: it reads installed versions from their
metadata and loads neither torch nor mmengine. ``mmgl.engine`` and
``mmgl.apis`` load the rest, a Runner built under the scope ``mmgl`` does so
by itself.
"""

from .utils.compat import install_checkpoint_loader_if_imported
from .utils.versions import check_versions
from .version import __version__

check_versions()
install_checkpoint_loader_if_imported()

__all__ = ['__version__']
