"""Measure the evaluation against its limits, and against AGW's evaluator.

A limit is the work that no evaluation by sorting can avoid: one float32
matrix product and one ``argsort`` of each gallery that a protocol asks for.
Features are random around a centre for each identity, as many as the
benchmarks have images.
"""

import argparse
import runpy
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from evaluation_cases import (
    Floats,
    Search,
    against_limit,
    identity_features,
    large_case,
    regdb_case,
    sysu_case,
)
from threadpoolctl import threadpool_limits

from mmgl.evaluation.ranking import RankingScores, distances_between
from mmgl.evaluation.reports import evaluate_sysu, sysu_galleries
from mmgl.utils.benchmark import (
    Figure,
    alternate,
    peak_memory,
    report,
    run_python,
)

MODES, SHOTS = ('all', 'indoor'), (1, 10)
Figures = Iterator[Figure]


def sort_rows(distances: Floats) -> None:
    """Argsort as an evaluation would at best: while rows are in the cache."""
    for start in range(0, len(distances), 256):
        np.argsort(distances[start : start + 256], axis=1)


def host_limit(
    query: Floats, pool: Floats, columns: Sequence[np.ndarray]
) -> Callable[[], None]:
    """One product, into memory in use, and an argsort of each gallery."""
    product = -query @ pool.T
    parts = [product[:, own] for own in columns]

    def limit() -> None:
        np.matmul(query, pool.T, out=product)
        for part in parts:
            sort_rows(part)

    return limit


def measure_sysu(options: argparse.Namespace) -> Figures:
    """Whole report: both modes, both shot numbers, all trials."""
    case = sysu_case(options.data_root, options.scale)
    features, infrared = identity_features(case.pids, 2048, 4), case.infrared
    mask, make_limit, timing, where = infrared, host_limit, (), ''
    if options.device != 'cpu':
        # torch alone takes as much memory as the large gallery may.
        import evaluation_device

        features = evaluation_device.placed(features, options.device)
        mask = evaluation_device.placed(infrared, options.device)
        make_limit = evaluation_device.sysu_limit
        timing = (evaluation_device.clock(options.device),)
        where = f', {options.device}'
    query, pool = features[mask], features[~mask]
    labels = case.pids, case.camids
    drawn = case.index, case.rand_perm_cam, MODES, SHOTS, options.trials
    galleries = sysu_galleries(*labels, *drawn, 'official')
    column = np.cumsum(~infrared) - 1
    columns = [column[rows] for rows in galleries.values()]
    modality = infrared.astype(np.int64)
    yield against_limit(
        f'SYSU-MM01 report, {len(columns)} galleries{where}',
        make_limit(query, pool, columns),
        lambda: evaluate_sysu(features, *labels, modality, *drawn),
        1.0,
        f'{len(query)} queries, pool of {len(pool)}, 2048-d, from features '
        'to figures; aim 0.7; limit: product and argsorts',
        options.repeats,
        *timing,
    )


def measure_one(
    name: str, case: Search, target: float, repeats: int
) -> Figure:
    """One gallery, from a finished distance matrix."""
    product = -case.query @ case.gallery.T

    def limit() -> None:
        np.matmul(case.query, case.gallery.T, out=product)
        sort_rows(product)

    def ours() -> None:
        case.score(product)

    size = f'{len(case.query)} x {len(case.gallery)}'
    note = f'from {size} distances; limit: product and argsort'
    return against_limit(name, limit, ours, target, note, repeats)


def measure_regdb(options: argparse.Namespace) -> Figures:
    """One direction."""
    case = regdb_case(options.scale)
    yield measure_one('RegDB direction', case, 0.5, options.repeats)


def measure_trial(options: argparse.Namespace) -> Figures:
    """Single trials of SYSU-MM01, all search."""
    case = sysu_case(options.data_root, options.scale)
    for name, shots, target in (('single', 1, 0.55), ('multi', 10, 0.45)):
        name = f'SYSU-MM01 trial, {name} shot'
        yield measure_one(name, case.trial(shots), target, options.repeats)


def measure_large(options: argparse.Namespace) -> Figures:
    """Exact scores of 5,000 queries among 100,000, by blocks of distances."""
    for name, noise in (('features of a model', 2), ('chance level', 1000)):
        case = large_case(options.scale, noise)
        out = np.zeros((512, len(case.gallery)), dtype=np.float32)

        def limit(case: Search = case, out: Floats = out) -> None:
            for start in range(0, len(case.query), len(out)):
                part = case.query[start : start + len(out)]
                np.matmul(part, case.gallery.T, out=out[: len(part)])

        size = f'{len(case.query)} x {len(case.gallery)} x 512-d'
        yield against_limit(
            f'large gallery, {name}',
            limit,
            partial(score_large, case),
            1.5,
            f'{size}, mAP {100 * score_large(case).mAP:.1f} %; limit: the '
            'bare product into memory in use',
            options.repeats,
        )


