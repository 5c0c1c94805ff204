"""Whether a checkpoint may be used with the data of the moment."""

import logging
from collections.abc import Iterable, Mapping
from itertools import product
from numbers import Integral
from pathlib import Path
from typing import Any, TypeAlias

from mmengine.logging import print_log
from torch import nn

from mmgl.protocols.sysu import ID_FILES
from mmgl.utils.arguments import ALLOW_OPTION
from mmgl.utils.errors import ConfigError

from .reader import Source, file_meta

# A data set that was trained on: FIELDS, as far as they are known, ``pids``
# (numbers or names of the persons) and ``labels`` (whether losses used them).
Entry: TypeAlias = dict[str, Any]
FIELDS = ('dataset', 'split', 'trial', 'num_pids')
# Keys of a checkpoint's meta: the last data set it was trained on, and
# entries for all since its weights were random.
META_KEY, SEEN_KEY = 'trained_on', 'seen'
# Where a model, or a part of it, keeps the latter.
MODEL_KEY = 'seen_in_training'
TRAINING_SPLITS = ('train', 'trainval')


def read_meta(source: Source) -> dict[str, Any]:
    """Read the meta of weights; {} if there is no such file or it has none."""
    if isinstance(source, dict):
        meta = source.get('meta')
    else:
        file = Path(source).expanduser()
        meta = file_meta(file) if file.is_file() else None
    return dict(meta) if isinstance(meta, Mapping) else {}


def initial_files(model: nn.Module) -> list[str]:
    """Files that a built model takes its initial weights from."""
    settings = [
        vars(module).get(key)
        for module in model.modules()
        for key in ('init_from', 'init_cfg')
    ]
    return [
        str(one['checkpoint'])
        for given in settings
        for one in (given if isinstance(given, list) else [given])
        if isinstance(one, Mapping) and one.get('checkpoint')
    ]


def _entry(described: Mapping[str, Any]) -> Entry:
    """Keep what a history says of a data set, as far as it is well formed."""
    entry = {
        field: described[field]
        for field in (*FIELDS, 'labels')
        if isinstance(described.get(field), str | int)
    }
    pids = described.get('pids')
    if isinstance(pids, list | tuple) and all(
        isinstance(pid, Integral | str) for pid in pids
    ):
        entry['pids'] = [p if isinstance(p, str) else int(p) for p in pids]
    return entry


def entries_of(dataset: Any, **more: bool) -> list[Entry]:
    """Describe a data set: one entry for each that it is made of."""
    parts = getattr(dataset, 'datasets', None)
    if parts is None and hasattr(dataset, 'dataset'):
        parts = [dataset.dataset]
    if parts:
        return merged(*(entries_of(part, **more) for part in parts))
    return [dict(_entry(getattr(dataset, 'metainfo', None) or {}), **more)]


def seen_by(meta: Mapping[str, Any]) -> list[Entry]:
    """Data that the weights of a checkpoint with this meta have seen.

    ``dataset_meta``, which mmengine writes, knows the persons where files of
    earlier versions do not.
    """
    listed = meta.get(SEEN_KEY)
    found = list(listed) if isinstance(listed, list | tuple) else []
    found += [meta.get(META_KEY), meta.get('dataset_meta')]
    entries = [_entry(one) for one in found if isinstance(one, Mapping)]
    return merged([one for one in entries if 'dataset' in one])


def history_of(model: nn.Module) -> list[Entry]:
    """Data that the weights of a model, or of its parts, have seen."""
    parts = (vars(module).get(MODEL_KEY, ()) for module in model.modules())
    return merged(*parts)


def kept_meta(source: nn.Module | Mapping[str, Any]) -> dict[str, Any]:
    """What a file made of a model, or of a checkpoint's meta, says of it."""
    if isinstance(source, nn.Module):
        seen = history_of(source)
    else:
        seen = seen_by(source)
    return {SEEN_KEY: seen} if seen else {}


def merged(*histories: Iterable[Entry]) -> list[Entry]:
    """Join histories without entries that others say in full."""
    entries = [entry for history in histories for entry in history]
    kept: list[Entry] = []
    for number, entry in enumerate(entries, 1):
        others = kept + entries[number:]
        if not any(entry.items() <= other.items() for other in others):
            kept.append(entry)
    return kept


def _shared(seen: Entry, scored: Entry) -> str:
    """Say what data that was seen has to do with data to score, if at all."""
    name, split = scored.get('dataset'), scored.get('split')
    if name is None or seen.get('dataset') != name:
        return ''
    there, here = seen.get('trial'), scored.get('trial')
    if None not in (there, here) and there != here:
        return (
            f'was trained on trial {there} of {name}, this is trial {here}, '
            'whose test identities it may have seen'
        )
    if split in TRAINING_SPLITS and not seen.get('labels', True):
        # Features of images that were only looked at.
        return ''
    where = f'of split {split!r} of {name}'
    if 'pids' in seen and 'pids' in scored:
        wanted = set(scored['pids'])
        number = len(wanted.intersection(seen['pids']))
        which = f'{number} of the {len(wanted)} identities'
    else:
        # Files of earlier versions name the split only.
        files = (
            ID_FILES.get(str(one.get('split')), ()) for one in (seen, scored)
        )
        number = len(set.intersection(*map(set, files))) * (name == 'sysu')
        which = 'identities'
    trained = f'was trained on split {seen.get("split")!r}'
    return f'{trained} and has seen {which} {where}' if number else ''


def check_unseen(source: Source, dataset: Any, allow: bool) -> str | None:
    """Do as :func:`check_seen` for a checkpoint and a data set."""
    return check_seen(
        seen_by(read_meta(source)),
        entries_of(dataset),
        f'checkpoint {source}',
        allow,
    )


def check_seen(
    history: Iterable[Entry],
    scored: Iterable[Entry],
    who: str,
    allow: bool = False,
) -> str | None:
    """Refuse to score identities that were seen in training.

    The trials of RegDB divide the same persons differently. Pre-training
    without labels may have seen the training split that is scored. Returns
    what was seen if that is allowed, None if nothing was.

    Raises:
        ConfigError: If ``who`` has seen what is scored.
    """
    pairs = product(merged(history), scored)
    found = [said for seen, one in pairs if (said := _shared(seen, one))]
    if not found:
        return None
    message = f'{who} {found[0]}'
    if not allow:
        raise ConfigError(
            f'{message}; score identities it has not seen, or pass '
            f'{ALLOW_OPTION} to get marked numbers'
        )
    print_log(f'{message} ({ALLOW_OPTION})', 'current', logging.WARNING)
    return message
