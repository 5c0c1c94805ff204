"""Config files: what can be wrong with one before it is a config."""

import ast
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmgl.utils.errors import ConfigError, one_line

from .keys import LOADERS, TOP_KEYS, VARIABLES
from .overrides import real_key
from .shipped import SCOPE, find_config

BASE = '_base_'
# Read by mmengine where a file says so.
_OF_FILES = {BASE, 'custom_imports'}


def read_config_file(path: Path) -> Config:
    """Read a config file, which is a Python program, with its bases.

    Raises:
        ConfigError: If it, or one of its bases, is missing or broken.
    """
    tree = _check_bases(path)
    try:
        # Lazy configs take imports for components; ours have no imports.
        cfg = Config.fromfile(str(path), lazy_import=False)
    except (Exception, SystemExit) as error:  # It is a program.
        raise ConfigError(f'config {path}: {one_line(error)}') from error
    _refuse_idle(tree, cfg, path)
    return cfg


def _parse(path: Path) -> ast.Module:
    """Read the text of a config file."""
    if path.suffix != '.py':
        raise ConfigError(f'config {path}: only Python files (.py) are read')
    try:
        return ast.parse(path.read_text(encoding='utf-8'), str(path))
    except UnicodeDecodeError:
        problem = 'it is no text in UTF-8'
    except OSError as error:
        problem = error.strerror or str(error)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        problem = f'{type(error).__name__}: {error}'
    raise ConfigError(f'config {path}: {problem}')


def _bases_of(tree: ast.Module) -> list[Any]:
    """Return the bases that a file names as plain text."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and _names(node.targets) == {BASE}:
            try:
                value = ast.literal_eval(node.value)
            except (ValueError, TypeError):
                return []  # An expression, which mmengine evaluates.
            return list(value) if isinstance(value, list | tuple) else [value]
    return []


def _check_bases(path: Path, above: Sequence[Path] = ()) -> ast.Module:
    """Check that all bases of a file can be read; returns its text, parsed.

    mmengine would follow a circle until Python gives up.
    """
    tree = _parse(path)
    chain = [*above, path.resolve()]
    for base in _bases_of(tree):
        if not isinstance(base, str):
            raise ConfigError(
                f'config {path}: {BASE} names files, not {base!r}'
            )
        file = path.parent / base
        if '::' in base and not base.startswith(SCOPE):
            continue  # Of another package; mmengine knows where it is.
        if base.startswith(SCOPE):
            file = find_config(base) or file
        if not file.is_file():
            raise ConfigError(f'config {path}: there is no base file {base!r}')
        if file.resolve() in chain:
            raise ConfigError(
                f'config {path}: its base {base!r} is based on it; '
                'no file can be its own base'
            )
        _check_bases(file, chain)
    return tree


def _names(targets: Sequence[ast.AST]) -> set[str]:
    """Return the variables that are assigned to."""
    return {target.id for target in targets if isinstance(target, ast.Name)}


def _refuse_idle(tree: ast.Module, cfg: Config, path: Path) -> None:
    """Refuse a variable of a derived file that nothing reads.

    Its bases have used up what they call by that name. Parts of configs have
    variables for others.
    """
    whole = 'model' in cfg and not cfg.keys().isdisjoint(LOADERS)
    if not whole or not _bases_of(tree):
        return
    assigned: list[str] = []
    for node in tree.body:
        if isinstance(node, ast.Assign):
            assigned += sorted(_names(node.targets))
    read = {
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }
    for name in assigned:
        if name not in read | TOP_KEYS | _OF_FILES | VARIABLES:
            raise ConfigError(
                f'config {path}: nothing reads {name!r}{real_key(cfg, name)}'
            )
