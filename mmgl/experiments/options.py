"""What to make, where, and on which machine."""

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmgl.utils.paths import config_dir

from .cells import Cell
from .figures import FIGURES, FROM_RECORDS
from .methods import METHODS, SCALES, SMOKE, Scale
from .pretrainings import is_mmgl
from .stage import Stage
from .tables import TABLES, cells_of

# AGW from random weights and from MMGL; alone, and with a report of its own.
QUICKSTART = 'quickstart'
# Everything in the paper and the ablations of ours.
ALL = 'all'
TARGETS = (*TABLES, *FIGURES, ALL)
NOT_IN_ALL = ('table4-native',)
LAYOUTS = ('sysu', 'regdb')
RESULTS, DOCUMENT = 'docs/results', 'docs/results.md'
MOST_CPU_JOBS = SLURM_JOBS = SLURM_CORES = 8


def _require(right: bool, message: str) -> None:
    if not right:
        raise ValueError(message)


@dataclass
class Options:
    """What to make and where.

    ``targets`` are keys of ``TABLES`` and ``FIGURES``, 'all', or 'quickstart'
    alone, which ``smoke`` makes short. ``seeds`` are 0 ... N-1, by default as
    many as the scale says. ``only`` leaves it at these methods and initial
    weights; with some of both, at these methods from these weights, where
    'mmgl' is the plain method by each name that a table has for it.

    ``jobs`` stages run at a time, by default one a GPU, one a core without
    GPUs, or eight with SLURM, of which ``slurm`` is the partition;
    ``workers`` are processes that load images, by default as in the configs.
    ``data_root`` are folders by layout. ``overrides`` are dotted config keys
    that change every training; results and document, where None writes none,
    must then be others than the default ones. ``root`` is the folder with
    ``tools`` and ``configs``.
    """

    targets: Sequence[str]
    scale: str = 'mini'
    smoke: bool = False
    seeds: int | None = None
    only: Sequence[str] = ()
    jobs: int | None = None
    gpus: Sequence[int] | None = None
    slurm: str | None = None
    slurm_args: str = ''
    workers: int | None = None
    work_dir: Path = None  # type: ignore[assignment]  # follows the scale
    results: Path = Path(RESULTS)
    document: Path | None = Path(DOCUMENT)
    data_root: Mapping[str, Path] = field(default_factory=dict)
    overrides: Mapping[str, Any] = field(default_factory=dict)
    dry_run: bool = False
    write_only: bool = False
    root: Path = field(default_factory=lambda: config_dir().parent)

    def __post_init__(self) -> None:
        _require(
            self.scale in SCALES,
            f'scale={self.scale!r} is not one of {", ".join(SCALES)}',
        )
        unknown = set(self.targets) - set(TARGETS)
        _require(
            not unknown or list(self.targets) == [QUICKSTART],
            f'targets {sorted(unknown)}: choose of {", ".join(TARGETS)}',
        )
        for name, least in (('seeds', 1), ('jobs', 1), ('workers', 0)):
            given = getattr(self, name)
            _require(
                given is None or given >= least,
                f'{name} must be at least {least}, got {given}',
            )
        _require(
            self.slurm is not None or not self.slurm_args,
            f'slurm_args={self.slurm_args!r} without a partition; '
            'add --slurm PARTITION',
        )
        _require(
            self.slurm is None or not self.gpus,
            'SLURM hands out the GPUs; leave out --gpus',
        )
        unknown = set(self.data_root) - set(LAYOUTS)
        _require(
            not unknown,
            f'data_root of {sorted(unknown)}: there are sysu and regdb',
        )
        folder = f'reproduce/{self.scale}'
        if QUICKSTART in self.targets:
            folder = QUICKSTART + ('_smoke' if self.smoke else '')
        # Absolute, because the stages run in the project's folder.
        self.root = Path(self.root).resolve()
        self.work_dir = Path(self.work_dir or f'work_dirs/{folder}').resolve()
        self.results = Path(self.results).resolve()
        self.data_root = {
            key: Path(path).resolve()
            for key, path in {**self.size.roots, **self.data_root}.items()
        }
        if self.overrides:
            # The results of such runs stay away from the others.
            self._forbid('results', RESULTS)
            self._forbid('document', DOCUMENT)

    def _forbid(self, name: str, usual: str) -> None:
        given = getattr(self, name)
        official = (Path(usual).resolve(), self.root / usual)
        _require(
            given is None or Path(given).resolve() not in official,
            f'overrides={self.overrides} would overwrite {usual}, which holds '
            'what the configs give as they are; give another one by '
            f'--{name}',
        )

    @property
    def size(self) -> Scale:
        """How large the runs are."""
        return SMOKE if self.smoke else SCALES[self.scale]

    @property
    def official(self) -> bool:
        """Whether the document is the one that the README agrees with."""
        document = self.document and Path(self.document).resolve()
        return document == self.root / DOCUMENT

    def chosen(self, group: Mapping[str, Any]) -> list[str]:
        """List the wanted members of ``TABLES`` or ``FIGURES``, in order.

        Raises:
            ValueError: For a table that the scale does not have.
        """
        wanted = set(self.targets)
        if ALL in wanted:
            wanted |= set(group) - set(NOT_IN_ALL)
        keys = [key for key in group if key in wanted]
        for key in keys if group is TABLES else ():
            scales = TABLES[key].scales
            _require(
                self.scale in scales,
                f'{key} is there at scale {", ".join(scales)} only',
            )
        return keys

    def cells(self) -> list[Cell]:
        """List the wanted cells, those of seed 0 first.

        Raises:
            ValueError: If ``only`` leaves none, or has a name that no cell
                of the targets has.
        """
        tables = self.chosen(TABLES)
        if FROM_RECORDS in self.chosen(FIGURES):
            tables.append('table4')
        cells = dict.fromkeys(
            cell
            for table in tables
            for cell in cells_of(table, self.scale, self.seeds)
        )
        chosen = [cell for cell in cells if self._keeps(cell)]
        known = set().union(*map(self._names, cells))
        unknown = [name for name in self.only if name not in known]
        _require(
            not unknown and (not tables or bool(chosen)),
            f'only={list(self.only)}: no cell of {", ".join(self.targets)} '
            f'at scale {self.scale} has {unknown or "all of these"}; choose '
            f'of {", ".join(sorted(known)) or "other targets"}',
        )
        return sorted(chosen, key=lambda cell: cell.seed)

    def _names(self, cell: Cell) -> set[str]:
        """Names by which ``only`` may mean a cell."""
        plain = {'mmgl'} if is_mmgl(cell.init, self.scale) else set()
        return {cell.method, cell.init} | plain

    def _keeps(self, cell: Cell) -> bool:
        methods = set(self.only) & set(METHODS)
        inits = set(self.only) - methods
        return (not methods or cell.method in methods) and (
            not inits or not inits.isdisjoint(self._names(cell))
        )

    def slots(self) -> list[dict[str, str]]:
        """Environment of each stage that may run at a time."""
        if self.slurm is not None:
            cores = {'OMP_NUM_THREADS': str(SLURM_CORES)}
            return [cores] * (self.jobs or SLURM_JOBS)
        if hasattr(os, 'sched_getaffinity'):
            count = len(os.sched_getaffinity(0))
        else:
            count = os.cpu_count() or 1
        gpus = self.gpus
        if gpus is None:
            import torch

            gpus = range(torch.cuda.device_count())
        jobs = self.jobs or len(gpus) or min(count, MOST_CPU_JOBS)
        if jobs == 1 and not gpus:
            return [{}]
        threads = {'OMP_NUM_THREADS': str(max(1, count // jobs))}
        if not gpus:
            return [threads] * jobs
        return [
            {'CUDA_VISIBLE_DEVICES': str(gpus[n % len(gpus)]), **threads}
            for n in range(jobs)
        ]

    def prefix(self, stage: Stage) -> list[str]:
        """Return what goes before the command of a stage.

        ``srun`` waits, hands Ctrl-C on at once and ends with the exit code
        of the stage, so that everything else is as on one machine.
        """
        if self.slurm is None:
            return []
        return [
            'srun',
            f'--partition={self.slurm}',
            '--ntasks=1',
            '--gres=gpu:1',
            f'--cpus-per-task={SLURM_CORES}',
            '--kill-on-bad-exit=1',
            '--disable-status',
            f'--job-name={stage.name}',
            *shlex.split(self.slurm_args),
        ]
