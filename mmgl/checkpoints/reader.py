"""Read weight files without running code from them."""

import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias, TypeGuard

import torch
from torch import Tensor

from mmgl.utils.arguments import TRUST_OPTION
from mmgl.utils.errors import ConfigError

from .compare import check_finite, renamed
from .stand_ins import KNOWN, plain

# A file, torchvision://resnetNN, or what was read from one.
Source: TypeAlias = str | Path | dict[str, Any]

TORCHVISION = 'torchvision://'
INIT = 'model.init_from.checkpoint (--init-checkpoint)'
# Tensors of a backbone inside ModalityChannelBackbone.
ADAPTED = 'backbone.network.'
# Files that may run code, because the user has said so.
_trusted: set[Path] = set()
# Of the state of a file: what is to be read again, and what its meta says.
_State: TypeAlias = tuple[object, ...]
_kept: dict[_State, Any] = {}
_metas: dict[_State, Any] = {}
_MOST_METAS = 8


class NoCheckpointError(ConfigError, FileNotFoundError):
    """There is no such file."""


def trust(*paths: str | Path | None) -> None:
    """Let these files run code when they are read, as the user has said."""
    _trusted.update(
        Path(path).expanduser().resolve() for path in paths if path
    )


def is_intact(path: str | Path) -> bool:
    """Tell whether a checkpoint was written to its end and is unchanged.

    torch writes a zip file, whose table of contents comes last and whose
    parts carry checksums.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (OSError, zipfile.BadZipFile, EOFError):
        return False


def file_meta(path: str | Path) -> Any:
    """Return the meta of a weight file, read once as long as it stays."""
    state = _state(Path(path))
    if state not in _metas:
        read_file(path)
    return _metas[state]


def _state(path: Path) -> _State:
    """Tell versions of a file apart."""
    path = path.expanduser().resolve()
    facts = path.stat()
    times = facts.st_mtime_ns, facts.st_ctime_ns
    return path, path in _trusted, facts.st_ino, facts.st_size, *times


def read_file(
    path: str | Path, what: str = 'checkpoint', again: bool = False
) -> Any:
    """Read a weight file onto the CPU; every reader calls this.

    It may hold tensors, plain values and what mmengine adds to a checkpoint;
    what may run code is refused, unless :func:`trust` was told. With
    ``again`` it stays in memory until it is asked for again.

    Raises:
        ConfigError: If there is no such file (then also a FileNotFoundError),
            or it is refused, damaged or of another kind; in terms of
            ``what``.
    """
    if re.match(r'[\w+.-]{2,}:/', str(path)):
        raise ConfigError(
            f'{what}: {path} is neither a file nor known here; download it '
            'first and give the path'
        )
    path = Path(path).expanduser()
    if not path.is_file():
        raise NoCheckpointError(f'{what}: there is no file {str(path)!r}')
    state = _state(path)
    content = _kept.pop(state, None) or _read(path, what)
    _kept.clear()
    if again:
        _kept[state] = content
    _metas[state] = content.get('meta') if isinstance(content, dict) else None
    if len(_metas) > _MOST_METAS:
        del _metas[next(iter(_metas))]
    return content


def _read(path: Path, what: str) -> Any:
    trusted = path.resolve() in _trusted
    try:
        # torch does not compare the checksums.
        if zipfile.is_zipfile(path) and not is_intact(path):
            raise ValueError('wrong checksum')
        with torch.serialization.safe_globals(KNOWN):
            return plain(
                torch.load(path, map_location='cpu', weights_only=not trusted)
            )
    except Exception as error:  # of any type, for a broken file
        code = re.search(r'(?:GLOBAL|function) (\S+)', str(error))
        # What follows in torch's texts is advice to run the code.
        text = re.split(r'Weights only|\. |\n', str(error))[0]
        raise ConfigError(
            f'{what}: {path} was not read: it holds {code[1]}, which may run '
            'code; use a file of tensors and plain values, or add '
            f'{TRUST_OPTION} if you trust its author'
            if code
            else f'{what}: {path} is damaged or no checkpoint '
            f'({type(error).__name__}{text and f": {text}"}); copy it again '
            'or take another'
        ) from error


def read_checkpoint(path: str | Path, again: bool = False) -> dict[str, Any]:
    """Read a checkpoint of this package: ``state_dict`` and ``meta``.

    For ``again`` see :func:`read_file`.

    Raises:
        ConfigError: If there is no such file or it is no checkpoint.
    """
    loaded = read_file(path, again=again)
    state = loaded.get('state_dict') if isinstance(loaded, dict) else None
    if not _holds_tensors(state):
        raise ConfigError(
            f'checkpoint {path} has no state_dict of tensors; name a '
            'checkpoint of this package'
        )
    check_finite(state, f'checkpoint {path}')
    meta = loaded.get('meta') or {}
    if not isinstance(meta, dict):
        raise ConfigError(f'checkpoint {path} has a meta that is no dict')
    return {**loaded, 'meta': meta}


def read_state_dict(
    checkpoint: Source,
    containers: Sequence[str] = ('state_dict',),
    what: str = INIT,
) -> dict[str, Tensor]:
    """Read the state dict of any checkpoint onto the CPU.

    The first key of ``containers`` that there is names the inner dict,
    otherwise the outer one counts. A ``module.`` prefix of DDP is removed,
    and ``backbone.network.*`` of an adapter is named ``backbone.*``.

    Raises:
        ConfigError: If the file is missing or the download fails (then also a
            FileNotFoundError), or it holds no tensors or none is named.
    """
    loaded: Any = checkpoint
    if not isinstance(checkpoint, dict):
        if not checkpoint:
            raise ConfigError(f'no checkpoint to initialise from: set {what}')
        source = str(checkpoint)
        hub = source.startswith(TORCHVISION)
        loaded = _read_torchvision(source) if hub else read_file(source, what)
    found = loaded if isinstance(loaded, dict) else {}
    state = next((found[key] for key in containers if key in found), found)
    where = 'the given dict' if loaded is checkpoint else checkpoint
    if not _holds_tensors(state):
        raise ConfigError(
            f'{what}: {where} has no state dict (names and tensors) at the '
            f'top level or under {" or ".join(map(repr, containers))}; found '
            f'{list(found)[:8] or type(loaded).__name__}'
        )
    check_finite(state, f'{what}: {where}')
    own = renamed(state, _own_name, f'{what}: {where}')
    return {name: value.detach() for name, value in own.items()}


def part_of_network(state: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    """Take the part for one network of a backbone made of several.

    Its tensors are named as those of a backbone of one network; a state dict
    that is not of several networks is returned as it is.
    """
    prefix = f'backbone.networks.{name}.'
    part = {
        f'backbone.{tensor.removeprefix(prefix)}': value
        for tensor, value in state.items()
        if tensor.startswith(prefix)
    }
    return part or state


def _holds_tensors(state: object) -> TypeGuard[dict[str, Tensor]]:
    """Tell whether it is names and dense tensors with values."""
    return (
        isinstance(state, dict)
        and bool(state)
        and all(
            isinstance(name, str)
            and isinstance(value, Tensor)
            and value.layout is torch.strided
            and not (value.is_meta or value.is_quantized)
            for name, value in state.items()
        )
    )


def _own_name(name: str) -> str:
    """Take the wrappers of a tensor out of its name."""
    name = name.removeprefix('module.')
    if name.startswith(ADAPTED):
        name = f'backbone.{name.removeprefix(ADAPTED)}'
    return name


def _read_torchvision(source: str) -> dict[str, Tensor]:
    """Fetch ImageNet weights by name through torchvision."""
    from torchvision.models import get_model_weights

    name = source.removeprefix(TORCHVISION)
    known = ('resnet18', 'resnet34', 'resnet50', 'resnet101', 'mobilenet_v2')
    if name not in known:
        raise ConfigError(f'{INIT}: {source}; torchvision:// knows {known}')
    weights = get_model_weights(name)['IMAGENET1K_V1']
    try:
        state: dict[str, Tensor] = weights.get_state_dict(
            progress=False, check_hash=True, weights_only=True
        )
    except OSError as error:
        raise NoCheckpointError(
            f'{INIT}: {source} is not in the cache of torch and could not be '
            f'downloaded ({error}). Download {weights.url} on a machine with '
            f'network and set {INIT} to it, or put it into '
            f'{torch.hub.get_dir()}/checkpoints.'
        ) from error
    return state
