"""Score features in files, from any code base (docs/evaluation.md)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mmgl.evaluation.cross_files import open_set_limits, report_cross
from mmgl.evaluation.details import Details
from mmgl.evaluation.documents import show_report
from mmgl.evaluation.features_io import FeatureSet
from mmgl.evaluation.file_reports import naming, report_regdb, report_sysu
from mmgl.evaluation.ranking import Reranking
from mmgl.evaluation.reports import document_key
from mmgl.evaluation.significance import bootstrap_intervals, compare_people
from mmgl.utils.errors import ConfigError, report_errors
from mmgl.utils.files import write_json

from .scoring_options import DEFAULT_SAMPLES, PROTOCOLS, scoring_parser

SEARCH = ('table', 'directions', 'same_camera', 'shots', 'trials', 'cmc')


def evaluate_features(
    features: str | Path,
    protocol: str,
    data_root: str | Path | None = None,
    distance: str = 'euclidean',
    draw: str = 'official',
    ties: str | None = None,
    partial: bool = False,
    allow_seen: bool = False,
    rerank: object = None,
    open_set: bool = True,
    calibrate: str | Path | None = None,
    bootstrap: int = 0,
    against: str | Path | None = None,
    seed: int = 0,
    table: str | None = None,
    **search: Any,
) -> dict[str, Any]:
    """Score features by the protocol of a benchmark, or one of one's own.

    Args:
        features: ``.npz``; for 'sysu' also a folder or prefix of
            ``NAME_cam1..6.mat``, for 'regdb' a folder or pattern of one
            ``.npz`` a trial.
        protocol: 'sysu', as its official MATLAB code; 'regdb'; 'llcm'; or
            'cross', for any data.
        data_root: Root of SYSU-MM01, or its ``exp/``; of RegDB, or its
            ``idx/``, of LLCM, or of own data, to compare the images with
            its lists (optional).
        distance: 'euclidean' or 'cosine'.
        draw: How single-shot galleries are drawn, 'official' or
            'random_seeded' (sysu only).
        ties: 'gallery_order' (as MATLAB's stable sort; sysu's default) or
            'expected' (over all orders of tied images; regdb's default).
        partial: Score features of some of the images; the names of the
            searches then end in '_partial'.
        allow_seen: Score, and mark, features of a network that has seen the
            identities in training, as far as the file says.
        rerank: True, or some of k1, k2, lambda: k-reciprocal re-ranking, too.
        open_set: TPIR at FPIR of 1 % and 10 %, too.
        calibrate: Features of validation identities to choose the thresholds
            by.
        bootstrap: How often people are resampled for 95 % intervals.
        against: Features of the same images to test the difference to.
        seed: Of the resampling.
        table: Of own data; see :class:`mmgl.datasets.ReIDTable`.
        **search: For 'cross', see :func:`mmgl.evaluation.evaluate_cross`.

    Raises:
        FileNotFoundError: If features or split files are not there.
        ConfigError: For an unknown protocol, files of another form,
            missing images, or identities that were seen.
    """
    if protocol not in PROTOCOLS:
        raise ConfigError(
            f'protocol must be one of {PROTOCOLS}, got {protocol!r}'
        )
    if protocol == 'sysu' and data_root is None:
        raise ConfigError("protocol 'sysu' needs data_root")
    score = _Scorer(
        protocol, (distance, ties, partial), data_root, draw, allow_seen
    )
    if protocol in ('llcm', 'cross') and data_root is not None:
        score.compare(table)
    score.search.update(search)
    with naming('eval-features'):
        details = Details(Reranking.read(rerank), open_set)
    if against:
        bootstrap = bootstrap or DEFAULT_SAMPLES
    details.by_person = bootstrap > 0
    if calibrate:
        details.open_set = True
        details.limits = open_set_limits(
            calibrate, protocol, data_root, distance, draw, **search
        )
    report = score(features, details)
    settings = report['settings']
    if details.rerank:
        settings['rerank'] = details.rerank.as_dict()
    if details.open_set:
        settings['open_set'] = dict(calibrated=calibrate and str(calibrate))
    if details.by_person:
        settings['bootstrap'] = dict(samples=bootstrap, seed=seed)
        how = bootstrap, seed
        _add(report, 'interval', bootstrap_intervals, details, *how)
    if against:
        other = Details(details.rerank, by_person=True)
        score(against, other)
        settings['against'] = str(against)
        with naming(against):
            _add(report, 'against', compare_people, details, other, *how)
    return report


@dataclass
class _Scorer:
    """Scores files by a protocol."""

    protocol: str
    how: tuple[str, str | None, bool]
    data_root: str | Path | None
    draw: str
    allow_seen: bool
    # Data sets to score, as far as they are more than their name.
    scored: list[dict[str, Any]] = field(default_factory=list)
    search: dict[str, Any] = field(default_factory=dict)

    def __call__(self, file: str | Path, details: Details) -> dict[str, Any]:
        how = *self.how, details
        if self.protocol == 'sysu':
            root = str(self.data_root)
            return report_sysu(file, root, *how, self.draw, self.check)
        if self.protocol == 'regdb':
            return report_regdb(file, *how, self.data_root, self.check)
        return report_cross(
            file, self.protocol, *how, check=self.check, **self.search
        )

    def check(self, data: FeatureSet) -> str | None:
        """Refuse, or tell of, features of identities that were seen."""
        from mmgl.checkpoints import provenance

        scored: dict[str, Any] = dict(dataset=self.protocol, trial=data.trial)
        if self.protocol in ('sysu', 'llcm'):  # others count anew
            pids = np.unique(data.pids).tolist()
            scored = dict(dataset=self.protocol, split='test', pids=pids)
        return provenance.check_seen(
            provenance.seen_by({provenance.SEEN_KEY: data.seen}),
            self.scored or [scored],
            'the network',
            self.allow_seen,
        )

    def compare(self, table: str | None) -> None:
        """Compare the images of files with those to test."""
        # It takes seconds.
        from mmgl.checkpoints.provenance import entries_of
        from mmgl.datasets import LLCM, ReIDTable

        root = str(self.data_root)
        if self.protocol == 'cross':
            data = ReIDTable(root, 'test', table, lazy_init=True)
            self.scored = entries_of(data)
        else:
            data = LLCM(root, 'test')
        self.search['labels'] = data.labels()


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


def run_scoring(arguments: Sequence[str] | None = None) -> None:
    """Score the features, print a table, write the JSON."""
    parser = scoring_parser()
    options = vars(parser.parse_args(arguments))
    if options['protocol'] == 'sysu' and not options['data_root']:
        parser.error('--protocol sysu needs --data-root')
    given = {k: options.pop(k) for k in SEARCH}
    search = {k: v for k, v in given.items() if v is not None}
    if search and options['protocol'] != 'cross':
        names = ', '.join(f'--{k.replace("_", "-")}' for k in search)
        parser.error(f'{names}: only --protocol cross takes this')
    if search.get('table') and not options['data_root']:
        parser.error('--table needs --data-root')
    out = options.pop('out')
    with report_errors():
        report = evaluate_features(**options, **search)
        print(show_report(report))
        if out:
            write_json(out, report)
