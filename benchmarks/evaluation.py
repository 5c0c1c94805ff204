"""Measure the evaluation against its limits, and against other evaluators.

A limit is the work that no evaluation by sorting can avoid: one float32
matrix product and one ``argsort`` of each gallery that a protocol asks for.
Features are random around a centre for each identity, as many as the
benchmarks have images.

Example:
    python benchmarks/evaluation.py --out evaluation.json
    python benchmarks/evaluation.py --only sysu --data-root \
        data/SYSU-MM01
    python benchmarks/evaluation.py --only peers \
        --peer-agw ../Cross-Modal-Re-ID-baseline
"""

import argparse
import time

import evaluation_peers as peers
import numpy as np
from evaluation_cases import (
    identity_features,
    large_case,
    regdb_case,
    sysu_case,
)
from threadpoolctl import threadpool_limits

from mmgl.evaluation.ranking import distances_between, score_galleries
from mmgl.evaluation.reports import evaluate_sysu, sysu_galleries
from mmgl.protocols.sysu import sysu_locations
from mmgl.utils.benchmark import (
    Figure,
    alternate,
    peak_memory,
    report,
    run_python,
)

MODES, SHOTS = ('all', 'indoor'), (1, 10)


def sort_rows(distances):
    """Argsort as an evaluation would at best: while rows are in the cache.

    Args:
        distances (np.ndarray): (n, m).
    """
    for start in range(0, len(distances), 256):
        np.argsort(distances[start : start + 256], axis=1)


def measure_sysu(options):
    """Whole report: both modes, both shot numbers, all trials.

    Args:
        options (argparse.Namespace): Command line options.

    Returns:
        list[Figure]: The ratio.
    """
    case = sysu_case(options.data_root, options.scale)
    features = identity_features(case.pids, 2048, noise=4)
    infrared = case.modality == 1
    query, pool = features[infrared], features[~infrared]
    product = -query @ pool.T
    galleries = sysu_galleries(
        case.pids,
        case.camids,
        case.index,
        case.rand_perm_cam,
        MODES,
        SHOTS,
        options.trials,
        'official',
    )
    column = np.cumsum(~infrared) - 1
    parts = [product[:, column[rows]] for rows in galleries.values()]

    def limit():
        np.matmul(query, pool.T, out=product)
        for part in parts:
            sort_rows(part)

    found = alternate(
        dict(
            limit=limit,
            ours=lambda: evaluate_sysu(
                features,
                case.pids,
                case.camids,
                case.modality,
                case.index,
                case.rand_perm_cam,
                MODES,
                SHOTS,
                options.trials,
            ),
        ),
        options.repeats,
    )
    return [
        Figure(
            f'SYSU-MM01 report, {len(parts)} galleries',
            found['ours'] / found['limit'],
            1.0,
            note=f'{len(query)} queries, pool of {len(pool)}, 2048-d; limit '
            f'{found["limit"]:.2f} s; from features to figures; aim 0.7',
        )
    ]


def measure_search(name, case, target, cmc, repeats):
    """One gallery, from a finished distance matrix.

    Args:
        name (str): What it is called.
        case (Search): Features and labels.
        target (float): Of the ratio.
        cmc (str): Kind of the CMC.
        repeats (int): How often to time.

    Returns:
        Figure: The ratio.
    """
    product = -case.query @ case.gallery.T

    def limit():
        np.matmul(case.query, case.gallery.T, out=product)
        sort_rows(product)

    found = alternate(
        dict(
            limit=limit,
            ours=lambda: score_galleries(
                product,
                case.query_pids,
                case.gallery_pids,
                None,
                case.query_locations,
                case.gallery_locations,
                cmc,
            ),
        ),
        repeats,
    )
    return Figure(
        name,
        found['ours'] / found['limit'],
        target,
        note=f'from {len(case.query)} x {len(case.gallery)} distances; '
        f'limit {found["limit"]:.3f} s',
    )


def measure_regdb(options):
    """One direction.

    Args:
        options (argparse.Namespace): Command line options.

    Returns:
        list[Figure]: The ratio.
    """
    return [
        measure_search(
            'RegDB direction',
            regdb_case(options.scale),
            0.5,
            'standard',
            options.repeats,
        )
    ]


def measure_trial(options):
    """Single trials of SYSU-MM01, all search.

    Args:
        options (argparse.Namespace): Command line options.

    Returns:
        list[Figure]: Single and multi shot.
    """
    case = sysu_case(options.data_root, options.scale)
    return [
        measure_search(
            f'SYSU-MM01 trial, {name} shot',
            case.trial(shots, sysu_locations),
            target,
            'unique_identity',
            options.repeats,
        )
        for name, shots, target in (('single', 1, 0.55), ('multi', 10, 0.45))
    ]


