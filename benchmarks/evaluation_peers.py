"""Run the evaluators of other projects, from a checkout of theirs.

Their files are loaded by path and run as they are; packages are entered
without their ``__init__``, which may ask for more than the evaluator needs.
"""

import sys
import types
from importlib import import_module
from pathlib import Path

import numpy as np

from mmgl.evaluation.ranking import score_galleries
from mmgl.utils.benchmark import Figure, alternate


def _enter(name, folder, file):
    """Import ``file`` of a package without running the package itself."""
    folder = Path(folder)
    if not (folder / f'{file}.py').is_file():
        raise FileNotFoundError(
            f'{folder / file}.py does not exist; give the root of a checkout '
            'of the peer.'
        )
    parts = name.split('.')
    for depth in range(1, len(parts) + 1):
        package = types.ModuleType('.'.join(parts[:depth]))
        package.__path__ = [
            str(folder.parents[len(parts) - depth - 1])
            if depth < len(parts)
            else str(folder)
        ]
        sys.modules[package.__name__] = package
    return import_module(f'{name}.{file}')


def load_agw(root):
    """Load ``eval_metrics.py`` of Cross-Modal-Re-ID-baseline.

    Args:
        root (str): Checkout.

    Returns:
        dict[str, Callable]: What it is called, and a function that takes a
        :class:`Search` and its distances and gives R1, mAP and mINP, the
        latter None if not computed.
    """
    module = _enter('peer_agw', root, 'eval_metrics')

    def evaluate(search, distances):
        if search.query_locations is None:
            cmc, ap, inp = module.eval_regdb(
                distances, search.query_pids, search.gallery_pids
            )
        else:
            cmc, ap, inp = module.eval_sysu(
                distances,
                search.query_pids,
                search.gallery_pids,
                search.query_camids,
                search.gallery_camids,
            )
        return cmc[0], ap, inp

    return {'agw': evaluate}


def load_fastreid(root):
    """Load ``fastreid/evaluation/rank.py``; see :func:`load_agw`."""
    module = _enter(
        'peer_fastreid', Path(root) / 'fastreid/evaluation', 'rank'
    )

    def summarise(cmc, ap, inp):
        return cmc[0], np.mean(ap), np.mean(inp)

    return _variants('fastreid', module, summarise)


def load_torchreid(root):
    """Load ``torchreid/metrics/rank.py``; see :func:`load_agw`."""
    module = _enter(
        'torchreid.metrics', Path(root) / 'torchreid/metrics', 'rank'
    )

    def summarise(cmc, ap):
        return cmc[0], ap, None

    return _variants('torchreid', module, summarise)


def _variants(peer, module, summarise):
    """The evaluator in Python and, if it is built in the checkout, in C."""

    def variant(compiled):
        def evaluate(search, distances):
            return summarise(
                *module.evaluate_rank(
                    distances,
                    search.query_pids,
                    search.gallery_pids,
                    *_cameras(search),
                    max_rank=20,
                    use_cython=compiled,
                )
            )

        return evaluate

    found = {f'{peer}, Python': variant(False)}
    if module.IS_CYTHON_AVAI:
        found[f'{peer}, compiled'] = variant(True)
    return found


LOADERS = dict(agw=load_agw, fastreid=load_fastreid, torchreid=load_torchreid)


def _cameras(search):
    """Cameras, with camera 3 called 2, as users of those projects must do."""
    query = search.query_camids
    return np.where(query == 3, 2, query), search.gallery_camids


def compare(name, evaluate, search, repeats):
    """Time a peer and this project on the same distances.

    Args:
        name (str): Of the figure.
        evaluate (Callable): See :func:`load_agw`.
        search (Search): The search.
        repeats (int): How often to time; a peer once, it takes long.

    Returns:
        Figure: Time of the peer over this project's, and how far the
        scores are apart in percent points.
    """
    distances = -search.query @ search.gallery.T
    cmc = 'standard' if search.query_locations is None else 'unique_identity'
    theirs, ours = [], []
    seconds = alternate(
        dict(
            ours=lambda: ours.extend(
                score_galleries(
                    distances,
                    search.query_pids,
                    search.gallery_pids,
                    None,
                    search.query_locations,
                    search.gallery_locations,
                    cmc,
                )
            ),
            theirs=lambda: theirs.append(evaluate(search, distances.copy())),
        ),
        max(1, repeats // 3),
    )
    gaps = [
        f'{key} {100 * (value - mine):+.4f}'
        for key, value, mine in zip(
            ('R1', 'mAP', 'mINP'),
            theirs[0],
            (ours[0].cmc[0], ours[0].mAP, ours[0].mINP),
            strict=True,
        )
        if value is not None
    ]
    return Figure(
        name,
        seconds['theirs'] / seconds['ours'],
        1.0,
        at_least=True,
        note=f'times our {seconds["ours"]:.3f} s; theirs minus ours in '
        f'points: {", ".join(gaps)}',
    )
