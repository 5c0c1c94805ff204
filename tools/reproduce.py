"""Run the experiments of the paper's tables and figures."""

import argparse
import sys

from mmengine.config import DictAction

from mmgl.experiments import TARGETS, Options, run
from mmgl.utils.errors import report_errors


def folder_of(text: str) -> tuple[str, str]:
    """Read ``LAYOUT=PATH``; a path alone is that of SYSU-MM01's layout."""
    layout, equals, path = text.partition('=')
    return (layout, path) if equals else ('sysu', text)


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Run the experiments of tables and figures and write the '
        'results. What is recorded is skipped and what was interrupted goes '
        'on, so the same command may be given again at any time.'
    )
    parser.add_argument(
        'targets',
        nargs='+',
        metavar='TARGET',
        choices=TARGETS,
        help=f'one or more of {", ".join(TARGETS)}',
    )
    parser.add_argument(
        '--scale',
        choices=('mini', 'full'),
        default='mini',
        help='mini: embedded data on a CPU; full: the real data sets',
    )
    parser.add_argument(
        '--seeds', type=int, help='seeds 0 ... N-1 (default: 3, full: 1)'
    )
    parser.add_argument(
        '--only',
        nargs='+',
        default=(),
        metavar='NAME',
        help='leave it at these methods and initial weights, for example '
        'agw ddag or agw random mmgl',
    )
    parser.add_argument(
        '--data-root',
        nargs='+',
        type=folder_of,
        default=(),
        metavar='LAYOUT=PATH',
        help='folders of the data sets: sysu=PATH regdb=PATH',
    )
    add_machine_options(parser)
    parser.add_argument('--work-dir', help='folder of logs and checkpoints')
    parser.add_argument(
        '--results', default='docs/results', help='folder of the records'
    )
    parser.add_argument(
        '--document', default='docs/results.md', help='file of the tables'
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        default={},
        metavar='KEY=VALUE',
        help='change every training; needs other --results and --document',
    )
    parser.add_argument(
        '--dry-run', action='store_true', help='show the plan only'
    )
    parser.add_argument(
        '--write-only',
        action='store_true',
        help='write the document from the records there are',
    )
    return parser.parse_args()


def add_machine_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where stages run, and how many at a time."""
    parser.add_argument(
        '--jobs',
        type=int,
        help='stages that run at a time (default: one a GPU, without GPUs '
        'one a core, with SLURM 8)',
    )
    parser.add_argument(
        '--gpus',
        type=int,
        nargs='+',
        metavar='N',
        help='GPUs to share out (default: all)',
    )
    parser.add_argument(
        '--slurm',
        metavar='PARTITION',
        help='run every stage as a job of this partition',
    )
    parser.add_argument(
        '--slurm-args',
        default='',
        metavar='TEXT',
        help='more options of srun: --slurm-args="--qos=long --time=2-0"',
    )


def main() -> int:
    """Run the targets and return the exit code."""
    args = vars(parse_args())
    args['overrides'] = args.pop('cfg_options')
    args['data_root'] = dict(args['data_root'])
    with report_errors():
        options = Options(**args)
    return run(options)


if __name__ == '__main__':
    sys.exit(main())
