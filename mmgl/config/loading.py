"""From a config file and command line options to a Runner."""

import os
import re
from argparse import Namespace
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.runner import Runner

from mmgl.checkpoints.resume import resolve_resume
from mmgl.registry import RUNNERS
from mmgl.utils.compat import (
    know_own_configs,
    select_wrapper,
    setup_cpu_distributed,
)
from mmgl.utils.device import device_name
from mmgl.utils.errors import ConfigError, nearest
from mmgl.utils.memory import keep_freed_memory
from mmgl.utils.paths import config_dir
from mmgl.utils.precision import allow_tf32, fast_precision

from .checking import check_config, check_files, check_sections, check_settings
from .classes import count_classes, leave_heads_out
from .files import read_config_file
from .keys import LOADERS
from .overrides import apply_overrides, drop_channels_last
from .selection import choose_epoch
from .shipped import find_config, list_configs

VALIDATION = ('val_cfg', 'val_dataloader', 'val_evaluator')
TESTING = ('test_cfg', 'test_dataloader', 'test_evaluator')
TRAINING = ('train_cfg', LOADERS[0], 'optim_wrapper', 'param_scheduler')


def load_config(path: str | Path) -> Config:
    """Read a config file, or a shipped one by name (``list_configs``).

    Raises:
        ConfigError: If the file, or one of its bases, is missing or broken.
    """
    file = find_config(path)
    if Path(path).is_dir():
        raise ConfigError(f'config {path} is a folder; name a file in it')
    if file is None:
        root = config_dir()
        files = [f'configs/{p.relative_to(root)}' for p in root.rglob('*.py')]
        near = nearest(str(path), [*list_configs(), *files])
        raise ConfigError(f'there is no config {str(path)!r}{near}')
    know_own_configs()
    cfg = read_config_file(file)
    check_sections(cfg)
    return cfg


def checked_config(
    path: str | Path,
    overrides: Mapping[str, Any] | None = None,
    variables: Collection[str] = (),
) -> Config:
    """Read a config, change it as ``--cfg-options`` asks for and check it.

    ``variables`` are those of the config that the caller reads.

    Raises:
        ConfigError: For a mistake in files, changes or settings.
    """
    cfg = load_config(path)
    if not cfg.get('model'):
        raise ConfigError(f'config {path} has no model')
    apply_overrides(cfg, overrides, f'config {path}', variables)
    check_settings(cfg)
    return cfg


def init_names() -> list[str]:
    """Return the names that ``--init`` knows."""
    return sorted(p.stem for p in (config_dir() / '_base_/init').glob('*.py'))


def apply_init(cfg: Config, name: str | None, checkpoint: str | None) -> None:
    """Set ``model.init_from`` in place; None keeps what the config says."""
    if name is not None:
        if name not in init_names():
            known = ', '.join(init_names())
            raise ConfigError(f'--init must be one of {known}; got {name!r}')
        model = load_config(config_dir() / f'_base_/init/{name}.py').model
        cfg.model['init_from'] = model.init_from
        if model.init_from is not None:
            # Replaces what was there; no base to delete here.
            model.init_from.pop('_delete_', None)
        backbone = cfg.model.get('backbone') or {}
        if name == 'imagenet' and backbone.get('type') == 'AnyBackbone':
            # Of a ResNet; which file fits, its user knows.
            model.init_from['checkpoint'] = None
    if checkpoint is not None:
        if not cfg.model.get('init_from'):
            raise ConfigError(
                '--init-checkpoint needs initial weights to replace: add '
                '--init mmgl or --init imagenet'
            )
        cfg.model.init_from['checkpoint'] = checkpoint


def forget_init(cfg: Config) -> None:
    """Load no initial weights, whose file may be gone, below a checkpoint."""
    if 'init_from' in cfg.model:
        cfg.model['init_from'] = None


def _set_work_dir(cfg: Config, options: Namespace, suffix: str) -> None:
    """Choose the output folder; of the config's name only with a suffix."""
    if options.work_dir is not None:
        cfg['work_dir'] = options.work_dir
    elif cfg.get('work_dir') is None:
        cfg['work_dir'] = f'work_dirs/{Path(options.config).stem}{suffix}'


def derive_loaders(cfg: Config) -> None:
    """Fill in how images travel from the workers on this machine."""
    for name in LOADERS:
        if not (loader := cfg.get(name)):
            continue
        if not loader.get('num_workers', 0):
            # torch refuses persistent workers where there are none.
            loader['persistent_workers'] = False
            loader.pop('prefetch_factor', None)
        else:
            loader.setdefault('persistent_workers', True)
        loader.setdefault('collate_fn', dict(type='mmgl.stack_collate'))
        on_gpu = torch.cuda.is_available()
        loader['pin_memory'] = on_gpu and loader.get('pin_memory', True)


def _apply_common(cfg: Config, options: Namespace) -> None:
    """Apply what train and test share; --cfg-options have the last word."""
    cfg['launcher'] = options.launcher
    os.environ.setdefault('LOCAL_RANK', str(options.local_rank))
    apply_overrides(cfg, options.cfg_options, f'config {options.config}')
    drop_channels_last(cfg)
    check_sections(cfg)
    derive_loaders(cfg)


