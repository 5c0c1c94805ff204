"""Running tables and figures: plan, skip what is recorded, run, write."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mmgl.experiments.jobs import (
    Chain,
    Display,
    Stage,
    StageRunner,
    StageState,
    clock,
    launch_stage,
    locked,
    terminate_like_interrupt,
    with_needs,
)
from mmgl.utils.errors import INTERRUPTED

from .cells import Cell
from .checks import check_data, default_root
from .document import write_document, write_summaries
from .figures import FIGURES, FigurePlanner, cost_points
from .layout import summarise, terminal_table
from .methods import DATASETS, SCALES
from .options import README, ReproduceOptions
from .plan import Planner
from .pretrainings import PRETRAININGS
from .readme import write_readme
from .records import (
    is_recorded,
    load_records,
    mark_stale,
    measured_seconds,
    record_path,
    write_record,
)
from .tables import TABLES

# Drawn from records, once all others are done.
FROM_RECORDS = 'fig1'


class _Recorder:
    """Writes the record of a cell as soon as its last stage has ended."""

    def __init__(self, options: ReproduceOptions, cells: dict[str, Cell]):
        self.options = options
        self.cells = cells
        self.chain: Chain | None = None

    def __call__(self, stage: Stage, verdict: str | None) -> None:
        if stage.name not in self.cells:
            return
        written = write_record(
            self.options.results,
            self.cells[stage.name],
            stage,
            self.chain.estimator.measured,
            self.chain.diverged,
            self.options.overrides,
        )
        self.chain.display.say(f'  recorded in {written}')


@dataclass
class _Plan:
    """What is wanted, what is left of it, and how to get there."""

    options: ReproduceOptions
    planner: Planner
    figures: FigurePlanner
    cells: list[Cell]
    left: list[Cell]
    stages: list[Stage]

    def seconds(self) -> float:
        """Estimate how long the stages take that are not done."""
        lost = self.lost()
        todo = {
            s.name: max(s.seconds - (state.spent or 0), 0)
            for s in self.stages
            if not (state := StageState(s)).done and s.name not in lost
        }
        ends: dict[str, float] = {}
        for stage in self.stages:
            begin = max((ends[n.name] for n in stage.needs), default=0.0)
            ends[stage.name] = begin + todo.get(stage.name, 0.0)
        # Neither faster than all slots together nor than the longest line.
        return max(
            sum(todo.values()) / len(self.options.slots()),
            max(ends.values(), default=0.0),
        )

    def lost(self) -> dict[str, str]:
        """Say why stages will not run: they or one before has diverged."""
        lost: dict[str, str] = {}
        for stage in self.stages:
            verdict = StageState(stage).verdict
            before = [need.name for need in stage.needs if need.name in lost]
            if verdict:
                lost[stage.name] = f'diverged: {verdict}'
            elif before:
                lost[stage.name] = f'not run, {before[0]} has diverged'
        return lost


def _folder(options: ReproduceOptions, layout: str) -> Path:
    """Folder of a data set, given or that of the configs."""
    return options.data_root.get(layout) or default_root(options.root, layout)


def _plan(options: ReproduceOptions) -> _Plan:
    """Plan what is not recorded yet."""
    options.chosen(TABLES)
    planner = Planner(
        options.root,
        options.work_dir,
        options.scale,
        options.data_root,
        options.overrides,
        measured_seconds(load_records(options.results, options.scale)),
    )
    figures = FigurePlanner(planner, _folder(options, 'sysu'))
    cells = options.cells()
    left = [
        cell
        for cell in cells
        if not is_recorded(options.results, cell, planner.evaluation(cell))
    ]
    drawn = [
        figures.stage(name)
        for name in options.chosen(FIGURES)
        if name != FROM_RECORDS
    ]
    last = [*map(planner.evaluation, left), *drawn]
    return _Plan(options, planner, figures, cells, left, with_needs(last))


def marked_records(options: ReproduceOptions, scale: str) -> dict[Cell, dict]:
    """Read the records of a scale, those of other configs marked.

    Args:
        options: Where they lie, and what was changed in every training.
        scale: Key of ``SCALES``.

    Returns:
        Record by cell, with ``stale``.
    """
    # Where the data lie does not matter to a fingerprint.
    roots = {key: Path(root) for key, root in SCALES[scale].roots.items()}
    planner = Planner(
        options.root, options.work_dir, scale, roots, options.overrides
    )
    return mark_stale(
        load_records(options.results, scale), scale, planner.evaluation
    )


def _needed_data(plan: _Plan) -> dict[str, tuple[Path, set]]:
    """List the real data sets that the stages read, with their trials."""
    options, needed = plan.options, {}
    if SCALES[options.scale].preset is not None:
        return needed
    uses = [('sysu', None)] if options.chosen(FIGURES) else []
    for cell in plan.cells:
        uses.append((DATASETS[cell.scale][cell.data].root, cell.trial))
        about = PRETRAININGS[cell.scale].get(cell.init)
        if about is not None:
            uses.append((about.source, cell.trial))
    for layout, trial in uses:
        needed.setdefault(layout, (_folder(options, layout), set()))[1].add(
            trial
        )
    return needed


def _show(plan: _Plan, display: Display) -> None:
    """Say what is recorded and what is left, and how long that takes."""
    options = plan.options
    wanted = [*options.chosen(TABLES), *options.chosen(FIGURES)]
    done = len(plan.cells) - len(plan.left)
    display.say(
        f'{len(plan.cells)} cells of {", ".join(wanted)} at scale '
        f'{options.scale}: {done} recorded, {len(plan.left)} left, '
        f'in {len(plan.stages)} stages'
    )
    for line in check_data(
        _needed_data(plan), images=bool(plan.stages) and not options.dry_run
    ):
        display.say(f'  {line}')
    display.say(
        f'About {clock(plan.seconds())} left with '
        f'{len(options.slots())} stages at a time, longer or shorter '
        'by the machine'
    )
    if options.dry_run:
        _show_stages(plan, display)


def _show_stages(plan: _Plan, display: Display) -> None:
    """List all stages and how far they are, and what is recorded."""
    options, left, lost = plan.options, set(plan.left), plan.lost()
    stages = list(plan.stages)
    if FROM_RECORDS in options.chosen(FIGURES):
        stages.append(
            plan.figures.cost_stage(
                cost_points(
                    options.scale, marked_records(options, options.scale)
                )
            )
        )
    for stage in stages:
        seed = '' if stage.seed is None else f'seed {stage.seed}, '
        state = lost.get(stage.name) or _how_far(stage)
        display.say(f'  {stage.name}: {stage.title} ({seed}{state})')
    for cell in plan.cells:
        if cell not in left:
            display.say(f'  recorded: {record_path(options.results, cell)}')


def _how_far(stage: Stage) -> str:
    state, whole = StageState(stage), f'about {clock(stage.seconds)}'
    if state.done:
        return 'done'
    if state.spent is not None:
        return f'continues, {clock(state.spent)} spent of {whole}'
    return whole


def _run(
    plan: _Plan, runner: StageRunner | None, display: Display
) -> Mapping[str, str]:
    """Run all stages; returns what failed, by stage."""
    options = plan.options
    with terminate_like_interrupt(), locked(options.work_dir) as lock:
        run = runner or partial(
            launch_stage,
            root=options.root,
            keep_open=[lock],
            prefix=options.prefix,
        )
        recorder = _Recorder(
            options,
            {plan.planner.evaluation(cell).name: cell for cell in plan.left},
        )
        failures: dict[str, str] = {}
        if plan.stages:
            chain = Chain(
                plan.stages,
                run,
                display,
                slots=options.slots(),
                keep_going=True,
                on_end=recorder,
            )
            recorder.chain = chain
            chain.run()
            failures.update(chain.failures)
            failures.update(
                {
                    name: f'not drawn, {verdict}'
                    for name, verdict in chain.diverged.items()
                    if name.startswith('figures/')
                }
            )
        if FROM_RECORDS in options.chosen(FIGURES):
            failures.update(_draw_from_records(plan, run, display))
    return failures


def _draw_from_records(
    plan: _Plan, run: StageRunner, display: Display
) -> Mapping[str, str]:
    """Draw the figure of what is recorded by now; returns what failed."""
    try:
        stage = plan.figures.cost(
            marked_records(plan.options, plan.options.scale)
        )
    except ValueError as error:
        # Tables and document are written all the same.
        return {f'figures/{FROM_RECORDS}': str(error)}
    chain = Chain([stage], run, display, keep_going=True)
    chain.run()
    return chain.failures


def _report(options: ReproduceOptions, display: Display) -> None:
    """Write tables as JSON and Markdown, and show those asked for."""
    records = {scale: marked_records(options, scale) for scale in SCALES}
    ours = records[options.scale]
    for name in options.chosen(TABLES):
        summary = summarise(name, options.scale, ours)
        display.say('\n' + terminal_table(name, summary))
    write_summaries(options.results, options.scale, ours)
    if options.document is not None:
        written = write_document(
            options.results, options.document, options.root, records
        )
        display.say(f'Wrote {written}')
        if options.official:
            written = write_readme(options.root / README, records['mini'])
            display.say(f'Wrote {written}')


def reproduce(
    options: ReproduceOptions,
    runner: StageRunner | None = None,
    display: Display | None = None,
) -> int:
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
        failures: Mapping[str, str] = {}
        if not options.write_only:
            plan = _plan(options)
            _show(plan, display)
            if options.dry_run:
                return 0
            failures = _run(plan, runner, display)
        _report(options, display)
    except KeyboardInterrupt:
        display.say('Interrupted. The same command goes on where it stopped.')
        return INTERRUPTED
    except (FileNotFoundError, ValueError, RuntimeError) as error:
        display.say(f'Error: {error}')
        return 1
    for name, reason in failures.items():
        display.say(f'failed: {name}: {reason.splitlines()[0]}')
    return 1 if failures else 0
