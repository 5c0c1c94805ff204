"""The whole of a training run, as ``mmgl train`` does it."""

from argparse import Namespace
from collections.abc import Sequence
from typing import Any

import torch
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from mmgl.checkpoints.provenance import (
    check_seen,
    entries_of,
    initial_files,
    read_meta,
    seen_by,
)
from mmgl.checkpoints.reader import read_checkpoint
from mmgl.checkpoints.resume import find_resumable
from mmgl.config.keys import LOADERS
from mmgl.config.loading import build_runner, training_config
from mmgl.config.options import training_parser
from mmgl.engine.bare_model import bare_model
from mmgl.engine.hooks.dataset_meta import DatasetMetaHook, uses_labels
from mmgl.models.protocols import Classifier
from mmgl.utils.compat import silence_upstream_warnings
from mmgl.utils.errors import ConfigError, report_errors, report_outcome

# What tells whether two data sets divide the same persons differently.
TRIAL = ('dataset', 'trial')


def check_loader(loader: DataLoader[Any], name: str) -> None:
    """Compare the batch sizes of a built data loader and its sampler."""
    planned = getattr(loader.sampler, 'batch_size', None)
    if planned is not None and loader.batch_size != planned:
        raise ConfigError(
            f'{name}.batch_size is {loader.batch_size}, but '
            f'{type(loader.sampler).__name__} yields batches of {planned}; '
            f'set {name}.batch_size={planned}'
        )


def prepare_training(options: Namespace) -> Runner:
    """Build a Runner with its data sets and model from the options."""
    cfg = training_config(options)
    runner = build_runner(cfg)
    # The Runner builds its loops late; here mistakes in them surface before
    # anything else is done.
    check_loader(runner.train_loop.dataloader, LOADERS[0])
    if runner.val_loop is not None:
        check_loader(runner.val_loop.dataloader, LOADERS[1])
    check_classes(runner)
    check_history(runner, options.allow_seen)
    return runner


def check_classes(runner: Runner) -> None:
    """Compare the classes of classifiers with the identities of the data."""
    dataset = runner.train_loop.dataloader.dataset
    expected = (getattr(dataset, 'metainfo', None) or {}).get('num_pids')
    for name, head in bare_model(runner).named_modules():
        if not isinstance(head, Classifier) or expected is None:
            continue
        if head.num_classes != expected:
            raise ConfigError(
                f'model.{name}.num_classes is {head.num_classes}, but '
                f'{LOADERS[0]}.dataset has {expected} identities; set '
                f'model.{name}.num_classes={expected}'
            )


def check_history(runner: Runner, allow: bool) -> None:
    """Refuse to go on from weights that saw what this run is to score.

    Its test set is another trial's training set where the trials differ;
    what it is validated on, the run itself must not see either.
    """
    if not any(isinstance(hook, DatasetMetaHook) for hook in runner.hooks):
        runner.register_hook(DatasetMetaHook())
    model = bare_model(runner)
    dataset = runner.train_loop.dataloader.dataset
    own = entries_of(dataset, labels=uses_labels(model))
    scored = [{k: v for k, v in one.items() if k in TRIAL} for one in own]
    if runner.val_loop is not None:
        scored += entries_of(runner.val_loop.dataloader.dataset)
    check_seen(own, scored, 'the model of this run', allow)
    for file in starting_files(runner):
        seen = seen_by(read_meta(file))
        check_seen(seen, scored, f'checkpoint {file}', allow)


def starting_files(runner: Runner) -> list[str]:
    """Files that a run will take weights from."""
    cfg = runner.cfg
    start = cfg.get('load_from')
    resumed = cfg.get('resume') and (start or find_resumable(runner.work_dir))
    if resumed:
        return [str(resumed)]
    init = cfg.model.get('init_from') or {}
    if init.get('kind') == 'mmgl':
        read_checkpoint(init['checkpoint'])
    return [start] * bool(start) + initial_files(bare_model(runner))


def run_training(arguments: Sequence[str] | None = None) -> Runner:
    """Train by command line arguments, by default those of the program."""
    options = training_parser().parse_args(arguments)
    silence_upstream_warnings()
    try:
        with report_outcome(options.debug):
            with report_errors(options.debug):
                runner = prepare_training(options)
            runner.train()
    finally:
        leave_group()
    return runner


def leave_group() -> None:
    """Leave the process group, so that torch has nothing to warn about."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
