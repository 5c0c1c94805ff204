"""Running targets: plan, skip what is done, run the rest, write."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from mmgl.utils.errors import INTERRUPTED

from .cells import Cell
from .chain import Chain, StageRunner, terminate_like_interrupt
from .checks import check_data, default_root
from .document import write_document, write_readme, write_summaries
from .figures import FigurePlanner
from .launch import launch_stage
from .methods import DATASETS, SCALES
from .options import LAYOUTS, QUICKSTART, Options
from .plan import Planner
from .pretrainings import PRETRAININGS
from .progress import Display, clock
from .quickstart import REPORT_SECONDS, plan_quickstart, write_quickstart
from .records import (
    Record,
    is_recorded,
    load_records,
    mark_stale,
    measured_seconds,
    record_path,
    write_record,
)
from .stage import Stage, with_needs
from .state import StageState, locked
from .summary import summarise, table_text
from .tables import FIGURES, FROM_RECORDS, TABLES


def run(
    options: Options,
    runner: StageRunner | None = None,
    display: Display | None = None,
) -> int:
    """Run what is not done yet, then write tables, figures and reports.

    ``runner`` runs one stage, by default as a subprocess; ``display`` shows
    messages, by default on the standard output. Returns the exit code: 0
    done, 1 something failed, 130 interrupted.
    """
    display = display or Display()
    job = _quickstart if QUICKSTART in options.targets else _reproduce
    try:
        failures = job(options, runner, display)
    except KeyboardInterrupt:
        display.say('Interrupted. Give the same command again to continue.')
        return INTERRUPTED
    except (FileNotFoundError, ValueError, RuntimeError) as error:
        display.say(f'Error: {error}')
        return 1
    finally:
        display.close()
    for name, reason in failures.items():
        display.say(f'failed: {name}: {reason.splitlines()[0]}')
    return 1 if failures else 0


@contextmanager
def _at_work(
    options: Options, runner: StageRunner | None
) -> Iterator[StageRunner]:
    """Keep others out of the work dir; gives what runs a stage."""
    with terminate_like_interrupt(), locked(options.work_dir) as lock:
        yield runner or partial(
            launch_stage,
            root=options.root,
            keep_open=[lock],
            prefix=options.prefix,
        )


def _quickstart(
    options: Options, runner: StageRunner | None, display: Display
) -> dict[str, str]:
    """Run the stages of the quickstart, one at a time, and report."""
    stages = plan_quickstart(options)
    with _at_work(options, runner) as run_stage:
        seeds = options.seeds or 1
        display.say(
            f'Quickstart ({"smoke" if options.smoke else options.scale}, '
            f'{seeds} seed{"s" if seeds > 1 else ""}) in {options.work_dir}'
        )
        seconds = Chain(stages, run_stage, display, REPORT_SECONDS).run()
        display.say('Drawing the pictures and writing the report ...')
        display.say(write_quickstart(options, stages, seconds))
    return {}


def _reproduce(
    options: Options, runner: StageRunner | None, display: Display
) -> dict[str, str]:
    """Run what tables and figures need, and write them; returns failures."""
    failures: dict[str, str] = {}
    if not options.write_only:
        plan = _Plan(options)
        plan.show(display.say)
        if options.dry_run:
            return failures
        with _at_work(options, runner) as run_stage:
            failures = plan.run(run_stage, display)
    records = {scale: marked_records(options, scale) for scale in SCALES}
    ours = records[options.scale]
    for name in options.chosen(TABLES):
        summary = summarise(name, options.scale, ours)
        display.say('\n' + table_text(summary, terminal=True))
    write_summaries(options.results, options.scale, ours)
    if options.document is not None:
        written = write_document(
            options.results, options.document, options.root, records
        )
        display.say(f'Wrote {written}')
    if options.official:
        readme = write_readme(options.root / 'README.md', records['mini'])
        display.say(f'Wrote {readme}')
    return failures


def marked_records(options: Options, scale: str) -> dict[Cell, Record]:
    """Read the records of a scale, those of other configs marked ``stale``."""
    # Where the data lie does not matter to a fingerprint.
    planner = Planner(replace(options, scale=scale, data_root={}))
    records = load_records(options.results, scale)
    return mark_stale(records, scale, planner.evaluation)


class _Plan:
    """What is wanted, what is left of it, and how to get there."""

    def __init__(self, options: Options) -> None:
        self.options = options
        records = load_records(options.results, options.scale)
        self.planner = Planner(options, measured_seconds(records))
        self.figures = FigurePlanner(self.planner, self._folder('sysu'))
        self.cells = options.cells()
        # Cells that are not recorded yet, by their last stage.
        self.left = {
            stage.name: cell
            for cell in self.cells
            for stage in [self.planner.evaluation(cell)]
            if not is_recorded(options.results, cell, stage)
        }
        wanted = [self.planner.evaluation(cell) for cell in self.left.values()]
        for name in options.chosen(FIGURES):
            if name != FROM_RECORDS:
                wanted.append(self.figures.stage(name))
        self.stages = with_needs(wanted)

    def _folder(self, layout: str) -> Path:
        """Folder of a data set, given or that of the configs."""
        given = self.options.data_root.get(layout)
        return given or default_root(self.options.root, layout)

    def _needed_data(self) -> dict[str, tuple[Path, set[int | None]]]:
        """List the real data sets that the stages read, with their trials."""
        options = self.options
        needed: dict[str, tuple[Path, set[int | None]]] = {}
        if options.size.preset is not None:
            return needed
        uses: set[tuple[str, int | None]] = set()
        if options.chosen(FIGURES):
            uses.add(('sysu', None))
        for cell in self.cells:
            uses.add((DATASETS[cell.scale][cell.data].root, cell.trial))
            if about := PRETRAININGS[cell.scale].get(cell.init):
                uses.add((about.source, cell.trial))
        for layout in LAYOUTS:
            if trials := {trial for key, trial in uses if key == layout}:
                needed[layout] = self._folder(layout), trials
        return needed

    def show(self, say: Callable[[str], None]) -> None:
        """Say what is recorded and what is left, and how long that takes."""
        options = self.options
        wanted = [*options.chosen(TABLES), *options.chosen(FIGURES)]
        say(
            f'{len(self.cells)} cells of {", ".join(wanted)} at scale '
            f'{options.scale}: {len(self.cells) - len(self.left)} recorded, '
            f'{len(self.left)} left, in {len(self.stages)} stages'
        )
        images = bool(self.stages) and not options.dry_run
        for line in check_data(self._needed_data(), images):
            say(f'  {line}')
        slots, stages = len(options.slots()), list(self.stages)
        standing = _standing(stages)
        say(
            f'About {clock(_seconds(stages, standing, slots))} left with '
            f'{slots} stages at a time, longer or shorter by the machine'
        )
        if not options.dry_run:
            return
        if FROM_RECORDS in options.chosen(FIGURES):
            records = marked_records(options, options.scale)
            stages.append(self.figures.cost(records, write=False))
        standing = _standing(stages)
        for stage in stages:
            seed = '' if stage.seed is None else f'seed {stage.seed}, '
            how_far, _ = standing[stage.name]
            say(f'  {stage.name}: {stage.title} ({seed}{how_far})')
        for cell in self.cells:
            if cell not in self.left.values():
                say(f'  recorded: {record_path(options.results, cell)}')

    def run(self, runner: StageRunner, display: Display) -> dict[str, str]:
        """Run all stages; returns what failed, by stage."""
        options = self.options
        failures: dict[str, str] = {}

        def record(stage: Stage, verdict: str | None) -> None:
            if stage.name in self.left:
                written = write_record(
                    options.results,
                    self.left[stage.name],
                    stage,
                    chain.estimator.measured,
                    chain.diverged,
                    options.overrides,
                )
                display.say(f'  recorded in {written}')

        if self.stages:
            chain = Chain(
                self.stages,
                runner,
                display,
                slots=options.slots(),
                keep_going=True,
                on_end=record,
            )
            chain.run()
            failures |= chain.failures
            for name, verdict in chain.diverged.items():
                if name.startswith('figures/'):
                    failures[name] = f'not drawn, {verdict}'
        if FROM_RECORDS in options.chosen(FIGURES):
            records = marked_records(options, options.scale)
            try:
                stage = self.figures.cost(records)
            except ValueError as error:
                # Tables and document are written all the same.
                return {**failures, f'figures/{FROM_RECORDS}': str(error)}
            last = Chain([stage], runner, display, keep_going=True)
            last.run()
            failures |= last.failures
        return failures


def _standing(stages: list[Stage]) -> dict[str, tuple[str, float]]:
    """Say how far each stage is, and how many seconds it will still take."""
    found: dict[str, tuple[str, float]] = {}
    lost: set[str] = set()
    for stage in stages:
        state, whole = StageState(stage), f'about {clock(stage.seconds)}'
        before = [need.name for need in stage.needs if need.name in lost]
        text, left = whole, stage.seconds
        if state.verdict or before:
            lost.add(stage.name)
            text, left = f'diverged: {state.verdict}', 0.0
            if not state.verdict:
                text = f'not run, {before[0]} has diverged'
        elif state.done:
            text, left = 'done', 0.0
        elif state.spent is not None:
            text = f'continues, {clock(state.spent)} spent of {whole}'
            left = max(left - state.spent, 0.0)
        found[stage.name] = text, left
    return found


def _seconds(
    stages: list[Stage], standing: dict[str, tuple[str, float]], slots: int
) -> float:
    """Estimate how long the stages take that are not done."""
    ends: dict[str, float] = {}
    for stage in stages:
        begin = max((ends[need.name] for need in stage.needs), default=0.0)
        ends[stage.name] = begin + standing[stage.name][1]
    # Neither faster than all slots together nor than the longest line.
    whole = sum(left for _, left in standing.values())
    return max(whole / slots, *ends.values(), 0.0)
