"""One small JSON file for each finished cell."""

import json
import platform
from dataclasses import asdict
from pathlib import Path

from mmgl.apis.jobs import Stage, read_json, write_json
from mmgl.utils.versions import package_versions

from .cells import Cell

FAIL = 'fail'


def record_path(folder: Path, cell: Cell) -> Path:
    """Where the record of a cell lies.

    Args:
        folder: Folder of all results.
        cell: The cell.

    Returns:
        The path.
    """
    return folder / cell.scale / f'{cell.name}.json'


def is_recorded(folder: Path, cell: Cell, stage: Stage) -> bool:
    """Whether a cell is finished, with the configs of today.

    Args:
        folder: Folder of all results.
        cell: The cell.
        stage: Its evaluation as planned now.

    Returns:
        Whether a record with the same fingerprint exists.
    """
    record = read_json(record_path(folder, cell))
    return bool(record) and record.get('fingerprint') == stage.fingerprint


def write_record(folder: Path, cell: Cell, stage: Stage,
                 seconds: dict[str, float], verdict: str | None) -> Path:
    """Write the record of a finished cell.

    Args:
        folder: Folder of all results.
        cell: The cell.
        stage: Its evaluation.
        seconds: Duration by stage.
        verdict: Why the training diverged; None takes the metrics.

    Returns:
        The path of the record.
    """
    metrics = FAIL
    if verdict is None:
        values = json.loads(stage.outputs[0].read_text())['metrics']
        metrics = {key: round(float(v), 4) for key, v in values.items()}
    path = record_path(folder, cell)
    write_json(
        path, {
            'cell': asdict(cell),
            'metrics': metrics,
            'verdict': verdict,
            'config': Path(stage.config).name,
            'fingerprint': stage.fingerprint,
            'seconds': {
                kind: round(value, 1) for kind, value in seconds.items()
            },
            'versions': package_versions(),
            'machine': platform.platform(),
        })
    return path


def load_records(folder: Path, scale: str) -> dict[Cell, dict]:
    """Read all records of a scale.

    Args:
        folder: Folder of all results.
        scale: Key of ``SCALES``.

    Returns:
        Record by cell.

    Raises:
        ValueError: If a file there is no record.
    """
    records = {}
    for path in sorted((folder / scale).glob('*.json')):
        record = read_json(path)
        try:
            cell = Cell(**record['cell'])
            record['metrics']
        except (TypeError, KeyError) as error:
            raise ValueError(f'{path} is no record of a cell ({error}); '
                             'remove it or run the cell again') from error
        records[cell] = record
    return records
