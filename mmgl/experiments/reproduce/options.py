"""What to reproduce, where, and on which machine."""

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mmgl.experiments.jobs import Stage
from mmgl.utils.paths import config_dir

from .cells import Cell
from .figures import FIGURES
from .methods import METHODS, SCALES
from .pretrainings import MMGL
from .tables import TABLES, cells_of

# 'all' is everything in the paper and the ablations of ours.
ALL = 'all'
TARGETS = (*TABLES, *FIGURES, ALL)
RESULTS, DOCUMENT = 'docs/results', 'docs/results.md'
README = 'README.md'
NOT_IN_ALL = ('table4-native',)
MOST_CPU_JOBS = 8
SLURM_JOBS = 8
SLURM_CORES = 8


@dataclass
class ReproduceOptions:
    """What to reproduce and where.

    Attributes:
        targets: Keys of ``TABLES`` and ``FIGURES``, or 'all'.
        scale: Key of ``SCALES``.
        seeds: Seeds of each cell; None for that of the scale.
        only: Methods and initial weights to leave it at; with some of both,
            these methods from these weights. 'mmgl' is the plain method by
            each name that a table has for it. Empty for all.
        jobs: Stages that run at a time; None for one a GPU, or one a core
            without GPUs, or eight with SLURM.
        gpus: GPUs to share out; None for those present.
        slurm: Partition to run the stages in, one job each.
        slurm_args: More options of ``srun``, as one text.
        work_dir: Folder of logs and checkpoints.
        results: Folder of the records.
        document: File of the tables; None writes none.
        data_root: Folders of the data sets by 'sysu' and 'regdb', or one
            folder, that of 'sysu'.
        overrides: Dotted config keys that change every training; results
            and document must then be others than the default ones.
        dry_run: Show the plan only.
        write_only: Run nothing, write the document from the records.
        root: Folder with ``tools`` and ``configs``.
    """

    targets: Sequence[str]
    scale: str = 'mini'
    seeds: int | None = None
    only: Sequence[str] = ()
    jobs: int | None = None
    gpus: Sequence[int] | None = None
    slurm: str | None = None
    slurm_args: str = ''
    work_dir: str | os.PathLike | None = None
    results: str | os.PathLike = RESULTS
    document: str | os.PathLike | None = DOCUMENT
    data_root: Mapping | str | os.PathLike | None = None
    overrides: dict = field(default_factory=dict)
    dry_run: bool = False
    write_only: bool = False
    root: str | os.PathLike | None = None

    def __post_init__(self):
        if self.scale not in SCALES:
            raise ValueError(
                f'scale={self.scale!r} is not one of {", ".join(SCALES)}'
            )
        unknown = set(self.targets) - set(TARGETS)
        if unknown or not self.targets:
            raise ValueError(
                f'targets {sorted(unknown)}: choose of {", ".join(TARGETS)}'
            )
        if self.jobs is not None and self.jobs < 1:
            raise ValueError(f'jobs must be at least 1, got {self.jobs}')
        if self.slurm is None and self.slurm_args:
            raise ValueError(
                f'slurm_args={self.slurm_args!r} without a '
                'partition; add --slurm PARTITION'
            )
        if self.slurm is not None and self.gpus:
            raise ValueError('SLURM hands out the GPUs; leave out --gpus')
        self.root = Path(self.root or config_dir().parent).resolve()
        self.work_dir = Path(
            self.work_dir or f'work_dirs/reproduce/{self.scale}'
        ).resolve()
        self.results = Path(self.results).resolve()
        self._keep_official()
        self.data_root = self._roots()

    def _keep_official(self) -> None:
        """Keep the results of overridden runs away from the others."""
        if not self.overrides:
            return
        for name, usual in (('results', RESULTS), ('document', DOCUMENT)):
            given = getattr(self, name)
            if given is not None and Path(given).resolve() in (
                Path(usual).resolve(),
                self.root / usual,
            ):
                raise ValueError(
                    f'overrides={self.overrides} would overwrite {usual}, '
                    'which holds what the configs give as they are; give '
                    f'another one by --{name}'
                )

    def _roots(self) -> dict[str, Path]:
        """Folders of the data sets, absolute, as far as they are given."""
        given = self.data_root or {}
        if not isinstance(given, Mapping):
            given = {'sysu': given}
        unknown = set(given) - {'sysu', 'regdb'}
        if unknown:
            raise ValueError(
                f'data_root of {sorted(unknown)}: there are sysu and regdb'
            )
        return {
            key: Path(path).resolve()
            for key, path in {**SCALES[self.scale].roots, **given}.items()
        }

    @property
    def official(self) -> bool:
        """Whether the document is the one that the README agrees with."""
        return (
            self.document is not None
            and Path(self.document).resolve() == self.root / DOCUMENT
        )

    def chosen(self, group: Mapping) -> list[str]:
        """List the wanted members of ``TABLES`` or ``FIGURES``.

        Args:
            group: One of the two.

        Returns:
            Their keys, in their order.

        Raises:
            ValueError: For a table that the scale does not have.
        """
        keys = [
            key
            for key in group
            if key in self.targets
            or (ALL in self.targets and key not in NOT_IN_ALL)
        ]
        for key in keys:
            if group is TABLES and self.scale not in TABLES[key].scales:
                raise ValueError(
                    f'{key} is there at scale '
                    f'{", ".join(TABLES[key].scales)} only'
                )
        return keys

    def cells(self) -> list[Cell]:
        """List the wanted cells, those of seed 0 first.

        Raises:
            ValueError: If ``only`` leaves none, or has a name that no cell
                of the targets has.
        """
        tables = self.chosen(TABLES)
        if 'fig1' in self.chosen(FIGURES):
            tables.append('table4')
        cells = dict.fromkeys(
            cell
            for table in tables
            for cell in cells_of(table, self.scale, self.seeds)
        )
        chosen = [cell for cell in cells if self._keeps(cell)]
        known = set().union(*map(self._names, cells))
        unknown = [name for name in self.only if name not in known]
        if unknown or (tables and not chosen):
            raise ValueError(
                f'only={list(self.only)}: no cell of '
                f'{", ".join(self.targets)} at scale {self.scale} has '
                f'{unknown or "all of these"}; choose of '
                f'{", ".join(sorted(known)) or "other targets"}'
            )
        return sorted(chosen, key=lambda cell: cell.seed)

    def _names(self, cell: Cell) -> set[str]:
        """Names by which ``only`` may mean a cell."""
        plain = {'mmgl'} if cell.init in MMGL[self.scale] else set()
        return {cell.method, cell.init} | plain

    def _keeps(self, cell: Cell) -> bool:
        """Whether ``only`` leaves a cell in."""
        methods = set(self.only) & set(METHODS)
        inits = set(self.only) - methods
        return (not methods or cell.method in methods) and (
            not inits or not inits.isdisjoint(self._names(cell))
        )

    def slots(self) -> list[dict]:
        """Environment of each stage that may run at a time."""
        if self.slurm is not None:
            return [{'OMP_NUM_THREADS': str(SLURM_CORES)}] * (
                self.jobs or SLURM_JOBS
            )
        cores = (
            len(os.sched_getaffinity(0))
            if hasattr(os, 'sched_getaffinity')
            else os.cpu_count() or 1
        )
        gpus = self.gpus
        if gpus is None:
            import torch

            gpus = range(torch.cuda.device_count())
        jobs = self.jobs or len(gpus) or min(cores, MOST_CPU_JOBS)
        if jobs == 1 and not gpus:
            return [{}]
        threads = {'OMP_NUM_THREADS': str(max(1, cores // jobs))}
        if not gpus:
            return [threads] * jobs
        return [
            {'CUDA_VISIBLE_DEVICES': str(gpus[number % len(gpus)]), **threads}
            for number in range(jobs)
        ]

    def prefix(self, stage: Stage) -> list[str]:
        """Return what goes before the command of a stage.

        ``srun`` waits, hands Ctrl-C on at once and ends with the exit code
        of the stage, so that everything else is as on one machine.

        Args:
            stage: The stage.

        Returns:
            ``srun`` and its options, or nothing.
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
