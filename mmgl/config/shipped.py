"""The configs that come with the package, by name."""

from fnmatch import fnmatch
from pathlib import Path

from mmgl.utils.paths import config_dir

SCOPE = 'mmgl::'
# Folder of the leaves; the rest are parts of them.
LEAVES = 'mmgl'


def list_configs(pattern: str = '*') -> list[str]:
    """List the shipped configs whose name matches, such as '*agw*_regdb'.

    A name is a folder and a stem: ``finetune/agw_r50_64-81e_regdb``.
    """
    root = config_dir() / LEAVES
    names = (
        path.relative_to(root).with_suffix('').as_posix()
        for path in root.rglob('*.py')
    )
    return sorted(name for name in names if fnmatch(name, pattern))


def find_config(name: str | Path) -> Path | None:
    """Find a config: a file, or the name of a shipped one in any form.

    ``mmgl::``, the folders in front and ``.py`` may be left out.
    """
    if Path(name).is_file():
        return Path(name)
    short = str(name).removeprefix(SCOPE).removesuffix('.py')
    short = short.removeprefix('configs/')
    for folder in (config_dir(), config_dir() / LEAVES):
        if (path := folder / f'{short}.py').is_file():
            return path
    found = [one for one in list_configs(f'*/{short}') if '/' not in short]
    return config_dir() / LEAVES / f'{found[0]}.py' if found else None
