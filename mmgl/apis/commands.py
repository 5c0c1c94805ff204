"""Doors of ``mmgl train`` and ``mmgl test``, which answer at once.

What they need takes seconds to import: only when the arguments are right.
"""

from __future__ import annotations

import gc
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mmgl.config.options import evaluation_parser, training_parser

if TYPE_CHECKING:
    from mmengine.runner import Runner


def run_training(arguments: Sequence[str] | None = None) -> Runner:
    """Train by command line arguments, by default those of the program."""
    training_parser().parse_args(arguments)
    from . import training

    # mmengine has all garbage collected with each data set that it builds,
    # 0.2 s each; what is imported is none.
    gc.freeze()
    return training.run_training(arguments)


def run_evaluation(arguments: Sequence[str] | None = None) -> dict[str, float]:
    """Evaluate by command line arguments and return the metrics."""
    evaluation_parser().parse_args(arguments)
    from . import evaluation

    gc.freeze()
    return evaluation.run_evaluation(arguments)