def score_large(case: Search) -> RankingScores:
    """Score from features."""
    return case.score(distances_between(case.query, case.gallery))


def measure_memory(options: argparse.Namespace) -> Figures:
    """Peak memory of the large search, in a process of its own."""
    scale = str(options.scale)
    done = run_python(__file__, '--peak', '--scale', scale, capture=True)
    done.check_returncode()
    note = 'whole process, its 0.2 GiB of features included'
    name = 'large gallery, peak memory'
    yield Figure(name, float(done.stdout), 1.0, 'GiB', note=note)


def measure_peers(options: argparse.Namespace) -> Figures:
    """AGW's ``eval_metrics.py`` as it is, on the same distances."""
    if options.peer_agw is None:
        print('peers: none given; see --peer-agw.')
        return
    path = Path(options.peer_agw, 'eval_metrics.py')
    if not path.is_file():
        raise FileNotFoundError(f'{path} does not exist; give a checkout.')
    agw = runpy.run_path(str(path))
    trial = sysu_case(options.data_root, options.scale).trial(1)
    for name, search, evaluate in (
        ('RegDB direction', regdb_case(options.scale), agw['eval_regdb']),
        ('SYSU-MM01 trial, single shot', trial, agw['eval_sysu']),
    ):
        yield compare(f'agw, {name}', search, evaluate, options.repeats)


def compare(
    name: str, search: Search, evaluate: Callable, repeats: int
) -> Figure:
    """Time of a peer over ours, and how far the scores are apart."""
    distances = -search.query @ search.gallery.T
    labels = search.query_pids, search.gallery_pids, *(search.camids or ())
    theirs, ours = [], []
    seconds = alternate(
        dict(
            ours=lambda: ours.append(search.score(distances)),
            theirs=lambda: theirs.append(evaluate(distances.copy(), *labels)),
        ),
        max(1, repeats // 3),  # the peer takes long
    )
    (cmc, mean_ap, minp), mine = theirs[0], ours[0]
    gaps = dict(
        R1=cmc[0] - mine.cmc[0], mAP=mean_ap - mine.mAP, mINP=minp - mine.mINP
    )
    shown = ', '.join(f'{key} {100 * gap:+.4f}' for key, gap in gaps.items())
    note = f'times our {seconds["ours"]:.3f} s; theirs minus ours in points: '
    ratio = seconds['theirs'] / seconds['ours']
    return Figure(name, ratio, 1.0, at_least=True, note=note + shown)


ON_HOST = dict(
    sysu=measure_sysu,
    regdb=measure_regdb,
    trial=measure_trial,
    large=measure_large,
    memory=measure_memory,
    peers=measure_peers,
)


def measure(options: argparse.Namespace) -> Figures:
    """Measure what is asked for."""
    subjects = ON_HOST
    if options.device != 'cpu':
        import evaluation_device

        subjects = dict(
            sysu=measure_sysu,
            large=evaluation_device.measure_large,
            search=evaluation_device.measure_search,
        )
    for subject, measure_subject in subjects.items():
        if subject in options.only:
            for figure in measure_subject(options):
                if options.scale != 1 and subject != 'search':
                    figure.target = None  # it is that of the true sizes
                yield figure


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add, subjects = parser.add_argument, [*ON_HOST, 'search']
    add(
        '--only',
        nargs='+',
        choices=subjects,
        default=subjects,
        metavar='SUBJECT',
        help=f'of {", ".join(subjects)}; on a device sysu, large and search',
    )
    add('--repeats', type=int, default=3)
    add('--trials', type=int, default=10)
    add('--scale', type=float, default=1, help='share of the images')
    add('--data-root', help='SYSU-MM01, or its exp/: true numbers of images')
    add('--device', default='cpu', help="such as 'cuda', for the features")
    add('--peer-agw', metavar='PATH', help='checkout to compare with')
    add('--out', metavar='JSON', help='file for the figures')
    add('--peak', action='store_true', help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> dict[str, object] | None:
    """Measure, print and return the figures."""
    options = parse_args(argv)
    with threadpool_limits(1):
        if options.peak:
            score_large(large_case(options.scale, 2))
            return print(peak_memory())
        return report(
            f'Evaluation, {options.device}, one thread',
            measure(options),
            options.out,
            scale=options.scale,
            repeats=options.repeats,
            numpy=np.__version__,
        )


if __name__ == '__main__':
    main()
