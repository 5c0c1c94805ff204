"""Score features in files, from any code base (docs/evaluation.md)."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mmgl.evaluation.details import Details
from mmgl.evaluation.documents import show_report
from mmgl.evaluation.file_reports import (
    naming,
    open_set_limits,
    report_regdb,
    report_sysu,
)
from mmgl.evaluation.ranking import DISTANCES, TIE_RULES, Reranking
from mmgl.evaluation.reports import document_key
from mmgl.evaluation.significance import bootstrap_intervals, compare_people
from mmgl.protocols.galleries import DRAWS
from mmgl.utils.arguments import add_rerank_option, natural, output_file, seed
from mmgl.utils.errors import ConfigError, report_errors
from mmgl.utils.files import check_output, write_json

PROTOCOLS = ('sysu', 'regdb')
DEFAULT_SAMPLES = 1000


def evaluate_features(
    features: str | Path,
    protocol: str,
    data_root: str | Path | None = None,
    distance: str = 'euclidean',
    draw: str = 'official',
    ties: str | None = None,
    partial: bool = False,
    rerank: object = None,
    open_set: bool = True,
    calibrate: str | Path | None = None,
    bootstrap: int = 0,
    against: str | Path | None = None,
    seed: int = 0,
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
        rerank: True, or some of k1, k2, lambda: k-reciprocal re-ranking, too.
        open_set: TPIR at FPIR of 1 % and 10 %, too.
        calibrate: Features of validation identities to choose the thresholds
            by.
        bootstrap: How often people are resampled for 95 % intervals.
        against: Features of the same images to test the difference to.
        seed: Of the resampling.

    Raises:
        FileNotFoundError: If features or split files are not there.
        ConfigError: For an unknown protocol, files of another form, or
            missing images.
    """
    if protocol not in PROTOCOLS:
        raise ConfigError(
            f'protocol must be one of {PROTOCOLS}, got {protocol!r}'
        )
    if protocol == 'sysu' and data_root is None:
        raise ConfigError("protocol 'sysu' needs data_root")

    def score(file: str | Path, details: Details) -> dict[str, Any]:
        how = partial, details
        if protocol == 'regdb':
            return report_regdb(file, distance, ties, data_root, *how)
        return report_sysu(file, str(data_root), distance, draw, ties, *how)

    with naming('eval-features'):
        details = Details(Reranking.read(rerank), open_set)
    details.by_person = bool(bootstrap or against)
    if calibrate:
        details.open_set = True
        details.limits = open_set_limits(
            calibrate, protocol, data_root, distance, draw
        )
    report = score(features, details)
    settings = report['settings']
    if details.rerank:
        settings['rerank'] = details.rerank.as_dict()
    if details.open_set:
        chosen = str(calibrate) if calibrate else None
        settings['open_set'] = dict(calibrated=chosen)
    if details.by_person:
        samples = bootstrap or DEFAULT_SAMPLES
        settings['bootstrap'] = dict(samples=samples, seed=seed)
        how = samples, seed
        _add(report, 'interval', bootstrap_intervals, details, *how)
    if against:
        other = Details(details.rerank, by_person=True)
        score(against, other)
        settings['against'] = str(against)
        with naming(against):
            _add(report, 'against', compare_people, details, other, *how)
    return report


def _add(
    report: dict[str, Any],
    name: str,
    measure: Callable[..., Any],
    *sources: Any,
) -> None:
    """Measure something of the people of every search."""
    details = [one for one in sources if isinstance(one, Details)]
    end = '_partial' if report['settings'].get('partial') else ''
    for search in details[0].people:
        people = [one.people[search] for one in details]
        found = measure(*people, *sources[len(details) :])
        report[f'{document_key(search)}{end}'][name] = found


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
    _add_detail_options(parser)
    return parser


def _add_detail_options(parser: argparse.ArgumentParser) -> None:
    """Add what is told beyond the usual means."""
    add = parser.add_argument
    add_rerank_option(parser)
    add(
        '--no-open-set',
        dest='open_set',
        action='store_false',
        help='leave out the open-set figures',
    )
    add(
        '--calibrate',
        metavar='FILE',
        help='features of the validation identities, to choose the open-set '
        'thresholds by',
    )
    add(
        '--bootstrap',
        type=natural,
        default=0,
        metavar='N',
        help='95 %% intervals by resampling people N times, such as 1000',
    )
    add(
        '--against',
        metavar='FILE',
        help='features of the same images by another model: is the '
        f'difference significant? ({DEFAULT_SAMPLES} samples, or --bootstrap)',
    )
    add('--seed', type=seed, default=0, help='of the resampling')


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
        print(show_report(report))
        if out:
            write_json(out, report)
