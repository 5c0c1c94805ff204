"""Reports from files of searches of one's own, and of LLCM."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mmgl.protocols.cross import check_complete

from .cross_reports import evaluate_cross, evaluate_llcm
from .details import Details
from .features_io import load_features
from .file_reports import DEFAULT_TIES, Check, lay_out, naming, notes_of


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

    ``search`` is for :func:`evaluate_cross`; 'llcm' takes none. ``labels``
    (n, 4), of the images that must be there, are pid, camid, modality and
    index; without them, gaps in ``index`` are what tells that images are
    missing. Returns a :func:`report_document` with ``settings``; see
    :func:`.file_reports.report_sysu` for ``partial``, ``details``, ``check``.
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
        images = data.features, data.pids, data.camids
        if protocol == 'llcm':
            trials = evaluate_llcm(*images, data.modality, data.index, **how)
        else:
            how.update(search, role=data.role)
            trials = evaluate_cross(*images, data.modality, data.index, **how)
    settings = dict(protocol=protocol, distance=distance, ties=ties)
    kept = {k: v for k, v in search.items() if k in ('same_camera', 'cmc')}
    return lay_out(trials, {**settings, **kept, **notes}, partial)
