"""Versions of the packages underneath, read without importing them."""

import platform
import re
from contextlib import suppress
from importlib import metadata

from mmgl.version import __version__

# Import name: (distributions that provide it, first good, first bad version).
# The onedl-* distributions are a maintained fork under the same import names.
_MMENGINE = ('mmengine', 'mmengine-lite', 'onedl-mmengine')
REQUIRED = {
    'mmengine': (_MMENGINE, '0.10.7', '1.0.0'),
    'mmcv': (('mmcv-lite', 'mmcv', 'onedl-mmcv'), '2.0.0', '2.4.0'),
    'mmpretrain': (('mmpretrain', 'onedl-mmpretrain'), '1.2.0', '2.0.0'),
}

# What a result may depend on; recorded with it.
RECORDED = (
    *('torch', 'torchvision', 'mmengine', 'mmcv-lite', 'mmpretrain'),
    *('numpy', 'opencv-python', 'scikit-learn'),
)


def package_versions() -> dict[str, str]:
    """Versions to record with a result, of Python and what is installed."""
    found = {'python': platform.python_version(), 'mmgl': __version__}
    for name in RECORDED:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def release(version: str) -> tuple[int, ...]:
    """Return the numbers that a version starts with.

    >>> release('2.11.0rc1+cpu')
    (2, 11, 0)
    """
    numbers = re.match(r'\d+(\.\d+)*', version)
    if not numbers:
        raise ValueError(f'cannot read the version {version!r}')
    return tuple(int(number) for number in numbers[0].split('.'))


def installed_version(import_name: str) -> tuple[str, str] | None:
    """Find distribution and version of one of the required packages."""
    for name in REQUIRED[import_name][0]:
        with suppress(metadata.PackageNotFoundError):
            return name, metadata.version(name)
    return None


def check_versions() -> None:
    """Check mmengine, mmcv and mmpretrain against the supported ranges.

    What is not installed is missed when it is used. An ImportError names the
    package, what was found and the remedy.
    """
    for import_name, (names, low, high) in REQUIRED.items():
        found = installed_version(import_name)
        if found is None:
            continue
        name, version = found
        if not release(low) <= release(version) < release(high):
            raise ImportError(
                f'mmgl needs {import_name} >={low},<{high}, found {name} '
                f'{version}; run: pip install "{names[0]}>={low},<{high}"'
            )
