"""The file that says how a synthetic root was made."""

import fcntl
import json
import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

MANIFEST = 'synthetic.json'
PARTIAL = '.partial-'
LOCK = 'lock'  # held in a scratch folder while its process lives
_STALE = 900  # seconds after which a scratch folder without is removed


def replace_file(path: Path, content: bytes, scratch: Path) -> None:
    """Write a file whole or not at all, by way of a folder on its disk."""
    temporary = scratch / f'{os.getpid()}.tmp'
    temporary.write_bytes(content)
    os.replace(temporary, path)


def remove_scratch(root: Path) -> None:
    """Remove the scratch folders of processes that have ended."""
    for folder in root.glob(f'{PARTIAL}*'):
        try:
            with (folder / LOCK).open() as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            if time.time() - folder.stat().st_mtime < _STALE:
                continue
        except OSError:
            continue  # at work, or of another user
        shutil.rmtree(folder, ignore_errors=True)


def check_root(
    root: Path, settings: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Return the manifest, None for an empty root; else ValueError."""
    if root.exists() and not root.is_dir():
        raise ValueError(f'{str(root)!r} is a file; choose another root.')
    path = root / MANIFEST
    if not path.is_file():
        names = os.listdir(root) if root.is_dir() else []
        foreign = sorted(n for n in names if not n.startswith(PARTIAL))
        if foreign:
            raise ValueError(
                f'{str(root)!r} holds files (such as {foreign[0]!r}) but no '
                f'{MANIFEST}, so it was not written by this generator; '
                'choose an empty root.'
            )
        return None
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding='utf-8'))
        differing = [k for k in settings if found.get(k) != settings[k]]
    except (ValueError, AttributeError) as error:
        raise ValueError(
            f'{str(path)!r} is not a manifest of this generator ({error}); '
            f'delete {str(root)!r} or choose another root.'
        ) from error
    if differing:
        key = differing[0]
        old, new = found.get(key), settings[key]
        if isinstance(old, dict) and isinstance(new, dict):
            keys = [k for k in old | new if old.get(k) != new.get(k)]
            old = {k: old[k] for k in keys if k in old}
            new = {k: new[k] for k in keys if k in new}
        raise ValueError(
            f'{str(root)!r} was made with {key}={old!r}, but {key}={new!r} is '
            'wanted; delete it or choose another root.'
        )
    return found


def write_manifest(
    root: Path, manifest: Mapping[str, Any], scratch: Path
) -> None:
    """Write settings, counts and ``complete`` to a root."""
    text = json.dumps(manifest, indent=2, sort_keys=True) + '\n'
    replace_file(root / MANIFEST, text.encode(), scratch)
