"""The whole of a training run, as ``mmgl train`` does it."""

import warnings
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from mmgl.checkpoints.provenance import (
    check_seen,
    entries_of,
    initial_files,
    read_meta,
    seen_by,
)
from mmgl.checkpoints.reader import read_checkpoint, trust
from mmgl.checkpoints.resume import find_resumable
from mmgl.config.keys import LOADERS
from mmgl.config.loading import build_runner, training_config
from mmgl.config.options import training_parser
from mmgl.engine.bare_model import bare_model
from mmgl.engine.hooks.dataset_meta import DatasetMetaHook, uses_labels
from mmgl.models.protocols import Classifier
from mmgl.utils.checks import check_workers
from mmgl.utils.compat import (
    launched_rank,
    leave_group,
    silence_upstream_warnings,
)
from mmgl.utils.errors import ConfigError, report_errors, report_outcome
from mmgl.utils.files import check_output_folder
from mmgl.utils.locks import locked_folder

RESUME = (
    'the same command with --resume auto goes on from the newest checkpoint'
)

# What tells whether two data sets divide the same persons differently.
TRIAL = ('dataset', 'trial')


def check_loader(loader: DataLoader[Any], name: str) -> None:
    """Check workers and batch size of a built loader before it starts."""
    check_workers(loader.num_workers, f'{name}.num_workers')
    planned = getattr(loader.sampler, 'batch_size', None)
    if planned is not None and loader.batch_size != planned:
        raise ConfigError(
            f'{name}.batch_size is {loader.batch_size}, but '
            f'{type(loader.sampler).__name__} yields batches of {planned}; '
            f'set {name}.batch_size={planned}'
        )


def prepare_training(options: Namespace, cfg: Config | None = None) -> Runner:
    """Build a Runner with its data sets and model from the options."""
    cfg = cfg or training_config(options)
    init = cfg.model.get('init_from') or {}
    if options.trust_checkpoint:
        trust(cfg.get('load_from'), init.get('checkpoint'))
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
        read_checkpoint(init['checkpoint'], again=True)
    return [start] * bool(start) + initial_files(bare_model(runner))


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
    with ExitStack() as ends, report_outcome(options.debug, RESUME):
        ends.callback(leave_group)
        begun = _Begun()
        with report_errors(options.debug, is_over=begun):
            cfg = training_config(options)
            ends.enter_context(sole_writer(cfg))
            warn_of_others(cfg)
            runner = prepare_training(options, cfg)
            runner.register_hook(begun, 'LOWEST')
            runner.train()
    return runner


def warn_of_others(cfg: Config) -> None:
    """Warn of an earlier training's checkpoints, which may be mixed up."""
    others = sorted(Path(cfg.work_dir).glob('*.pth'))
    if others and not cfg.get('resume') and not launched_rank(cfg.launcher):
        warnings.warn(
            f'{others[-1]} is of an earlier training, and --resume auto may '
            'take it for one of this; choose another --work-dir, or remove '
            'it.'
        )


@contextmanager
def sole_writer(cfg: Config) -> Iterator[None]:
    """Keep other processes, but for the job's own, out of the work dir."""
    if launched_rank(cfg.launcher):
        yield
        return
    check_output_folder(cfg.work_dir)
    with locked_folder(cfg.work_dir):
        yield
