"""The whole of an evaluation, as ``tools/test.py`` does it."""

import json
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from mmengine.dist import is_main_process
from mmengine.runner import Runner

from mmgl.checkpoints.provenance import (
    check_state,
    check_trial,
    read_checkpoint,
)
from mmgl.config.checking import LOADERS
from mmgl.config.loading import build_runner, evaluation_config
from mmgl.config.options import evaluation_parser
from mmgl.engine.bare_model import bare_model
from mmgl.utils.compat import silence_upstream_warnings
from mmgl.utils.errors import report_errors, report_outcome
from mmgl.utils.files import replace_whole

from .training import check_loader, leave_group


def prepare_evaluation(options: Namespace) -> Runner:
    """Build all that an evaluation needs.

    Args:
        options: As parsed by :func:`mmgl.config.options.evaluation_parser`.

    Returns:
        A Runner with its data set and model built.

    Raises:
        ConfigError: For mistakes in config or options, and for a checkpoint
            that fits neither model nor data.
    """
    checkpoint = read_checkpoint(options.checkpoint)
    runner = build_runner(evaluation_config(options))
    loader = runner.test_loop.dataloader
    check_loader(loader, LOADERS[2])
    check_state(
        bare_model(runner), checkpoint['state_dict'], options.checkpoint
    )
    metainfo = getattr(loader.dataset, 'metainfo', None) or {}
    check_trial(
        checkpoint.get('meta'),
        metainfo,
        options.checkpoint,
        options.allow_trial_mismatch,
    )
    return runner


def write_metrics(path: str | Path, metrics: dict, options: Namespace) -> None:
    """Write metrics as JSON, in one step.

    Args:
        path: The file; its folder is made if missing.
        metrics: Name and value.
        options: What was evaluated.
    """
    content = dict(
        config=str(options.config),
        checkpoint=str(options.checkpoint),
        flip_test=options.flip_test,
        metrics={k: float(v) for k, v in metrics.items()},
    )
    with replace_whole(path) as partial:
        partial.write_text(json.dumps(content, indent=2) + '\n')


def run_evaluation(arguments: Sequence[str] | None = None) -> dict[str, float]:
    """Evaluate by command line arguments.

    Args:
        arguments: Arguments; None takes those of the program.

    Returns:
        The metrics.

    Raises:
        SystemExit: For mistakes (2) or interruption (130), after one
            sentence on standard error.
    """
    options = evaluation_parser().parse_args(arguments)
    silence_upstream_warnings()
    try:
        with report_outcome(options.debug):
            with report_errors(options.debug):
                runner = prepare_evaluation(options)
            metrics = runner.test()
        if options.out and is_main_process():
            write_metrics(options.out, metrics, options)
    finally:
        leave_group()
    return metrics