def measure_large(options):
    """5,000 queries, 100,000 gallery images.

    Args:
        options (argparse.Namespace): Command line options.

    Returns:
        list[Figure]: For features of a model, and at chance level.
    """
    figures = []
    for name, noise in (('features of a model', 2), ('chance level', 1000)):
        case = large_case(options.scale, noise)
        out = np.zeros((512, len(case.gallery)), dtype=np.float32)
        result = []

        def limit(case=case, out=out):
            for start in range(0, len(case.query), 512):
                part = case.query[start : start + 512]
                np.matmul(part, case.gallery.T, out=out[: len(part)])

        def ours(case=case, result=result):
            result[:] = score_galleries(
                distances_between(case.query, case.gallery),
                case.query_pids,
                case.gallery_pids,
                cmc='standard',
            )

        found = alternate(dict(limit=limit, ours=ours), options.repeats)
        figures.append(
            Figure(
                f'large gallery, {name}',
                found['ours'] / found['limit'],
                1.5,
                note=f'{len(case.query)} x {len(case.gallery)} x 512-d, mAP '
                f'{100 * result[0].mAP:.1f} %; limit: the bare product into '
                f'memory in use, {found["limit"]:.2f} s',
            )
        )
    return figures


def measure_memory(options):
    """Peak memory of the large search, in a process of its own.

    Args:
        options (argparse.Namespace): Command line options.

    Returns:
        list[Figure]: GiB, features and Python included.
    """
    done = run_python(
        __file__, '--peak', '--scale', str(options.scale), capture=True
    )
    done.check_returncode()
    return [
        Figure(
            'large gallery, peak memory',
            float(done.stdout),
            1.0,
            'GiB',
            note='whole process, its 0.2 GiB of features included',
        )
    ]


def print_peak(scale):
    """Run the large search once and print the peak memory in GiB.

    Args:
        scale (float): See ``--scale``.
    """
    case = large_case(scale, 2)
    score_galleries(
        distances_between(case.query, case.gallery),
        case.query_pids,
        case.gallery_pids,
        cmc='standard',
    )
    print(peak_memory())


def measure_peers(options):
    """Other evaluators on the same distances.

    Args:
        options (argparse.Namespace): Command line options.

    Returns:
        list[Figure]: How many times longer each one takes.
    """
    case = sysu_case(options.data_root, options.scale)
    searches = {
        'RegDB direction': regdb_case(options.scale),
        'SYSU-MM01 trial, single shot': case.trial(1, sysu_locations),
    }
    figures = []
    for peer, path in (
        ('agw', options.peer_agw),
        ('fastreid', options.peer_fastreid),
        ('torchreid', options.peer_torchreid),
    ):
        if path is None:
            continue
        for label, evaluate in peers.LOADERS[peer](path).items():
            figures += [
                peers.compare(
                    f'{label}, {name}', evaluate, search, options.repeats
                )
                for name, search in searches.items()
            ]
    if not figures:
        print(
            'peers: none given; see --peer-agw, --peer-fastreid, '
            '--peer-torchreid.'
        )
    return figures


SUBJECTS = dict(
    sysu=measure_sysu,
    regdb=measure_regdb,
    trial=measure_trial,
    large=measure_large,
    memory=measure_memory,
    peers=measure_peers,
)


def parse_args(argv=None):
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Measure the evaluation against its limits.'
    )
    parser.add_argument(
        '--only',
        nargs='+',
        choices=SUBJECTS,
        default=SUBJECTS,
        metavar='SUBJECT',
        help=f'of {", ".join(SUBJECTS)}',
    )
    parser.add_argument('--repeats', type=int, default=3)
    parser.add_argument('--trials', type=int, default=10)
    parser.add_argument(
        '--scale',
        type=float,
        default=1,
        help='share of the number of images; 1 for figures to report',
    )
    parser.add_argument(
        '--data-root',
        help='SYSU-MM01, or its exp/, for the true numbers '
        'of images; else nearly the same, made up',
    )
    parser.add_argument(
        '--device',
        default='cpu',
        help="such as 'cuda': the features are "
        'there; measures the whole report and the large gallery',
    )
    for name in ('agw', 'fastreid', 'torchreid'):
        parser.add_argument(
            f'--peer-{name}',
            metavar='PATH',
            help='a checkout, whose evaluator is run as it is',
        )
    parser.add_argument('--out', metavar='JSON', help='file for the figures')
    parser.add_argument('--peak', action='store_true', help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def main(argv=None):
    """Measure, print and return the figures."""
    options = parse_args(argv)
    start = time.perf_counter()
    with threadpool_limits(1):
        if options.peak:
            return print_peak(options.scale)
        figures = []
        if options.device != 'cpu':
            from evaluation_device import measure_on_device

            figures += measure_on_device(options)
        else:
            for subject, measure in SUBJECTS.items():
                if subject in options.only:
                    figures += measure(options)
    if options.scale != 1:
        for figure in figures:  # targets are those of the true sizes
            figure.target = None
    return report(
        f'Evaluation, {options.device}, one thread',
        figures,
        options.out,
        scale=options.scale,
        repeats=options.repeats,
        numpy=np.__version__,
        seconds=time.perf_counter() - start,
    )


if __name__ == '__main__':
    main()
