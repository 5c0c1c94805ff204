"""Score features in files, from any code base (docs/evaluation.md)."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from terminaltables import AsciiTable

from mmgl.checkpoints.provenance import SEEN_KEY, check_seen, seen_by
from mmgl.config.options import ALLOW_SEEN
from mmgl.evaluation.features_io import FeatureSet
from mmgl.evaluation.file_reports import (
    report_regdb,
    report_sysu,
    report_table,
)
from mmgl.evaluation.ranking import DISTANCES, TIE_RULES
from mmgl.protocols.galleries import DRAWS
from mmgl.utils.arguments import output_file
from mmgl.utils.errors import ConfigError, report_errors
from mmgl.utils.files import check_output, write_json

PROTOCOLS = ('sysu', 'regdb')


def evaluate_features(
    features: str | Path,
    protocol: str,
    data_root: str | Path | None = None,
    distance: str = 'euclidean',
    draw: str = 'official',
    ties: str | None = None,
    partial: bool = False,
    allow_seen: bool = False,
) -> dict[str, Any]:
    """Score SYSU-MM01 as its official MATLAB code does, or RegDB.

    Args:
        features: ``.npz``; for 'sysu' also a folder or prefix of
            ``NAME_cam1..6.mat``, for 'regdb' a folder or pattern of one
            ``.npz`` a trial.
        protocol: 'sysu' or 'regdb'.
        data_root: Root of SYSU-MM01, or its ``exp/``; of RegDB, or its
            ``idx/``, to compare the images with its lists (optional).
        distance: 'euclidean' or 'cosine'.
        draw: How single-shot galleries are drawn, 'official' or
            'random_seeded' (sysu only).
        ties: 'gallery_order' (as MATLAB's stable sort; sysu's default) or
            'expected' (over all orders of tied images; regdb's default).
        partial: Score features of some of the images; the names of the
            searches then end in '_partial'.
        allow_seen: Score, and mark, features of a network that has seen the
            identities in training, as far as the file says.

    Raises:
        FileNotFoundError: If features or split files are not there.
        ConfigError: For an unknown protocol, files of another form,
            missing images, or identities that were seen.
    """

    def check(data: FeatureSet) -> str | None:
        scored: dict[str, Any] = dict(dataset=protocol, trial=data.trial)
        if protocol == 'sysu':  # RegDB counts anew in each half
            pids = np.unique(data.pids).tolist()
            scored = dict(dataset='sysu', split='test', pids=pids)
        seen = seen_by({SEEN_KEY: data.seen})
        return check_seen(seen, [scored], 'the network', allow_seen)

    if protocol == 'regdb':
        return report_regdb(
            features, distance, ties, data_root, partial, check
        )
    if protocol != 'sysu':
        raise ConfigError(
            f'protocol must be one of {PROTOCOLS}, got {protocol!r}'
        )
    if data_root is None:
        raise ConfigError("protocol 'sysu' needs data_root")
    return report_sysu(
        features, data_root, distance, draw, ties, partial, check
    )


def scoring_parser() -> argparse.ArgumentParser:
    """Return the parser of ``mmgl eval-features``."""
    parser = argparse.ArgumentParser(
        description='Score exported features: SYSU-MM01 as the official '
        'MATLAB code, or RegDB. Features may come from any code base; '
        'docs/evaluation.md has the formats.'
    )
    add = parser.add_argument
    add('--protocol', choices=PROTOCOLS, required=True)
    add(
        '--features',
        required=True,
        help='.npz; for sysu also a folder or prefix of NAME_cam1..6.mat; '
        'for regdb also a folder or pattern of one .npz a trial',
    )
    add(
        '--data-root',
        help='SYSU-MM01 root, or its exp/; for regdb, optional: RegDB root, '
        'or its idx/, to compare the images with its lists',
    )
    add('--out', type=output_file, help='JSON file to write')
    add('--distance', choices=DISTANCES, default='euclidean')
    add('--draw', choices=DRAWS, default='official', help='sysu only')
    add(
        '--ties',
        choices=TIE_RULES,
        help='default: gallery_order for sysu, expected for regdb',
    )
    add(
        '--partial',
        action='store_true',
        help='score features of some of the test images; the names of the '
        'searches then end in _partial, for their figures compare with no '
        'others',
    )
    add(
        ALLOW_SEEN[0],
        action='store_true',
        help='score features of a network that has seen the identities in '
        'training; the report says so',
    )
    return parser


def run_scoring(arguments: Sequence[str] | None = None) -> None:
    """Score the features, print a table, write the JSON."""
    parser = scoring_parser()
    options = vars(parser.parse_args(arguments))
    if options['protocol'] == 'sysu' and not options['data_root']:
        parser.error('--protocol sysu needs --data-root')
    out = options.pop('out')
    with report_errors():
        if out:
            check_output(out, ('.json',))
        report = evaluate_features(**options)
        print(AsciiTable(report_table(report), options['protocol']).table)
        if out:
            write_json(out, report)
