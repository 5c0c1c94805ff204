"""One small JSON file for each finished cell."""

import json
import platform
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import mean

from mmgl.experiments.jobs import (
    Stage,
    StageState,
    read_json,
    with_needs,
    write_json,
)
from mmgl.utils.device import device_name
from mmgl.utils.versions import package_versions

from .cells import Cell
from .tables import rows_of

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


def write_record(
    folder: Path,
    cell: Cell,
    stage: Stage,
    seconds: Mapping[str, float],
    diverged: Mapping[str, str],
    overrides: Mapping | None = None,
) -> Path:
    """Write the record of a finished cell.

    Args:
        folder: Folder of all results.
        cell: The cell.
        stage: Its evaluation.
        seconds: Duration by name of the stage.
        diverged: Verdict by name of the stage, of those that diverged.
        overrides: What the user changed in every training, if anything.

    Returns:
        The path of the record.
    """
    line = [s for s in with_needs([stage]) if s.kind != 'data']
    failed = next((s for s in line if s.name in diverged), None)
    metrics = FAIL
    if failed is None:
        values = json.loads(stage.outputs[0].read_text())['metrics']
        metrics = {key: round(float(v), 4) for key, v in values.items()}
    configs = {s.kind: s.config and Path(s.config).name for s in line}
    states = [StageState(s).saved or {} for s in line]
    path = record_path(folder, cell)
    write_json(
        path,
        {
            'cell': cell.to_dict(),
            'metrics': metrics,
            'verdict': failed and diverged[failed.name],
            'failed_stage': failed and failed.kind,
            'config': configs['evaluate'],
            'pretraining': configs.get('pretrain'),
            'fingerprint': stage.fingerprint,
            'seconds': {
                s.kind: round(seconds[s.name], 1)
                for s in line
                if s.name in seconds
            },
            'threads': sorted(
                {n for state in states for n in state.get('threads', ())}
            ),
            'versions': package_versions(),
            'machine': platform.platform(),
            'device': device_name(),
            **({'overrides': dict(overrides)} if overrides else {}),
        },
    )
    return path


def measured_seconds(records: Mapping[Cell, dict]) -> dict:
    """Average how long stages took, for the estimate.

    Args:
        records: Record by cell.

    Returns:
        Seconds by (kind, name of the config).
    """
    found: dict[tuple[str, str], list[float]] = {}
    for record in records.values():
        # A diverged training ended early.
        if record['metrics'] == FAIL:
            continue
        for kind, seconds in record.get('seconds', {}).items():
            config = record.get(
                'pretraining' if kind == 'pretrain' else 'config'
            )
            if config:
                found.setdefault((kind, config), []).append(seconds)
    return {key: mean(values) for key, values in found.items()}


def mark_stale(
    records: Mapping[Cell, dict], scale: str, plan: Callable[[Cell], Stage]
) -> dict[Cell, dict]:
    """Say of each record whether it would be made otherwise now.

    Args:
        records: Record by cell.
        scale: Their scale.
        plan: Plans the evaluation of a cell.

    Returns:
        The records that some table shows, each with ``stale``: whether its
        fingerprint is not that of the plan.
    """
    shown = {(row.method, row.init, row.data) for row in rows_of(scale)}
    return {
        cell: {
            **record,
            'stale': record.get('fingerprint') != plan(cell).fingerprint,
        }
        for cell, record in records.items()
        if (cell.method, cell.init, cell.data) in shown
    }


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
            raise ValueError(
                f'{path} is no record of a cell ({error}); '
                'remove it or run the cell again'
            ) from error
        records[cell] = record
    return records
