"""One small JSON file for each finished cell."""

import platform
from collections.abc import Mapping
from dataclasses import replace
from math import inf
from pathlib import Path
from statistics import mean
from typing import Any

from mmgl.evaluation.documents import read_report
from mmgl.utils.errors import ConfigError
from mmgl.utils.versions import package_versions

from .cells import Cell
from .options import Options
from .plan import Planner
from .stage import Stage, with_needs
from .state import StageState, read_json, write_json
from .tables import FAIL, GROUPS, MEASURES, tables_of

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
    configs = {s.kind: s.config.name for s in line}
    timed = [s for s in line if s.name in seconds]
    threads = {n for s in line for n in StageState(s).saved.get('threads', ())}
    record = {
        'cell': cell.to_dict(),
        'metrics': metrics,
        'verdict': failed and diverged[failed.name],
        'failed_stage': failed and failed.kind,
        'config': configs['evaluate'],
        'pretraining': configs.get('pretrain'),
        'fingerprint': stage.fingerprint,
        'seconds': {s.kind: round(seconds[s.name], 1) for s in timed},
        'threads': sorted(threads),
        'versions': package_versions(),
        'machine': platform.platform(),
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
        record['metrics'] = {k: round(v, 4) for k, v in metrics.items()}
    return write_json(record_path(options.results, cell), record)


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


def marked_records(options: Options, scale: str) -> dict[Cell, Record]:
    """Read the records that tables of a scale show, each marked ``stale``.

    That is one whose fingerprint is not that of the evaluation planned now.
    """
    # Where the data lie does not matter to a fingerprint.
    planner = Planner(replace(options, scale=scale, data_root={}))
    tables = tables_of(scale).values()
    shown = {row.run for t in tables for row in t.rows(scale).values()}
    marked = {}
    for cell, record in load_records(options.results, scale).items():
        if cell.run in shown:
            now = planner.evaluation(cell).fingerprint
            stale = record.get('fingerprint') != now
            marked[cell] = {**record, 'stale': stale}
    return marked


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
