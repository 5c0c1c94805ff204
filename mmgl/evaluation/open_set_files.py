"""Open-set thresholds from files."""

from pathlib import Path
from typing import Any

from .cross_files import report_cross
from .details import Details
from .file_reports import report_regdb, sysu_trials
from .ranking.open_set import thresholds


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
    """Choose thresholds by features of other identities than are tested.

    Those of SYSU-MM01 are the validation identities, of which all images are
    needed; of other data any file of its form is taken, so ``labels`` and
    ``check``, of the test images, are left alone. ``search`` is for
    :func:`.cross_reports.evaluate_cross`. Returns name of the search ->
    ``Details.limits``.
    """
    found = Details(open_set=True)
    if protocol == 'sysu' and data_root is not None:
        how = distance, draw, 'expected', False
        sysu_trials(features, data_root, 'val', *how, found)
    elif protocol in ('llcm', 'cross'):
        report_cross(features, protocol, distance, None, True, found, **search)
    else:
        report_regdb(features, distance, partial=True, details=found)
    return {name: thresholds(one) for name, one in found.others.items()}