def _apply_precision(cfg: Config, precision: str | None) -> None:
    """Let the optimizer wrapper work in the precision asked for, if any."""
    if precision:
        cfg['precision'] = precision
    if not cfg.get('precision'):
        return
    if cfg.precision == 'auto':
        cfg['precision'] = fast_precision()
    cfg['optim_wrapper'] = select_wrapper(cfg.optim_wrapper, cfg.precision)


def _require(cfg: Config, config: str, *keys: str) -> None:
    """Refuse a config without what training needs, or left without it."""
    for key in keys:
        if not cfg.get(key):
            raise ConfigError(f'config {config} has no {key} to train with')


def training_config(options: Namespace) -> Config:
    """Build the checked config of a training run from its options."""
    cfg = load_config(options.config)
    if not cfg.get('model') or not cfg.get('train_dataloader'):
        raise ConfigError(
            f'config {options.config} has no model and train_dataloader: it '
            'is a part of other configs'
        )
    apply_init(cfg, options.init, options.init_checkpoint)
    suffix = f'_{options.init}' if options.init else ''
    _set_work_dir(cfg, options, suffix)
    if options.seed is not None:
        old = cfg.get('randomness') or {}
        cfg['randomness'] = dict(old, seed=options.seed)
    if options.auto_scale_lr:
        if not (cfg.get('auto_scale_lr') or {}).get('base_batch_size'):
            raise ConfigError(
                '--auto-scale-lr needs auto_scale_lr.base_batch_size in the '
                'config, the batch size the learning rate was chosen for'
            )
        cfg.auto_scale_lr['enable'] = True
    _apply_common(cfg, options)
    choose_epoch(cfg, options.select_every, options.no_validate)
    _apply_precision(cfg, options.amp)
    resume = options.resume
    if not resume and cfg.get('resume'):
        resume = cfg.get('load_from') or 'auto'
    found = resume and resolve_resume(resume, cfg.work_dir)
    cfg['resume'] = bool(found)
    if found:
        cfg['load_from'] = str(found)
    if cfg.get('load_from'):
        # It brings all weights.
        forget_init(cfg)
    check_settings(cfg)
    _require(cfg, options.config, 'model', *TRAINING[:-1])
    # The files that only testing needs may be missing here.
    for key in TESTING + (VALIDATION if options.no_validate else ()):
        cfg[key] = None
    check_files(cfg)
    count_classes(cfg)
    return cfg


def evaluation_config(options: Namespace) -> Config:
    """Build the checked config of a test from its options.

    A config without a test set, as of pre-training, is tested on its
    validation set.
    """
    cfg = load_config(options.config)
    if not cfg.get('test_dataloader'):
        for test, val in zip(TESTING, VALIDATION, strict=True):
            cfg[test] = cfg.get(val)
        options.cfg_options = {
            re.sub('^val_', 'test_', key): value
            for key, value in (options.cfg_options or {}).items()
        }
    if not cfg.get('model') or not cfg.get('test_dataloader'):
        raise ConfigError(
            f'config {options.config} has nothing to test: it needs model '
            'and test_dataloader'
        )
    # Beside the training run, whose config must not be overwritten.
    _set_work_dir(cfg, options, '/test')
    if options.flip_test:
        cfg.model['flip_test'] = True
    _tell_more(cfg, options)
    forget_init(cfg)
    cfg['load_from'], cfg['resume'] = options.checkpoint, False
    _apply_common(cfg, options)
    # A Runner without them neither builds nor checks what training needs.
    for key in TRAINING + VALIDATION:
        cfg[key] = None
    check_config(cfg)
    leave_heads_out(cfg.model)
    return cfg


def _tell_more(cfg: Config, options: Namespace) -> None:
    """Ask the ReIDMetric of a test for figures beyond the usual ones."""
    more = {name: getattr(options, name) for name in ('rerank', 'open_set')}
    wanted = {name: value for name, value in more.items() if value}
    metrics = cfg.test_evaluator
    metrics = metrics if isinstance(metrics, list | tuple) else [metrics]
    found = [one for one in metrics if one.get('type') == 'ReIDMetric']
    for one in found:
        one.update(wanted)
    if wanted and not found:
        name = next(iter(wanted)).replace('_', '-')
        raise ConfigError(
            f'--{name} needs a ReIDMetric as test_evaluator of '
            f'{options.config}'
        )


def build_runner(cfg: Config) -> Runner:
    """Build the Runner of a config, also for several CPU processes."""
    setup_cpu_distributed(cfg)
    allow_tf32((cfg.get('env_cfg') or {}).get('tf32'))
    if device_name() == 'cpu':
        keep_freed_memory()
    if (cfg.get('randomness') or {}).get('deterministic'):
        # torch refuses products on a GPU unless cuBLAS was told before, see
        # https://docs.nvidia.com/cuda/cublas/#results-reproducibility.
        os.environ.setdefault('CUBLAS_WORKSPACE_CONFIG', ':4096:8')
    ours = RUNNERS.get('ReIDRunner')
    kind = RUNNERS.get(cfg.get('runner_type', 'ReIDRunner'))
    if not issubclass(kind, ours):
        raise ConfigError(
            f'runner_type={cfg.runner_type!r} does not derive from '
            'mmgl.engine.ReIDRunner, which reads checkpoints safely'
        )
    runner: Runner = kind.from_cfg(cfg)
    return runner
