"""Score exported features: SYSU-MM01 as the official MATLAB code, or RegDB.

Features may come from any code base; docs/evaluation.md has the formats.
"""

import argparse
import json
from pathlib import Path

from terminaltables import AsciiTable

from mmgl.evaluation.file_reports import (
    report_regdb,
    report_sysu,
    report_table,
)
from mmgl.evaluation.ranking import DISTANCES, TIE_RULES
from mmgl.protocols.galleries import DRAWS


def parse_args(argv=None):
    """Read the command line.

    Args:
        argv (list[str], optional): Arguments; by default those of the
            process.

    Returns:
        argparse.Namespace: The options.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--protocol', choices=('sysu', 'regdb'), required=True)
    parser.add_argument(
        '--features',
        required=True,
        help='.npz; for sysu also a folder or prefix of NAME_cam1..6.mat; '
        'for regdb also a folder or pattern of one .npz a trial',
    )
    parser.add_argument(
        '--data-root', help='SYSU-MM01 root, or its exp/ (sysu only)'
    )
    parser.add_argument('--out', help='JSON file to write')
    parser.add_argument('--distance', choices=DISTANCES, default='euclidean')
    parser.add_argument(
        '--draw', choices=DRAWS, default='official', help='sysu only'
    )
    parser.add_argument(
        '--ties',
        choices=TIE_RULES,
        help='default: gallery_order for sysu, expected for regdb',
    )
    args = parser.parse_args(argv)
    if args.protocol == 'sysu' and not args.data_root:
        parser.error('--protocol sysu needs --data-root')
    return args


def main(argv=None):
    """Score the features, print a table, write the JSON."""
    args = parse_args(argv)
    if args.protocol == 'sysu':
        report = report_sysu(
            args.features, args.data_root, args.distance, args.draw, args.ties
        )
    else:
        report = report_regdb(args.features, args.distance, args.ties)
    print(AsciiTable(report_table(report), args.protocol).table)
    if args.out:
        out = Path(args.out)
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(report, indent=2) + '\n')


if __name__ == '__main__':
    main()
