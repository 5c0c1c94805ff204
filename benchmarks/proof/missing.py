"""Print the packages of a folder of wheels that this interpreter lacks.

Runs before anything is installed: nothing but the standard library.
"""

import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

# Packages that others replace, and the module that tells.
MODULES = {'opencv_python_headless': 'cv2', 'mmcv_lite': 'mmcv'}


def is_there(name: str) -> bool:
    """Tell whether a package, or one that replaces it, is installed."""
    module = MODULES.get(name)
    if module is not None:
        return find_spec(module) is not None
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True


def missing(folder: Path) -> list[str]:
    """List the packages that are in a folder and not installed.

    Args:
        folder: With wheels; it may be missing.

    Returns:
        Their names.
    """
    names = sorted(
        path.name.split('-')[0].lower() for path in folder.glob('*.whl')
    )
    return [name for name in names if not is_there(name)]


if __name__ == '__main__':
    print(' '.join(missing(Path(sys.argv[1]))))
