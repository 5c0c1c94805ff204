"""The whole of a training run, as ``mmgl train`` does it."""

from argparse import Namespace
from collections.abc import Sequence
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from mmgl.checkpoints.provenance import check_trial
from mmgl.checkpoints.reader import read_checkpoint, trust
from mmgl.config.keys import LOADERS
from mmgl.config.loading import build_runner, training_config
from mmgl.config.options import training_parser
from mmgl.utils.compat import silence_upstream_warnings
from mmgl.utils.errors import ConfigError, report_errors, report_outcome


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
    init = cfg.model.get('init_from') or {}
    if options.trust_checkpoint:
        trust(cfg.get('load_from'), init.get('checkpoint'))
    runner = build_runner(cfg)
    # The Runner builds its loops late; here mistakes in them surface before
    # anything else is done.
    check_loader(runner.train_loop.dataloader, LOADERS[0])
    if runner.val_loop is not None:
        check_loader(runner.val_loop.dataloader, LOADERS[1])
    if init.get('kind') == 'mmgl' and not cfg.get('resume'):
        path = init['checkpoint']
        check_trial(
            read_checkpoint(path).get('meta'),
            runner.train_dataloader.dataset.metainfo,
            path,
            options.allow_trial_mismatch,
        )
    return runner


class _Begun(Hook):  # type: ignore[misc]  # mmengine: no types
    """Tells whether an iteration has been done.

    The Runner loads weights and asks for images when it begins to train.
    """

    def __init__(self) -> None:
        self._done = False

    def __call__(self) -> bool:
        return self._done

    def after_train_iter(self, *args: Any, **kwargs: Any) -> None:
        self._done = True


def run_training(arguments: Sequence[str] | None = None) -> Runner:
    """Train by command line arguments, by default those of the program."""
    options = training_parser().parse_args(arguments)
    silence_upstream_warnings()
    try:
        with report_outcome(options.debug):
            begun = _Begun()
            with report_errors(options.debug, is_over=begun):
                runner = prepare_training(options)
                runner.register_hook(begun, 'LOWEST')
                runner.train()
    finally:
        leave_group()
    return runner


def leave_group() -> None:
    """Leave the process group, so that torch has nothing to warn about."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
