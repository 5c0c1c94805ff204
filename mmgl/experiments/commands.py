"""The commands ``mmgl quickstart`` and ``mmgl reproduce``."""

import argparse
from collections.abc import Sequence
from typing import Any

from mmgl.config.options import CfgOptions
from mmgl.utils.arguments import natural, output_folder, positive
from mmgl.utils.errors import report_errors

from .entrance import run
from .options import TARGETS, Options


def _start(**settings: Any) -> int:
    """Run with checked options and return the exit code."""
    with report_errors():
        options = Options(**settings)
    return run(options)


def quickstart_parser() -> argparse.ArgumentParser:
    """Return the parser of ``mmgl quickstart``."""
    parser = argparse.ArgumentParser(
        description='Write the embedded data set, pre-train by MMGL, '
        'fine-tune AGW from MMGL and from random weights, evaluate both and '
        'report. Started again, it continues where it stopped.'
    )
    parser.add_argument(
        '--smoke',
        action='store_true',
        help='do all of it in about two minutes, too briefly for the numbers '
        'to mean anything',
    )
    parser.add_argument(
        '--seeds',
        type=positive,
        default=1,
        help='repeat it with the seeds 0 ... N-1 and report mean and spread',
    )
    parser.add_argument(
        '--work-dir',
        type=output_folder,
        help='folder of the results (default: work_dirs/quickstart, with '
        '--smoke work_dirs/quickstart_smoke)',
    )
    parser.add_argument(
        '--data-root',
        type=output_folder,
        help='folder of the embedded data set (default: '
        'data/synthetic/<preset>)',
    )
    parser.add_argument(
        '--workers',
        type=natural,
        help='processes that load images (default: as the configs say)',
    )
    return parser


def run_quickstart(arguments: Sequence[str] | None = None) -> int:
    """Run the quickstart and return its exit code."""
    args = quickstart_parser().parse_args(arguments)
    return _start(
        targets=['quickstart'],
        smoke=args.smoke,
        seeds=args.seeds,
        work_dir=args.work_dir,
        data_root={'sysu': args.data_root} if args.data_root else {},
        workers=args.workers,
    )


def _folder_of(text: str) -> tuple[str, str]:
    """Read ``LAYOUT=PATH``; a path alone is that of SYSU-MM01's layout."""
    layout, equals, path = text.partition('=')
    return (layout, path) if equals else ('sysu', text)


def reproduction_parser() -> argparse.ArgumentParser:
    """Return the parser of ``mmgl reproduce``."""
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
        '--seeds', type=positive, help='seeds 0 ... N-1 (default: 3, full: 1)'
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
        type=_folder_of,
        default=(),
        metavar='LAYOUT=PATH',
        help='folders of the data sets: sysu=PATH regdb=PATH',
    )
    _add_machine_options(parser)
    logs = 'folder of logs and checkpoints'
    parser.add_argument('--work-dir', type=output_folder, help=logs)
    parser.add_argument(
        '--results', default='docs/results', help='folder of the records'
    )
    parser.add_argument(
        '--document', default='docs/results.md', help='file of the tables'
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=CfgOptions,
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
    return parser


def _add_machine_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where stages run, and how many at a time."""
    parser.add_argument(
        '--jobs',
        type=positive,
        help='stages that run at a time (default: one a GPU, without GPUs '
        'one a core, with SLURM 8)',
    )
    parser.add_argument(
        '--gpus',
        type=natural,
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


def run_reproduction(arguments: Sequence[str] | None = None) -> int:
    """Run the targets and return the exit code."""
    args = vars(reproduction_parser().parse_args(arguments))
    args['overrides'] = args.pop('cfg_options')
    args['data_root'] = dict(args['data_root'])
    return _start(**args)
