"""Run the experiments of the paper's tables and write docs/results.md."""

import argparse
import sys

from mmengine.config import DictAction

from mmgl.apis.reproduce import TABLES, ReproduceOptions, reproduce


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Run the experiments of a table and write the results. '
        'What is recorded is skipped and what was interrupted goes on, so '
        'the same command may be given again at any time.')
    parser.add_argument(
        'tables', nargs='+', metavar='TABLE', choices=TABLES,
        help=f'one or more of {", ".join(TABLES)}')
    parser.add_argument(
        '--scale',
        choices=('mini', 'full'),
        default='mini',
        help='mini: embedded data on a CPU; full: the real data sets')
    parser.add_argument(
        '--seeds', type=int, help='seeds 0 ... N-1 (default: 3, full: 1)')
    parser.add_argument(
        '--only', nargs='+', default=(), metavar='METHOD',
        help='leave it at these methods, for example agw ddag')
    parser.add_argument(
        '--jobs', type=int, default=1,
        help='stages that run at a time on this machine')
    parser.add_argument(
        '--gpus', type=int, nargs='+', default=(), metavar='N',
        help='GPUs to share out, one stage each at a time')
    parser.add_argument('--work-dir', help='folder of logs and checkpoints')
    parser.add_argument(
        '--results', default='docs/results', help='folder of the records')
    parser.add_argument(
        '--document', default='docs/results.md', help='file of the tables')
    parser.add_argument('--data-root', help='folder of the embedded data set')
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, default={},
        metavar='KEY=VALUE',
        help='change every training; name other --results then')
    parser.add_argument(
        '--dry-run', action='store_true', help='show the plan only')
    parser.add_argument(
        '--write-only', action='store_true',
        help='write the document from the records there are')
    return parser.parse_args()


def main() -> int:
    """Run the tables and return the exit code."""
    args = vars(parse_args())
    args['overrides'] = args.pop('cfg_options')
    try:
        options = ReproduceOptions(**args)
    except (ValueError, FileNotFoundError) as error:
        print(f'Error: {error}', file=sys.stderr)
        return 1
    return reproduce(options)


if __name__ == '__main__':
    sys.exit(main())
