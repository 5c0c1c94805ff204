"""The whole of an evaluation, as ``mmgl test`` does it."""

import logging
from argparse import Namespace
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from mmengine.config import Config
from mmengine.dist import is_main_process
from mmengine.logging import print_log
from mmengine.runner import Runner

from mmgl.checkpoints.provenance import check_seen, entries_of, seen_by
from mmgl.checkpoints.reader import read_checkpoint, trust
from mmgl.checkpoints.whole import check_state
from mmgl.config.keys import LOADERS
from mmgl.config.loading import build_runner, evaluation_config
from mmgl.config.options import evaluation_parser
from mmgl.engine.bare_model import bare_model
from mmgl.evaluation.documents import joined_report, show_report
from mmgl.utils.compat import leave_group, silence_upstream_warnings
from mmgl.utils.device import device_name
from mmgl.utils.errors import report_errors, report_outcome
from mmgl.utils.files import write_json
from mmgl.version import __version__

from .training import check_loader, sole_writer


def prepare_evaluation(
    options: Namespace, cfg: Config | None = None
) -> tuple[Runner, str | None]:
    """Build a Runner with its data set and model from the options.

    Also what of the data the checkpoint has seen, where that is allowed.
    """
    if options.trust_checkpoint:
        trust(options.checkpoint)
    checkpoint = read_checkpoint(options.checkpoint)
    runner = build_runner(cfg or evaluation_config(options))
    loader = runner.test_loop.dataloader
    check_loader(loader, LOADERS[2])
    check_state(
        bare_model(runner), checkpoint['state_dict'], options.checkpoint
    )
    history = seen_by(checkpoint['meta'])
    seen = check_seen(
        history,
        entries_of(loader.dataset),
        f'checkpoint {options.checkpoint}',
        options.allow_seen,
    )
    # Files that metrics write are marked too.
    evaluator = runner.test_loop.evaluator
    facts = dict(evaluator.dataset_meta, history=history)
    evaluator.dataset_meta = dict(facts, seen=seen) if seen else facts
    return runner, seen


def report_of(
    runner: Runner,
    metrics: Mapping[str, float],
    options: Namespace,
    seen: str | None = None,
) -> dict[str, Any]:
    """Lay out what a Runner measured (docs/evaluation.md has the format).

    ``seen`` marks metrics of identities that were seen in training.
    """
    parts = {
        metric.prefix or '': metric.document
        for metric in runner.test_loop.evaluator.metrics
        if getattr(metric, 'document', None)
    }
    settings = dict(
        config=str(options.config),
        checkpoint=str(options.checkpoint),
        flip_test=bool(getattr(bare_model(runner), 'flip_test', False)),
        device=device_name(),
        seen=seen,
        version=__version__,
    )
    return joined_report(parts, metrics, settings)


def run_evaluation(arguments: Sequence[str] | None = None) -> dict[str, float]:
    """Evaluate by command line arguments and return the metrics."""
    options = evaluation_parser().parse_args(arguments)
    silence_upstream_warnings()
    with ExitStack() as ends, report_outcome(options.debug):
        ends.callback(leave_group)
        with report_errors(options.debug):
            cfg = evaluation_config(options)
            ends.enter_context(sole_writer(cfg))
            runner, seen = prepare_evaluation(options, cfg)
            metrics: dict[str, float] = runner.test()
            if seen:
                say = 'These are numbers of identities seen in training: '
                print_log(f'{say}{seen}', 'current', logging.WARNING)
            if is_main_process():
                report = report_of(runner, metrics, options, seen)
                print(show_report(report))
                if options.out:
                    write_json(options.out, report)
    return metrics
