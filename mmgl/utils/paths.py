"""Where the configs and tools that come with the package are."""

from pathlib import Path

import mmgl


def _shipped(name: str) -> Path:
    """Return a folder of the source tree, or of an installed wheel."""
    package = Path(mmgl.__file__).resolve().parent
    candidates = (package.parent / name, package / '.mim' / name)
    for folder in candidates:
        # Another project's configs/ may lie beside an installed package.
        source_tree = (package.parent / 'setup.py').is_file()
        if folder.is_dir() and (source_tree or folder != candidates[0]):
            return folder
    raise FileNotFoundError(
        f'the folder {name!r} of mmgl is neither {candidates[0]} nor '
        f'{candidates[1]}; install the package again from its source.'
    )


def config_dir() -> Path:
    """Return the folder of the shipped configs.

    Raises:
        FileNotFoundError: If the installation lacks them.
    """
    return _shipped('configs')


def tool_dir() -> Path:
    """Return the folder of the shipped tools.

    Raises:
        FileNotFoundError: If the installation lacks them.
    """
    return _shipped('tools')
