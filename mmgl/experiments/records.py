"""One small JSON file for each finished cell."""

import platform
from collections.abc import Callable, Mapping
from math import inf
from pathlib import Path
from statistics import mean
from typing import Any

from mmgl.evaluation.documents import read_report
from mmgl.utils.errors import ConfigError
from mmgl.utils.versions import package_versions

from .cells import Cell
from .options import Options
from .stage import Stage, with_needs
from .state import StageState, read_json, write_json
from .tables import FAIL, GROUPS, MEASURES, TABLES

Record = dict[str, Any]
Records = Mapping[Cell, Record]


def record_path(folder: Path, cell: Cell) -> Path:
    """Where the record of a cell lies in the folder of all results."""
    return folder / cell.scale / f'{cell.name}.json'


def is_recorded(folder: Path, cell: Cell, stage: Stage) -> bool:
    """Whether a cell has a record of its evaluation as planned now."""
    record = read_json(record_path(folder, cell)) or {}
    return record.get('fingerprint') == stage.fingerprint


def write_record(
    options: Options,
    cell: Cell,
    stage: Stage,
    seconds: Mapping[str, float],
    diverged: Mapping[str, str],
) -> Path:
    """Write the record of a cell whose evaluation has ended.

    ``seconds`` and ``diverged``, the verdicts, are by name of the stage.
    """
    line = [s for s in with_needs([stage]) if s.kind != 'data']
    failed = next((s for s in line if s.name in diverged), None)
    metrics: Any = FAIL
    about: dict[str, Any] = {}
    if failed is None:
        metrics, about = read_report(stage.outputs[0])
    record = {
        'cell': cell.to_dict(),
        'metrics': metrics,
        'verdict': failed and diverged[failed.name],
        'failed_stage': failed and failed.kind,
        **_circumstances(line, seconds),
        'device': about.get('device'),
    }
    if options.overrides:
        record['overrides'] = dict(options.overrides)
    if fault := _fault(cell, record):
        raise ConfigError(
            f'{stage.outputs[0]} is no test of {cell.name} ({fault}); move '
            f'{stage.work_dir} away and give the same command again.'
        )
    if failed is None:
        found = record['metrics']
        record['metrics'] = {k: round(float(found[k]), 4) for k in found}
    return write_json(record_path(options.results, cell), record)


def _circumstances(
    line: list[Stage], seconds: Mapping[str, float]
) -> dict[str, Any]:
    """Say how the stages of a cell were run, of which the last tests it."""
    configs = {s.kind: Path(str(s.config)).name for s in line}
    timed = [s for s in line if s.name in seconds]
    threads = {n for s in line for n in StageState(s).saved.get('threads', ())}
    return {
        'config': configs['evaluate'],
        'pretraining': configs.get('pretrain'),
        'fingerprint': line[-1].fingerprint,
        'seconds': {s.kind: round(seconds[s.name], 1) for s in timed},
        'threads': sorted(threads),
        'versions': package_versions(),
        'machine': platform.platform(),
    }


def measured_seconds(records: Records) -> dict[tuple[str, str], float]:
    """Average how long stages took, by kind and name of the config."""
    found: dict[tuple[str, str], list[float]] = {}
    for record in records.values():
        # A diverged training ended early.
        timed = record.get('seconds', {}) if record['metrics'] != FAIL else {}
        for kind, seconds in timed.items():
            key = 'pretraining' if kind == 'pretrain' else 'config'
            if record.get(key):
                found.setdefault((kind, record[key]), []).append(seconds)
    return {key: mean(values) for key, values in found.items()}


def mark_stale(
    records: Records, scale: str, plan: Callable[[Cell], Stage]
) -> dict[Cell, Record]:
    """Say of each record that some table shows whether it is ``stale``.

    That is one whose fingerprint is not that of the evaluation planned now.
    """
    tables = [table for table in TABLES.values() if scale in table.scales]
    shown = {row.run for table in tables for row in table.rows(scale)}
    marked = {}
    for cell, record in records.items():
        if cell.run in shown:
            stale = record.get('fingerprint') != plan(cell).fingerprint
            marked[cell] = {**record, 'stale': stale}
    return marked


def load_records(folder: Path, scale: str) -> dict[Cell, Record]:
    """Read all records of a scale; a file that is none is a ValueError."""
    records = {}
    for path in sorted((folder / scale).glob('*.json')):
        record = read_json(path) or {}
        try:
            cell = Cell(**record['cell'])
            fault = _fault(cell, record)
            if record_path(folder, cell) != path:
                fault = f'that of {cell.name} at scale {cell.scale}'
        except (TypeError, KeyError, AttributeError) as error:
            fault = f'{type(error).__name__}: {error}'
        if fault:
            raise ConfigError(
                f'{path} is no record of a cell ({fault}); '
                'remove it or run the cell again'
            )
        records[cell] = record
    return records


def _fault(cell: Cell, record: Record) -> str:
    """Say what of a record cannot be; what it lacks may be a KeyError."""
    metrics, _ = record['metrics'], record['verdict']
    wrong = {
        f'seconds/{kind} = {value}'
        for kind, value in record['seconds'].items()
        if not 0 <= value < inf
    }
    if metrics != FAIL:
        regdb = cell.data == 'regdb'
        groups = [group for group in GROUPS if ('_to_' in group) == regdb]
        keys = {f'{group}/{name}' for group in groups for name in MEASURES}
        wrong |= {f'no {key}' for key in keys - metrics.keys()}
        wrong |= {
            f'{key} = {value}'
            for key, value in metrics.items()
            if not 0 <= value <= 100
        }
    return ', '.join(sorted(wrong))
