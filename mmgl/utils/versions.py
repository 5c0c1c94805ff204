"""Versions of the packages underneath, read without importing them."""

import platform
from importlib import metadata

from mmgl.version import __version__

# Import name: (distributions that provide it, first good, first bad version).
# The onedl-* distributions are a maintained fork under the same import names.
REQUIRED = {
    'mmengine': (
        ('mmengine', 'mmengine-lite', 'onedl-mmengine'),
        '0.10.7',
        '1.0.0',
    ),
    'mmcv': (('mmcv-lite', 'mmcv', 'onedl-mmcv'), '2.0.0', '2.4.0'),
    'mmpretrain': (('mmpretrain', 'onedl-mmpretrain'), '1.2.0', '2.0.0'),
}

# What a result may depend on; recorded with it.
RECORDED = (
    'torch',
    'torchvision',
    'mmengine',
    'mmcv-lite',
    'mmpretrain',
    'numpy',
    'opencv-python',
    'scikit-learn',
)


def package_versions() -> dict[str, str]:
    """Versions to record with a result.

    Returns:
        Version of Python, this package and those of ``RECORDED`` that are
        installed.
    """
    found = {'python': platform.python_version(), 'mmgl': __version__}
    for name in RECORDED:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def release(version: str) -> tuple[int, ...]:
    """Return the numeric release of a version: ``'2.11.0+cpu'`` -> (2, 11, 0).

    Args:
        version: Version as in the metadata of a distribution.

    Returns:
        Leading whole numbers of its dot-separated parts, at least one.

    Raises:
        ValueError: If the version starts with no number.
    """
    numbers = []
    for part in version.split('+')[0].split('.'):
        digits = ''
        for character in part:
            if not character.isdigit():
                break
            digits += character
        if not digits:
            break
        numbers.append(int(digits))
        if digits != part:
            break
    if not numbers:
        raise ValueError(f'cannot read the version {version!r}')
    return tuple(numbers)


def installed_version(import_name: str) -> tuple[str, str] | None:
    """Find which distribution provides one of the required packages.

    Args:
        import_name: Key of ``REQUIRED``.

    Returns:
        Distribution name and its version, or None if none is installed.
    """
    for name in REQUIRED[import_name][0]:
        try:
            return name, metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return None


def check_versions() -> None:
    """Check mmengine, mmcv and mmpretrain against the supported ranges.

    Raises:
        ImportError: Naming the package, what was found and the remedy.
    """
    for import_name, (names, low, high) in REQUIRED.items():
        remedy = f'run: pip install "{names[0]}>={low},<{high}"'
        found = installed_version(import_name)
        if found is None:
            raise ImportError(
                f'mmgl needs {import_name} (any of {", ".join(names)}), '
                f'which is not installed; {remedy}'
            )
        name, version = found
        if not release(low) <= release(version) < release(high):
            raise ImportError(
                f'mmgl needs {import_name} >={low},<{high}, found {name} '
                f'{version}; {remedy}'
            )
