"""What to make, where, and on which machine."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmgl.config.options import CfgOptions
from mmgl.utils.arguments import natural, output_folder, positive
from mmgl.utils.benchmark import usable_cores
from mmgl.utils.errors import ConfigError
from mmgl.utils.paths import config_dir

from .cells import Cell
from .methods import METHODS, QUICK, SCALES, SMOKE, Scale
from .pretrainings import names_of
from .stage import THREADS, Stage
from .tables import FIGURES, FROM_RECORDS, TABLES, cells_of

# AGW from random weights and from MMGL; alone, and with a report of its own.
QUICKSTART = 'quickstart'
# Everything in the paper and the ablations of ours.
ALL, NOT_IN_ALL = 'all', 'table4-native'
TARGETS = (*TABLES, *FIGURES, ALL)
LAYOUTS = ('sysu', 'regdb')
RESULTS, DOCUMENT = 'docs/results', 'docs/results.md'
# More of seeds, jobs or workers is a slip of the keyboard.
MOST = 1000
MOST_CPU_JOBS = SLURM_JOBS = SLURM_CORES = 8


def _folder(text: str) -> tuple[str, str]:
    """Read ``LAYOUT=PATH``; a path alone is that of SYSU-MM01's layout."""
    layout, equals, path = text.partition('=')
    return (layout, path) if equals else ('sysu', text)


def _option(words: str, default: Any = None, **how: Any) -> Any:
    """Make a field that the command line has, too, with these words."""
    if default is False:
        how['action'] = 'store_true'
    if default in ((), {}):
        how['nargs'] = '+'
    told = {'help': words, **how}
    if default == {}:
        return field(default_factory=dict, metadata=told)
    return field(default=default, metadata=told)


