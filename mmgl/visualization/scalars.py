"""Reading what a run logged: ``vis_data/scalars.json`` of its work dir."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d

from mmgl.utils.files import StrPath

Record = dict[str, Any]
Floats = npt.NDArray[np.float64]

# Bookkeeping of the logger, not results.
_NOT_METRICS = {'step', 'time', 'data_time', 'memory', 'epoch', 'iter', 'lr'}


@dataclass
class RunLog:
    """Scalars of one run: training and validation records by their step."""

    train: list[Record] = field(default_factory=list)
    val: list[Record] = field(default_factory=list)

    def keys(self, part: str) -> list[str]:
        """Name the metrics of 'train' or 'val' in the order they first appear.

        Without times, memory, steps and learning rates.
        """
        seen: dict[str, None] = {}
        for record in getattr(self, part):
            for key, value in record.items():
                if _is_number(value) and key not in _NOT_METRICS:
                    seen.setdefault(key)
        return list(seen)

    def iters_per_epoch(self) -> float | None:
        """Estimate the length of an epoch; None for a run without epochs."""
        rates = [r['step'] / r['epoch'] for r in self.train if r.get('epoch')]
        return max(rates) if rates else None

    def series(self, part: str, key: str) -> tuple[Floats, Floats]:
        """Extract one curve, x (n,) and y (n,), of 'train' or 'val'.

        For training x is in epochs where the run counts them and in
        iterations otherwise; for validation x is the step that was logged
        (epochs or iterations likewise). A key without record is a ValueError.
        """
        records = [r for r in getattr(self, part) if key in r]
        if not records:
            raise ValueError(
                f'No {part} record has the scalar {key!r}; there are: '
                f'{", ".join(self.keys(part)) or "none"}.'
            )
        wrong = [r for r in records if not _is_number(r[key])]
        if wrong:
            raise ValueError(
                f'Step {wrong[0]["step"]}: {key} is {wrong[0][key]!r}, not a '
                'number; the log is damaged, remove that line.'
            )
        steps = np.array([r['step'] for r in records], dtype=float)
        if part == 'train':
            steps /= self.iters_per_epoch() or 1.0
        return steps, np.array([r[key] for r in records], dtype=float)


def _read_lines(path: Path) -> list[Record]:
    records = []
    # What is no text becomes a line that is no JSON.
    lines = path.read_text('utf-8', errors='replace').splitlines()
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            # A run killed while writing leaves half a last line.
            if number == len(lines):
                break
            raise ValueError(
                f'{path}, line {number} is not JSON ({error}); the file is '
                'damaged, remove the line or the file.'
            ) from error
        if not _is_record(record):
            raise ValueError(
                f'{path}, line {number} is no record of a run, whose step and '
                'epoch are numbers of 0 or more; remove the line or the file.'
            )
        records.append(record)
    return records


def _is_record(record: object) -> bool:
    return isinstance(record, dict) and all(
        _is_number(record.get(name, 0)) and 0 <= record.get(name, 0) < np.inf
        for name in ('step', 'epoch')
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def find_scalars(source: StrPath) -> list[Path]:
    """List ``scalars.json`` of a work dir, or itself, oldest first."""
    source = Path(source)
    if source.is_file():
        return [source]
    name = 'vis_data/scalars.json'
    found = sorted([*source.glob(name), *source.glob(f'*/{name}')])
    if not found:
        raise FileNotFoundError(
            f'No vis_data/scalars.json under {source}; give the work dir of a '
            'training run (or the file itself).'
        )
    return found


def load_run_log(source: StrPath) -> RunLog:
    """Read all scalars of a run, joined over its restarts.

    Where a resumed run repeats steps of the one before it, the later record
    counts, and records beyond the point of resumption are dropped, so that the
    curve is that of the weights that were kept. ``source`` as for
    :func:`find_scalars`; a line that cannot be read is a ValueError.
    """
    train: dict[float, Record] = {}
    val: dict[float, Record] = {}
    for path in find_scalars(source):
        records = _read_lines(path)
        for part, is_train in ((train, True), (val, False)):
            new = {
                r['step']: r
                for r in records
                if 'step' in r and ('lr' in r or 'iter' in r) == is_train
            }
            if new:
                first = min(new)
                for step in [s for s in part if s >= first]:
                    del part[step]
                part.update(new)
    return RunLog(*([part[s] for s in sorted(part)] for part in (train, val)))


def smooth(values: npt.ArrayLike, sigma: float) -> Floats:
    """Average over neighbours with Gaussian weights, without lag.

    ``sigma`` is in points, 0 changes nothing. Non-finite values are left out;
    the result is NaN where no finite one is near.
    """
    if sigma < 0:
        raise ValueError(f'sigma must be at least 0, not {sigma}.')
    values = np.asarray(values, dtype=float)
    if sigma == 0:
        return values.copy()
    finite = np.isfinite(values)
    # Dividing by the filtered mask also corrects both ends.
    mass = gaussian_filter1d(finite.astype(float), sigma, mode='constant')
    known = np.where(finite, values, 0.0)
    total = gaussian_filter1d(known, sigma, mode='constant')
    average: Floats = np.divide(
        total, mass, out=np.full(len(values), np.nan), where=mass > 1e-12
    )
    return average
