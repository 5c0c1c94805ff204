"""Bundles: a folder with what a deployed model needs, and no code.

``model.safetensors`` holds the tensors, ``mmgl.json`` everything else: the
settings of model and test pipeline, where the weights come from, what was
measured, and the hashes of the tensors and of itself.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from mmgl.utils.errors import ConfigError, missing_packages
from mmgl.utils.files import replace_whole, write_json

from .compare import check_finite

TENSORS, SETTINGS, CARD = 'model.safetensors', 'mmgl.json', 'README.md'
FORMAT = 1
_NEEDED = ('model', 'test_pipeline', 'sha256')
# Where the hash of the settings stands; earlier bundles have none.
_SEAL = 'settings_sha256'


def is_bundle(path: str | Path) -> bool:
    """Tell whether a path is the folder of a bundle."""
    return (Path(path) / SETTINGS).is_file()


def write_bundle(
    folder: str | Path, state: Mapping[str, Tensor], settings: dict[str, Any]
) -> str:
    """Write tensors and settings, and return the hash of the tensors."""
    folder = Path(folder)
    with replace_whole(folder / TENSORS) as partial:
        # Tensors that share memory are refused otherwise.
        partial.write_bytes(
            _safetensors().torch.save(
                {k: v.clone().contiguous() for k, v in state.items()}
            )
        )
        digest = hash_file(partial)
    write_settings(folder, dict(settings, format=FORMAT, sha256=digest))
    return digest


def write_settings(folder: str | Path, settings: Mapping[str, Any]) -> None:
    """Replace the settings of a bundle."""
    write_json(
        Path(folder) / SETTINGS, {**settings, _SEAL: _settings_hash(settings)}
    )


def _settings_hash(settings: Mapping[str, Any]) -> str:
    """Hash settings however they are written down."""
    content = {k: v for k, v in settings.items() if k != _SEAL}
    text = json.dumps(content, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def read_settings(folder: str | Path) -> dict[str, Any]:
    """Read the settings of a bundle.

    Raises:
        ConfigError: If they are damaged, changed, or of a newer format.
    """
    path = Path(folder) / SETTINGS
    try:
        settings = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f'{path} cannot be read ({error})') from None
    if not isinstance(settings, dict) or settings.get('format') != FORMAT:
        raise ConfigError(
            f'{path} is no bundle of format {FORMAT}; publish the run again '
            'or use the version of mmgl that wrote it'
        )
    missing = [name for name in _NEEDED if name not in settings]
    if missing:
        raise ConfigError(f'{path} lacks {", ".join(missing)}')
    if settings.get(_SEAL, '') not in ('', _settings_hash(settings)):
        raise ConfigError(
            f'{path} is not what was published (its settings do not have '
            f'the hash {_SEAL}); copy the bundle again'
        )
    return settings


def read_bundle(
    folder: str | Path,
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read settings and tensors; lower precision comes back as fp32.

    Raises:
        ConfigError: If a file is missing or damaged, or the tensors are not
            those that were published.
    """
    safetensors = _safetensors()
    folder = Path(folder)
    settings, path = read_settings(folder), folder / TENSORS
    if not path.is_file():
        raise ConfigError(f'bundle {folder} has no {TENSORS}')
    if hash_file(path) != settings['sha256']:
        raise ConfigError(
            f'{path} is not the file that was published (its SHA-256 is not '
            f'that of {SETTINGS}); copy the bundle again'
        )
    try:
        state = safetensors.torch.load_file(path)
    except Exception as error:  # a header may say anything
        raise ConfigError(f'{path} cannot be read ({error})') from None
    check_finite(state, str(path))
    return settings, {
        name: value.float() if value.is_floating_point() else value
        for name, value in state.items()
    }


def _safetensors() -> Any:
    """Import safetensors, an optional requirement."""
    with missing_packages('a bundle'):
        import safetensors.torch
    return safetensors


def hash_file(path: str | Path) -> str:
    """Return the SHA-256 of a file."""
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
