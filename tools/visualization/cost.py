"""Draw accuracy against the cost of pre-training from a JSON of records.

The file holds a list of objects with label, seconds (0: no pre-training),
accuracy (percent) and, if there are several seeds, spread.
"""

import argparse

from mmgl.config.options import add_picture_option
from mmgl.utils.errors import report_errors
from mmgl.visualization import draw_cost, read_cost_records


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line.

    Args:
        argv: Arguments; None takes those of the program.

    Returns:
        The options.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('records', help='JSON file')
    add_picture_option(parser)
    parser.add_argument(
        '--log', action='store_true', help='logarithmic time axis'
    )
    parser.add_argument('--ylabel', default='Rank-1 (%)')
    parser.add_argument(
        '--xlabel', default='pre-training time', help='the unit is added'
    )
    parser.add_argument('--title', default='')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Draw the records.

    Args:
        argv: Arguments; None takes those of the program.
    """
    args = parse_args(argv)
    with report_errors():
        print(
            draw_cost(
                read_cost_records(args.records),
                args.out,
                args.log,
                args.ylabel,
                args.xlabel,
                args.title,
            )
        )


if __name__ == '__main__':
    main()
