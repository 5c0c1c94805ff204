"""Write the backbone of a model to a file of its own."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from mmgl.utils.files import replace_whole

from .fit import PREFIX
from .provenance import kept_meta, read_meta
from .reader import Source, read_state_dict


def export_backbone(
    source: nn.Module | Source,
    out: str | Path,
    meta: dict[str, Any] | None = None,
) -> Path:
    """Write the backbone alone to a file of plain values and tensors.

    :func:`load_backbone` reads it with ``kind='mmgl'``. To ``meta`` comes
    what the source has seen.

    Raises:
        FileNotFoundError: If ``source`` is a path that does not exist.
        ValueError: If ``source`` has no backbone or ``meta`` is not plain.
    """
    if isinstance(source, nn.Module):
        before, source = kept_meta(source), source.state_dict()
    else:
        before = kept_meta(read_meta(source))
    meta = {**before, **(meta or {})}
    state = {
        name: value.detach().cpu().clone()
        for name, value in read_state_dict(source).items()
        if name.startswith(PREFIX)
    }
    if not state:
        raise ValueError(f'nothing to export: no tensor named {PREFIX}*')
    _check_plain(meta, 'meta')
    with replace_whole(out) as partial:
        torch.save({'meta': meta, 'state_dict': state}, partial)
    return Path(out)


def _check_plain(value: object, where: str) -> None:
    """Refuse what torch.load(weights_only=True) would refuse."""
    if isinstance(value, dict):
        for key, item in value.items():
            _check_plain(key, f'a key of {where}')
            _check_plain(item, f'{where}[{key!r}]')
    elif isinstance(value, list | tuple):
        for item in value:
            _check_plain(item, where)
    elif value is not None and type(value) not in (str, int, float, bool):
        raise ValueError(
            f'{where} is a {type(value).__name__}; store plain '
            'strings, numbers, lists and dicts only'
        )
