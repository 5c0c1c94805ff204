"""Pictures of logs and records: curves, and accuracy against cost."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from mmgl.config.options import add_picture_option, distinct_names
from mmgl.utils.arguments import positive
from mmgl.utils.errors import report_errors


def curves_parser() -> argparse.ArgumentParser:
    """Return the parser of ``mmgl plot-curves``."""
    parser = argparse.ArgumentParser(
        description='Plot training losses and validation metrics of one or '
        'several runs.'
    )
    add = parser.add_argument
    add('runs', nargs='+', help='work dirs (or scalars.json files)')
    add_picture_option(parser)
    add('--names', nargs='+', help='for the legend (default: folder names)')
    add('--keys', nargs='+', help='scalars to plot (default: all of the kind)')
    add(
        '--kind',
        choices=['loss', 'metric', 'permutation'],
        default='loss',
        help='training losses, validation metrics, or permutation accuracy '
        'of pre-trainings (of one run: both modalities)',
    )
    add('--overlay', action='store_true', help='all losses in one panel')
    add('--num-stripes', type=positive, default=6, help='of permutations')
    return parser


def run_curves(arguments: Sequence[str] | None = None) -> None:
    """Draw the curves that the command line asks for."""
    args = curves_parser().parse_args(arguments)
    from mmgl.visualization import (
        draw_losses,
        draw_metrics,
        draw_permutation_accuracy,
        load_run_log,
    )

    with report_errors():
        folders = [Path(run).resolve().name for run in args.runs]
        names = distinct_names(args.names, folders)
        logs = dict(zip(names, map(load_run_log, args.runs), strict=True))
        if args.kind == 'loss':
            path = draw_losses(logs, args.out, args.keys, overlay=args.overlay)
        elif args.kind == 'metric':
            path = draw_metrics(logs, args.out, args.keys)
        else:
            path = draw_permutation_accuracy(logs, args.out, args.num_stripes)
        print(path)


def cost_parser() -> argparse.ArgumentParser:
    """Return the parser of ``mmgl cost``."""
    parser = argparse.ArgumentParser(
        description='Draw accuracy against the cost of pre-training from a '
        'JSON of records: a list of objects with label, seconds (0: no '
        'pre-training), accuracy (percent) and, if there are several seeds, '
        'spread.'
    )
    add = parser.add_argument
    add('records', help='JSON file')
    add_picture_option(parser)
    add('--log', action='store_true', help='logarithmic time axis')
    add('--ylabel', default='Rank-1 (%)')
    add('--xlabel', default='pre-training time', help='the unit is added')
    add('--title', default='')
    return parser


def run_cost(arguments: Sequence[str] | None = None) -> None:
    """Draw the records that the command line names."""
    args = cost_parser().parse_args(arguments)
    from mmgl.visualization import draw_cost, read_cost_records

    with report_errors():
        words = (args.ylabel, args.xlabel, args.title)
        records = read_cost_records(args.records)
        print(draw_cost(records, args.out, args.log, *words))
