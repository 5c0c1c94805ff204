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
    if name in MODULES:
        return find_spec(MODULES[name]) is not None
    try:
        return bool(version(name))
    except PackageNotFoundError:
        return False


def missing(folder: Path) -> list[str]:
    """List the packages of a folder, if there is one, not installed."""
    wheels = sorted(path.name for path in folder.glob('*.whl'))
    names = [wheel.split('-')[0].lower() for wheel in wheels]
    return [name for name in names if not is_there(name)]


if __name__ == '__main__':
    print(' '.join(missing(Path(sys.argv[1]))))
