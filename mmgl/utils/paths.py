"""Where the configs and tools that come with the package are."""

from pathlib import Path

import mmgl


def _shipped(name: str) -> Path:
    """Return a folder of the source tree, or of an installed wheel."""
    package = Path(mmgl.__file__).resolve().parent
    source, wheel = package.parent / name, package / '.mim' / name
    # Another project's configs/ may lie beside an installed package.
    if source.is_dir() and (package.parent / 'setup.py').is_file():
        return source
    if wheel.is_dir():
        return wheel
    raise FileNotFoundError(
        f'the folder {name!r} of mmgl is neither {source} nor {wheel}; '
        'install the package again from its source.'
    )


def config_dir() -> Path:
    """Return the folder of the shipped configs."""
    return _shipped('configs')


def tool_dir() -> Path:
    """Return the folder of the shipped tools."""
    return _shipped('tools')
