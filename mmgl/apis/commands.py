"""Doors of the commands whose work takes seconds to import.

They answer at once: what they need is imported when arguments are right.
"""

import gc
from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, TypeAlias

from mmgl.config.options import evaluation_parser, training_parser

from . import parsers

Door: TypeAlias = Callable[[Sequence[str] | None], Any]


def door(parser: Callable[[], ArgumentParser], target: str) -> Door:
    """Return a command: ``target``, MODULE:FUNCTION, once options are right.

    Like that function it takes arguments, by default those of the program.
    """

    def run(arguments: Sequence[str] | None = None) -> Any:
        parser().parse_args(arguments)
        module, _, function = target.partition(':')
        command = getattr(import_module(module), function)
        # mmengine has all garbage collected with each data set that it
        # builds, 0.2 s each; what is imported is none.
        gc.freeze()
        return command(arguments)

    return run


run_training = door(training_parser, 'mmgl.apis.training:run_training')
run_evaluation = door(evaluation_parser, 'mmgl.apis.evaluation:run_evaluation')
run_probe = door(parsers.probe_parser, 'mmgl.apis.probe:run_probe')
run_tsne = door(parsers.tsne_parser, 'mmgl.apis.pictures:run_tsne')
run_ranking = door(parsers.ranking_parser, 'mmgl.apis.pictures:run_ranking')
run_activation = door(
    parsers.activation_parser, 'mmgl.apis.activation:run_activation'
)
run_conversion = door(
    parsers.conversion_parser, 'mmgl.apis.conversion:run_conversion'
)
run_pruning = door(parsers.pruning_parser, 'mmgl.apis.pruning:run_pruning')
run_export = door(parsers.export_parser, 'mmgl.apis.exporting:run_export')
run_publish = door(parsers.publish_parser, 'mmgl.apis.publishing:run_publish')
