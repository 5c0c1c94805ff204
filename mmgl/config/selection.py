"""Choosing the epoch to keep by validation identities, never by test ones."""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmgl.protocols.split_files import read_id_list
from mmgl.protocols.sysu import EXP_FOLDER, ID_FILES, id_file_name
from mmgl.utils.errors import ConfigError

from .keys import LOADERS

# Figure that chooses, of SYSU-MM01 and of one's own data.
BEST, BEST_CROSS = 'all_single/mAP', 'infrared_to_visible/mAP'
# Identities that are tested on.
TEST_SPLITS = ('test', 'query', 'gallery')
# Data set -> the whole training split, its part to train, to validate on.
_SPLITS = {
    'SYSUMM01': ('trainval', 'train', 'val_test'),
    'ReIDTable': ('train', 'train', 'val'),
}


def _dataset(cfg: Config, loader: str) -> dict[str, Any]:
    return (cfg.get(loader) or {}).get('dataset') or {}


def choose_epoch(
    cfg: Config, every: int | None = None, unwatched: bool = False
) -> None:
    """Let validation identities choose if ``--select-every`` asks for it.

    Raises:
        ConfigError: If test identities would choose, or nobody could.
    """
    if every and unwatched:
        raise ConfigError('--select-every needs what --no-validate forbids')
    if every:
        select_every(cfg, every)
    hook = (cfg.get('default_hooks') or {}).get('checkpoint') or {}
    split = _dataset(cfg, LOADERS[1]).get('split')
    if hook.get('save_best') and split in TEST_SPLITS:
        raise ConfigError(
            f'{LOADERS[1]}.dataset.split={split!r} with '
            'default_hooks.checkpoint.save_best: test identities must not '
            'choose the epoch; validate on val_test, or remove save_best'
        )


def select_every(cfg: Config, epochs: int) -> None:
    """Validate every so many epochs, in place, and keep the best one.

    The validation identities leave the training split, and classifiers of all
    training identities are made smaller. A config that validates already
    keeps how.

    Raises:
        ConfigError: If the data set has no validation identities, or the
            config no test to score them by or hook to keep the epoch.
    """
    data = _dataset(cfg, LOADERS[0])
    kind = data.get('type')
    if kind not in _SPLITS:
        raise ConfigError(
            f'--select-every: {kind} has no validation identities, and test '
            'identities must not choose; without it the last epoch is kept'
        )
    hook = (cfg.get('default_hooks') or {}).get('checkpoint')
    if not hook:
        raise ConfigError(
            '--select-every needs default_hooks.checkpoint, which keeps the '
            'best epoch; this config has none'
        )
    whole, part, held_out = _SPLITS[kind]
    validating = bool(cfg.get(LOADERS[1]))
    metric = cfg.get('val_evaluator' if validating else 'test_evaluator')
    if not isinstance(metric, dict) or metric.get('type') != 'ReIDMetric':
        raise ConfigError(
            '--select-every: this config has no single ReIDMetric to score '
            'the validation identities by'
        )
    if not validating:
        _validate_as_tested(cfg, metric, held_out)
    if data['split'] == whole != part:
        _shrink_classifiers(cfg, data['data_root'], whole, part)
        data['split'] = part
    cfg.train_cfg['val_interval'] = epochs
    cross = cfg['val_evaluator'].get('protocol') == 'cross'
    hook.setdefault('save_best', BEST_CROSS if cross else BEST)


def _validate_as_tested(
    cfg: Config, metric: Mapping[str, Any], split: str
) -> None:
    """Score the validation identities by all search, single-shot.

    Those of one's own data search infrared images among all visible ones.
    """
    kept = {
        name: value
        for name, value in metric.items()
        if name not in ('out', 'dump', 'rerank', 'open_set')
    }
    if kept.get('protocol') == 'cross':
        direction = BEST_CROSS.partition('/')[0]
        kept.update(directions=[direction], shots=[0])
    else:
        # No indoor visible camera saw the validation identities.
        kept.update(modes=('all',), shots=(1,))
    loader = deepcopy(cfg[LOADERS[2]])
    loader['dataset']['split'] = split
    cfg[LOADERS[1]], cfg['val_evaluator'] = loader, kept
    cfg['val_cfg'] = {}


def _shrink_classifiers(cfg: Config, root: str, *splits: str) -> None:
    """Give classifiers of all training identities those that are left."""
    before, after = (
        sum(
            len(read_id_list(Path(root) / EXP_FOLDER / id_file_name(name)))
            for name in ID_FILES[split]
        )
        for split in splits
    )
    for node in _dicts(cfg.model):
        if node.get('num_classes') == before:
            node['num_classes'] = after


def _dicts(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, Mapping):
        yield node  # type: ignore[misc]
        node = list(node.values())
    if isinstance(node, list | tuple):
        for one in node:
            yield from _dicts(one)
