"""Reports from files of any searches, and their thresholds."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mmgl.protocols.cross import check_complete

from .cross_reports import evaluate_cross, evaluate_llcm
from .details import Details
from .features_io import load_features
from .file_reports import (
    DEFAULT_TIES,
    Check,
    lay_out,
    naming,
    notes_of,
    report_regdb,
    report_sysu,
)
from .ranking.open_set import thresholds
from .reports import Trials


def report_cross(
    features: str | Path,
    protocol: str = 'cross',
    distance: str = 'euclidean',
    ties: str | None = None,
    partial: bool = False,
    details: Details | None = None,
    labels: npt.ArrayLike | None = None,
    check: Check | None = None,
    **search: Any,
) -> dict[str, Any]:
    """Score features in an .npz by a search of one's own, or that of LLCM.

    ``search`` is for :func:`evaluate_cross`; ``labels`` (n, 4), pid, camid,
    modality and index, are of the images that must be there. For the rest
    see :func:`.file_reports.report_sysu`.
    """
    ties = ties or DEFAULT_TIES[protocol]
    with naming(features):
        data = load_features(features)
        notes = notes_of(data, distance, check)
        if labels is not None and not partial:
            check_complete(np.stack(data.labels, axis=1), labels)
        how: dict[str, Any] = dict(
            distance=distance, ties=ties, partial=partial, details=details
        )
        evaluate: Callable[..., Trials] = evaluate_llcm
        if protocol == 'cross':
            evaluate = evaluate_cross
            how.update(search, role=data.role)
        trials = evaluate(data.features, *data.labels, **how)
    settings = dict(protocol=protocol, distance=distance, ties=ties)
    kept = {k: v for k, v in search.items() if k in ('same_camera', 'cmc')}
    return lay_out(trials, {**settings, **kept, **notes}, partial)


def open_set_limits(
    features: str | Path,
    protocol: str,
    data_root: str | Path | None,
    distance: str,
    draw: str,
    labels: object = None,
    check: object = None,
    **search: Any,
) -> dict[str, dict[str, float]]:
    """Choose ``Details.limits`` by other identities than are tested.

    Those of SYSU-MM01 are all validation images; of other data any file of
    its form is taken, so ``labels`` and ``check``, of the test, are ignored.
    """
    found = Details(open_set=True)
    if protocol == 'sysu' and data_root is not None:
        how: dict[str, Any] = dict(draw=draw, split='val', details=found)
        report_sysu(features, data_root, distance, 'expected', **how)
    elif protocol in ('llcm', 'cross'):
        report_cross(features, protocol, distance, None, True, found, **search)
    else:
        report_regdb(features, distance, partial=True, details=found)
    return {name: thresholds(one) for name, one in found.others.items()}
