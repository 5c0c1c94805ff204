"""Running a table: plan, skip what is recorded, run the rest, write."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from mmgl.apis.errors import INTERRUPTED
from mmgl.apis.jobs import (
    Chain,
    Display,
    Stage,
    StageRunner,
    clock,
    launch_stage,
    locked,
    terminate_like_interrupt,
)
from mmgl.utils.paths import config_dir

from .cells import SCALES, Cell, cells_of
from .document import write_document
from .plan import Planner
from .records import is_recorded, record_path, write_record


@dataclass
class ReproduceOptions:
    """What to reproduce and where.

    Attributes:
        tables: Keys of ``TABLES``.
        scale: Key of ``SCALES``.
        seeds: Seeds of each cell; None for that of the scale.
        only: Methods to leave it at; empty for all.
        jobs: Stages that run at a time on this machine.
        gpus: GPUs to share out, one a stage, instead of ``jobs``.
        work_dir: Folder of logs and checkpoints.
        results: Folder of the records.
        document: File of the tables; None writes none.
        data_root: Folder of the embedded data set.
        overrides: Dotted config keys that change every training; results
            then go to a folder of their own.
        dry_run: Show the plan only.
        write_only: Run nothing, write the document from the records.
        root: Folder with ``tools`` and ``configs``.
    """

    tables: Sequence[str]
    scale: str = 'mini'
    seeds: int | None = None
    only: Sequence[str] = ()
    jobs: int = 1
    gpus: Sequence[int] = ()
    work_dir: str | os.PathLike | None = None
    results: str | os.PathLike = 'docs/results'
    document: str | os.PathLike | None = 'docs/results.md'
    data_root: str | os.PathLike | None = None
    overrides: dict = field(default_factory=dict)
    dry_run: bool = False
    write_only: bool = False
    root: str | os.PathLike | None = None

    def __post_init__(self):
        if self.jobs < 1:
            raise ValueError(f'jobs must be at least 1, got {self.jobs}')
        self.root = Path(self.root or config_dir().parent).resolve()
        self.work_dir = Path(self.work_dir
                             or f'work_dirs/reproduce/{self.scale}').resolve()
        self.results = Path(self.results).resolve()
        preset = SCALES[self.scale].preset if self.scale in SCALES else None
        if preset is not None:
            self.data_root = Path(
                self.data_root or f'data/synthetic/{preset}').resolve()

    def cells(self) -> list[Cell]:
        """List the wanted cells, those of seed 0 first."""
        cells = {
            cell: None for table in self.tables
            for cell in cells_of(table, self.scale, self.seeds)
            if not self.only or cell.method in self.only
        }
        if not cells:
            raise ValueError(f'no cell has a method of {list(self.only)}')
        return sorted(cells, key=lambda cell: cell.seed)

    def slots(self) -> list[dict]:
        """Environment of each stage that may run at a time."""
        if self.gpus:
            return [{'CUDA_VISIBLE_DEVICES': str(gpu)} for gpu in self.gpus]
        if self.jobs == 1:
            return [{}]
        threads = max(1, (os.cpu_count() or 1) // self.jobs)
        return [{'OMP_NUM_THREADS': str(threads)}] * self.jobs


class _Recorder:
    """Writes the record of a cell as soon as its last stage has ended."""

    def __init__(self, options: ReproduceOptions, cells: dict[str, Cell]):
        self.options = options
        self.cells = cells
        self.chain: Chain | None = None

    def __call__(self, stage: Stage, verdict: str | None) -> None:
        if stage.name not in self.cells:
            return
        measured = self.chain.estimator.measured
        seconds = {
            s.kind: measured[s.name] for s in (*stage.needs, stage)
            if s.name in measured
        }
        written = write_record(self.options.results, self.cells[stage.name],
                               stage, seconds, verdict)
        self.chain.display.say(f'  recorded in {written}')


def _plan(options: ReproduceOptions) -> tuple[list[Cell], Planner]:
    """Plan what is not recorded yet."""
    planner = Planner(options.root, options.work_dir, options.scale,
                      options.data_root, options.overrides)
    left = [
        cell for cell in options.cells() if not is_recorded(
            options.results, cell, planner.evaluation(cell))
    ]
    return left, planner


def _show(options: ReproduceOptions, left: list[Cell], stages: list[Stage],
          display: Display) -> None:
    cells = options.cells()
    display.say(f'{len(cells)} cells of {", ".join(options.tables)} at scale '
                f'{options.scale}: {len(cells) - len(left)} recorded, '
                f'{len(left)} left, in {len(stages)} stages')
    if options.dry_run:
        for stage in stages:
            display.say(f'  {stage.name}: {stage.title} '
                        f'(seed {stage.seed}, about {clock(stage.seconds)})')
        for cell in set(cells) - set(left):
            display.say(f'  recorded: {record_path(options.results, cell)}')


def reproduce(options: ReproduceOptions,
              runner: StageRunner | None = None,
              display: Display | None = None) -> int:
    """Run all cells that are not recorded, then write the document.

    Args:
        options: What to do.
        runner: Runs one stage; by default a subprocess.
        display: Where messages go; by default the standard output.

    Returns:
        Exit code: 0 done, 1 something failed, 130 interrupted.
    """
    display = display or Display()
    try:
        left, planner = _plan(options)
        stages = planner.stages(left)
        _show(options, left, stages, display)
        if options.dry_run:
            return 0
        failures = {}
        if stages and not options.write_only:
            with terminate_like_interrupt(), locked(options.work_dir) as lock:
                run = runner or partial(
                    launch_stage, root=options.root, keep_open=[lock])
                recorder = _Recorder(options, {
                    planner.evaluation(cell).name: cell
                    for cell in left
                })
                chain = Chain(stages, run, display, slots=options.slots(),
                              keep_going=True, on_end=recorder)
                recorder.chain = chain
                chain.run()
                failures = chain.failures
        if options.document is not None:
            display.say(f'Wrote {write_document(options)}')
    except KeyboardInterrupt:
        display.say('Interrupted. The same command goes on where it stopped.')
        return INTERRUPTED
    except (FileNotFoundError, ValueError, RuntimeError) as error:
        display.say(f'Error: {error}')
        return 1
    for name, reason in failures.items():
        display.say(f'failed: {name}: {reason.splitlines()[0]}')
    return 1 if failures else 0
