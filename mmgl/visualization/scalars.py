"""Reading what a run logged: ``vis_data/scalars.json`` of its work dir."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter1d

# Bookkeeping of the logger, not results.
_NOT_METRICS = {'step', 'time', 'data_time', 'memory', 'epoch', 'iter', 'lr'}


@dataclass
class RunLog:
    """Scalars of one run.

    Attributes:
        train: Records of training iterations in order of their step.
        val: Records of validations in order of their step.
    """

    train: list[dict] = field(default_factory=list)
    val: list[dict] = field(default_factory=list)

    def keys(self, part: str) -> list[str]:
        """Name the metrics of one part in the order they first appear.

        Args:
            part: 'train' or 'val'.

        Returns:
            Names, without times, memory, steps and learning rates.
        """
        seen = {}
        for record in getattr(self, part):
            for key, value in record.items():
                number = isinstance(value, int | float)
                if number and key not in _NOT_METRICS:
                    seen.setdefault(key)
        return list(seen)

    def iters_per_epoch(self) -> float | None:
        """Estimate the length of an epoch from the training records.

        Returns:
            Iterations, or None for a run that is not counted in epochs.
        """
        rates = [r['step'] / r['epoch'] for r in self.train if r.get('epoch')]
        return max(rates) if rates else None

    def series(self, part: str, key: str) -> tuple[np.ndarray, np.ndarray]:
        """Extract one curve.

        Args:
            part: 'train' or 'val'.
            key: Name of the scalar.

        Returns:
            x (n,) and y (n,). For training x is in epochs where the run counts
            them and in iterations otherwise; for validation x is the step that
            was logged (epochs or iterations likewise).

        Raises:
            ValueError: If no record has the key.
        """
        records = [r for r in getattr(self, part) if key in r]
        if not records:
            raise ValueError(
                f'No {part} record has the scalar {key!r}; there are: '
                f'{", ".join(self.keys(part)) or "none"}.'
            )
        steps = np.array([r['step'] for r in records], dtype=float)
        if part == 'train':
            steps /= self.iters_per_epoch() or 1.0
        return steps, np.array([r[key] for r in records], dtype=float)


def _read_lines(path: Path) -> list[dict]:
    records = []
    lines = path.read_text(encoding='utf-8').splitlines()
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError as error:
            # A run killed while writing leaves half a last line.
            if number == len(lines):
                break
            raise ValueError(
                f'{path}, line {number} is not JSON ({error}); the file is '
                'damaged, remove the line or the file.'
            ) from error
    return records


def find_scalars(source: str | os.PathLike) -> list[Path]:
    """List the scalar files of a run, oldest first.

    Args:
        source: A ``scalars.json`` or a work dir, whose sub-folders (one a
            start, named by the time) are searched.

    Returns:
        Paths.

    Raises:
        FileNotFoundError: If there are none.
    """
    source = Path(source)
    if source.is_file():
        return [source]
    found = sorted(
        {
            *source.glob('vis_data/scalars.json'),
            *source.glob('*/vis_data/scalars.json'),
        }
    )
    if not found:
        raise FileNotFoundError(
            f'No vis_data/scalars.json under {source}; give the work dir of a '
            'training run (or the file itself).'
        )
    return found


def load_run_log(source: str | os.PathLike) -> RunLog:
    """Read all scalars of a run, joined over its restarts.

    Where a resumed run repeats steps of the one before it, the later record
    counts, and records beyond the point of resumption are dropped, so that the
    curve is that of the weights that were kept.

    Args:
        source: A work dir or a ``scalars.json``.

    Returns:
        The log.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a line cannot be read.
    """
    train: dict[float, dict] = {}
    val: dict[float, dict] = {}
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
    return RunLog(
        train=[train[s] for s in sorted(train)],
        val=[val[s] for s in sorted(val)],
    )


def smooth(values: np.ndarray, sigma: float) -> np.ndarray:
    """Average over neighbours with Gaussian weights, without lag.

    Args:
        values: (n,) raw values; non-finite ones are left out of the average.
        sigma: Width of the Gaussian in points; 0 changes nothing.

    Returns:
        (n,) smoothed values, NaN where no finite value is near.

    Raises:
        ValueError: If sigma is negative.
    """
    if sigma < 0:
        raise ValueError(f'sigma must be at least 0, not {sigma}.')
    values = np.asarray(values, dtype=float)
    if sigma == 0:
        return values.copy()
    finite = np.isfinite(values)
    # Dividing by the filtered mask also corrects both ends.
    mass = gaussian_filter1d(finite.astype(float), sigma, mode='constant')
    total = gaussian_filter1d(
        np.where(finite, values, 0.0), sigma, mode='constant'
    )
    return np.divide(
        total, mass, out=np.full(len(values), np.nan), where=mass > 1e-12
    )
