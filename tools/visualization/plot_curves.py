"""Plot training losses and validation metrics of one or several runs."""

import argparse
from pathlib import Path

from mmgl.config.options import add_picture_option, distinct_names
from mmgl.utils.errors import report_errors
from mmgl.visualization import (
    draw_losses,
    draw_metrics,
    draw_permutation_accuracy,
    load_run_log,
)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line.

    Args:
        argv: Arguments; None takes those of the program.

    Returns:
        The options.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        'runs', nargs='+', help='work dirs (or scalars.json files)'
    )
    add_picture_option(parser)
    parser.add_argument(
        '--names',
        nargs='+',
        help='names in the legend (default: folder names)',
    )
    parser.add_argument(
        '--keys', nargs='+', help='scalars to plot (default: all of the kind)'
    )
    parser.add_argument(
        '--kind',
        choices=['loss', 'metric', 'permutation'],
        default='loss',
        help='training losses, validation metrics, or permutation accuracy '
        'of pre-trainings (of one run: both modalities)',
    )
    parser.add_argument(
        '--overlay',
        action='store_true',
        help='all losses of a run in one panel',
    )
    parser.add_argument(
        '--num-stripes',
        type=int,
        default=6,
        help='stripes of the permutation task, for chance',
    )
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Draw what the command line asks for.

    Args:
        argv: Arguments; None takes those of the program.
    """
    args = parse_args(argv)
    with report_errors():
        names = distinct_names(
            args.names, [Path(run).resolve().name for run in args.runs]
        )
        logs = {
            name: load_run_log(run)
            for name, run in zip(names, args.runs, strict=True)
        }
        if args.kind == 'loss':
            path = draw_losses(logs, args.out, args.keys, overlay=args.overlay)
        elif args.kind == 'metric':
            path = draw_metrics(logs, args.out, args.keys)
        else:
            path = draw_permutation_accuracy(logs, args.out, args.num_stripes)
        print(path)


if __name__ == '__main__':
    main()
