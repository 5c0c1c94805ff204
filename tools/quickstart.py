"""Pre-train, fine-tune and evaluate on embedded data in one command."""

import argparse
import sys

from mmgl.experiments import Options, run
from mmgl.utils.errors import report_errors


def parse_args() -> argparse.Namespace:
    """Read the command line."""
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
        type=int,
        default=1,
        help='repeat it with the seeds 0 ... N-1 and report mean and spread',
    )
    parser.add_argument(
        '--work-dir',
        help='folder of the results (default: work_dirs/quickstart, with '
        '--smoke work_dirs/quickstart_smoke)',
    )
    parser.add_argument(
        '--data-root',
        help='folder of the embedded data set (default: '
        'data/synthetic/<preset>)',
    )
    parser.add_argument(
        '--workers',
        type=int,
        help='processes that load images (default: as the configs say)',
    )
    return parser.parse_args()


def main() -> int:
    """Run the quickstart and return its exit code."""
    args = parse_args()
    with report_errors():
        options = Options(
            ['quickstart'],
            smoke=args.smoke,
            seeds=args.seeds,
            work_dir=args.work_dir,
            data_root={'sysu': args.data_root} if args.data_root else {},
            workers=args.workers,
        )
    return run(options)


if __name__ == '__main__':
    sys.exit(main())