@dataclass
class Options:
    """What to make, where, and on which machine.

    ``targets`` are keys of ``TABLES`` and ``FIGURES``, 'all', or 'quickstart'
    alone. What the command line has, too, is told by the words of its help;
    None for ``document`` writes none, ``root`` is the folder with ``tools``
    and ``configs``.
    """

    targets: Sequence[str]
    scale: str = _option(
        'mini: embedded data on a CPU; full: the real data sets', 'mini'
    )
    smoke: bool = _option(
        'so short, a minute, that its numbers mean nothing', False
    )
    seeds: int | None = _option(
        'seeds 0 ... N-1 (default: 3; quickstart and full: 1)', type=positive
    )
    only: Sequence[str] = _option(
        'leave it at these methods and initial weights: agw random mmgl', ()
    )
    data_root: Mapping[str, Path] = _option(
        'folders of the data sets: sysu=PATH regdb=PATH', {}, type=_folder
    )
    imagenet: Path | None = _option(
        'file of the weights of the network from ImageNet (default: fetched '
        'from torchvision)',
        type=Path,
    )
    workers: int | None = _option(
        'processes that load images (default: as in configs)', type=natural
    )
    jobs: int | None = _option(
        'stages that run at a time (default: one a GPU, without GPUs one a '
        'core, with SLURM 8)',
        type=positive,
    )
    gpus: Sequence[int] | None = _option(
        'GPUs to share out (default: all)', type=natural, nargs='+'
    )
    slurm: str | None = _option('partition that runs each stage as a job')
    slurm_args: str = _option(
        'more options of srun: --slurm-args="--qos=long --time=2-0"', ''
    )
    work_dir: Path = _option(
        'folder of logs and checkpoints (default: below work_dirs)',
        type=output_folder,
    )
    results: Path = _option('folder of the records', Path(RESULTS))
    document: Path | None = _option('file of the tables', Path(DOCUMENT))
    overrides: Mapping[str, Any] = _option(
        'KEY=VALUE changes every training; needs other --results, --document',
        {},
        action=CfgOptions,
    )
    dry_run: bool = _option('show the plan only', False)
    write_only: bool = _option('write the pages from the records', False)
    root: Path = field(default_factory=lambda: config_dir().parent)

    def __post_init__(self) -> None:
        for message, found in self._mistakes().items():
            if found:
                raise ConfigError(message)
        folder = f'reproduce/{self.scale}'
        if QUICKSTART in self.targets:
            folder = QUICKSTART + ('_smoke' if self.smoke else '')
        # Absolute, because the stages run in the project's folder.
        self.root = Path(self.root).resolve()
        self.work_dir = Path(self.work_dir or f'work_dirs/{folder}').resolve()
        self.results = Path(self.results).resolve()
        if self.document is not None:
            self.document = Path(self.document).resolve()
        roots: dict[str, Any] = {**self.size.roots, **self.data_root}
        self.data_root = {k: Path(path).resolve() for k, path in roots.items()}
        if self.imagenet is not None:
            self.imagenet = Path(self.imagenet).resolve()
        usual = {'results': RESULTS, 'document': DOCUMENT}
        for name, path in usual.items() if self.overrides else ():
            if getattr(self, name) in (Path(path).resolve(), self.root / path):
                raise ConfigError(
                    f'overrides={self.overrides} would overwrite {path}, '
                    'which holds what the configs give as they are; give '
                    f'another one by --{name}'
                )

    def _mistakes(self) -> dict[str, Any]:
        """Say what options may be wrong, and whether they are."""
        unknown = set(self.targets) - set(TARGETS)
        alone = list(self.targets) == [QUICKSTART]
        layouts = set(self.data_root) - set(LAYOUTS)
        local = self.slurm is None
        wrong = {
            f'scale={self.scale!r} is not one of {", ".join(SCALES)}': (
                self.scale not in SCALES
            ),
            f'targets {sorted(unknown)}: choose of {", ".join(TARGETS)}': (
                (unknown or not self.targets) and not alone
            ),
            f'slurm_args={self.slurm_args!r} without a partition; '
            'add --slurm PARTITION': self.slurm_args and local,
            'SLURM hands out the GPUs; leave out --gpus': (
                self.gpus and not local
            ),
            f'data_root of {sorted(layouts)}: there are sysu and regdb': (
                layouts
            ),
            f'imagenet={self.imagenet} is no file of weights': (
                self.imagenet and not Path(self.imagenet).is_file()
            ),
        }
        for name, least in (('seeds', 1), ('jobs', 1), ('workers', 0)):
            given = getattr(self, name)
            message = f'{name} must be {least} to {MOST}, got {given}'
            wrong[message] = given is not None and not least <= given <= MOST
        return wrong

    @property
    def size(self) -> Scale:
        """How large the runs are."""
        if QUICKSTART in self.targets:
            return SMOKE if self.smoke else QUICK
        return SCALES[self.scale]

    @property
    def official(self) -> bool:
        """Whether the document is the one that the README agrees with."""
        return self.document == self.root / DOCUMENT

    def chosen(self, group: Mapping[str, Any]) -> list[str]:
        """List the wanted members of ``TABLES`` or ``FIGURES``, in order.

        A table that the scale does not have is a ValueError.
        """
        wanted = set(self.targets)
        if ALL in wanted:
            wanted |= set(group) - {NOT_IN_ALL}
        keys = [key for key in group if key in wanted]
        for key in keys if group is TABLES else ():
            scales = TABLES[key].scales
            if self.scale not in scales:
                raise ValueError(
                    f'{key} is there at scale {", ".join(scales)} only'
                )
        return keys

    def cells(self) -> list[Cell]:
        """List the wanted cells, those of seed 0 first.

        None, or a name in ``only`` that no cell has, is a ValueError.
        """
        tables = self.chosen(TABLES)
        if FROM_RECORDS in self.chosen(FIGURES):
            tables.append('table4')
        names = {
            cell: {cell.method, *names_of(cell.init, self.scale)}
            for table in tables
            for cell in cells_of(table, self.scale, self.seeds)
        }
        methods = set(self.only) & set(METHODS)
        inits = set(self.only) - methods
        chosen = [
            cell
            for cell, known in names.items()
            if all(not part or part & known for part in (methods, inits))
        ]
        known = set().union(*names.values())
        unknown = [name for name in self.only if name not in known]
        if unknown or (tables and not chosen):
            raise ValueError(
                f'only={list(self.only)}: no cell of '
                f'{", ".join(self.targets)} at scale {self.scale} has '
                f'{unknown or "all of these"}; choose of '
                f'{", ".join(sorted(known)) or "other targets"}'
            )
        return sorted(chosen, key=lambda cell: cell.seed)

    def slots(self) -> list[dict[str, str]]:
        """Environment of each stage that may run at a time."""
        if self.slurm is not None:
            slot = {THREADS: str(SLURM_CORES)}
            return [slot] * (self.jobs or SLURM_JOBS)
        cores, gpus = usable_cores(), self.gpus
        if gpus is None:
            import torch

            gpus = range(torch.cuda.device_count())
        jobs = self.jobs or len(gpus) or min(cores, MOST_CPU_JOBS)
        if jobs == 1 and not gpus:
            return [{}]
        threads = {THREADS: str(max(1, cores // jobs))}
        shared = [{'CUDA_VISIBLE_DEVICES': str(gpu)} for gpu in gpus] or [{}]
        return [{**shared[n % len(shared)], **threads} for n in range(jobs)]

    def prefix(self, stage: Stage) -> list[str]:
        """Return what goes before the command of a stage.

        ``srun`` waits, hands Ctrl-C on at once and ends with the exit code
        of the stage, so that everything else is as on one machine.
        """
        if self.slurm is None:
            return []
        words = f'srun --partition={self.slurm} --ntasks=1 --gres=gpu:1 '
        words += f'--cpus-per-task={SLURM_CORES} --kill-on-bad-exit=1 '
        words += f'--disable-status --job-name={stage.name}'
        return [*words.split(), *shlex.split(self.slurm_args)]
