"""Running targets: plan, skip what is done, run the rest, write."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from shutil import which

from mmgl.config.overrides import refuse_unread
from mmgl.utils.errors import ConfigError
from mmgl.utils.files import check_output_folder
from mmgl.utils.progress import duration

from .chain import Chain, StageRunner
from .checks import check_data
from .document import (
    check_document,
    write_documents,
    write_readme,
    write_summaries,
)
from .figures import plan_cost, plan_figure
from .launch import launch_stage
from .methods import SCALES
from .options import QUICKSTART, Options
from .plan import Planner
from .progress import Display
from .quickstart import REPORT_SECONDS, plan_quickstart, write_quickstart
from .records import (
    is_recorded,
    load_records,
    marked_records,
    measured_seconds,
    record_path,
    write_record,
)
from .stage import Stage, with_needs
from .state import StageState, at_work
from .summary import results_of, table_text
from .tables import FIGURES, FROM_RECORDS, TABLES

Failures = dict[str, str]


def make(
    options: Options, runner: StageRunner | None, display: Display
) -> Failures:
    """Run what is not done yet and write what is wanted of it.

    ``runner`` runs one stage, by default as a subprocess. Returns what failed
    while other stages went on, and why, by stage.
    """
    if QUICKSTART in options.targets:
        _quickstart(options, runner, display)
        return {}
    refuse_unread({}, options.overrides)
    if not options.dry_run:
        check_output_folder(options.results)
        if options.document is not None:
            check_document(options.document)
    failures: Failures = {}
    if not options.write_only:
        plan = _Plan(options)
        plan.show(display.say)
        if options.dry_run:
            return failures
        with _at_work(options, plan.stages, runner) as run_stage:
            failures = plan.run(run_stage, display)
    _write(options, display.say)
    return failures


@contextmanager
def _at_work(
    options: Options, stages: list[Stage], runner: StageRunner | None
) -> Iterator[StageRunner]:
    """Keep others out of the work dir; gives what runs a stage."""
    job = QUICKSTART if QUICKSTART in options.targets else 'reproduce'
    if runner is None and options.slurm is not None and not which('srun'):
        raise ConfigError(
            f'slurm={options.slurm!r}, and there is no srun on this machine; '
            'start it where the cluster takes jobs, or leave out --slurm.'
        )
    data = options.data_root.values()
    with at_work(options.work_dir, job, stages, data) as lock:
        yield runner or partial(
            launch_stage,
            root=options.root,
            keep_open=[lock],
            prefix=options.prefix,
        )


def _quickstart(
    options: Options, runner: StageRunner | None, display: Display
) -> None:
    """Run the stages of the quickstart and report.

    One at a time, with all cores; of a smoke run, which is start-ups for the
    most part, several.
    """
    stages = plan_quickstart(options)
    with _at_work(options, stages, runner) as run_stage:
        seeds = options.seeds or 1
        display.say(
            f'Quickstart ({"smoke" if options.smoke else options.scale}, '
            f'{seeds} seed{"s" if seeds > 1 else ""}) in {options.work_dir}'
        )
        slots = options.slots() if options.smoke else [{}]
        chain = Chain(stages, run_stage, display, REPORT_SECONDS, slots)
        seconds = chain.run()
        display.say('Drawing the pictures and writing the report ...')
        display.say(write_quickstart(options, stages, seconds))


def _write(options: Options, say: Callable[[str], None]) -> None:
    """Write tables, documents and README from the records there are."""
    records = {scale: marked_records(options, scale) for scale in SCALES}
    ours = records[options.scale]
    for name in options.chosen(TABLES):
        results = results_of(name, options.scale, ours)
        say('\n' + table_text(name, options.scale, results, terminal=True))
    write_summaries(options.results, options.scale, ours)
    written = []
    if options.document is not None:
        places = options.results, options.document, options.root
        written = write_documents(*places, records)
    if options.official:
        readme = options.root / 'README.md'
        written.append(write_readme(readme, records['mini']))
    for path in written:
        say(f'Wrote {path}')


class _Plan:
    """What is wanted, what is left of it, and how to get there."""

    def __init__(self, options: Options) -> None:
        self.options = options
        records = load_records(options.results, options.scale)
        self.planner = Planner(options, measured_seconds(records))
        drawn = options.chosen(FIGURES)
        self.wanted = [*options.chosen(TABLES), *drawn]
        self.cells = options.cells()
        last = {cell: self.planner.evaluation(cell) for cell in self.cells}
        # Cells that are not recorded yet, by their last stage.
        self.left = {
            stage.name: cell
            for cell, stage in last.items()
            if not is_recorded(options.results, cell, stage)
        }
        wanted = [last[cell] for cell in self.left.values()]
        for name in drawn:
            if name != FROM_RECORDS:
                wanted.append(plan_figure(self.planner, name))
        self.stages = with_needs(wanted)

    def show(self, say: Callable[[str], None]) -> None:
        """Say what is recorded and what is left, and how long that takes."""
        options, stages = self.options, list(self.stages)
        say(
            f'{len(self.cells)} cells of {", ".join(self.wanted)} at scale '
            f'{options.scale}: {len(self.cells) - len(self.left)} recorded, '
            f'{len(self.left)} left, in {len(stages)} stages'
        )
        if options.size.preset is None:
            images = bool(stages) and not options.dry_run
            for line in check_data(options, self.planner.reads, images):
                say(f'  {line}')
        slots = len(options.slots())
        _, seconds = _standing(stages, slots)
        say(
            f'About {duration(seconds)} left with '
            f'{slots} stages at a time, longer or shorter by the machine'
        )
        if options.dry_run:
            self._list(stages, say)

    def _list(self, stages: list[Stage], say: Callable[[str], None]) -> None:
        """Say of every stage how far it is, and which cells need none."""
        options = self.options
        if FROM_RECORDS in self.wanted:
            records = marked_records(options, options.scale)
            stages = [*stages, plan_cost(self.planner, records, write=False)]
        standing, _ = _standing(stages, 1)
        for stage in stages:
            seed = '' if stage.seed is None else f'seed {stage.seed}, '
            how_far = standing[stage.name]
            say(f'  {stage.name}: {stage.title} ({seed}{how_far})')
        for cell in self.cells:
            if cell not in self.left.values():
                say(f'  recorded: {record_path(options.results, cell)}')

    def run(self, runner: StageRunner, display: Display) -> Failures:
        """Run all stages; returns what failed, by stage."""
        options = self.options

        def record(stage: Stage, chain: Chain) -> None:
            if cell := self.left.get(stage.name):
                seconds, verdicts = chain.estimator.measured, chain.diverged
                written = write_record(options, cell, stage, seconds, verdicts)
                display.say(f'  recorded in {written}')

        run = partial(Chain, runner=runner, display=display, keep_going=True)
        chain = run(self.stages, slots=options.slots(), on_end=record)
        chain.run()
        failures = dict(chain.failures)
        for name, verdict in chain.diverged.items():
            if name.startswith('figures/'):
                failures[name] = f'not drawn, {verdict}'
        if FROM_RECORDS in self.wanted:
            records = marked_records(options, options.scale)
            try:
                last = run([plan_cost(self.planner, records)])
            except ValueError as error:
                # Tables and document are written all the same.
                return {**failures, f'figures/{FROM_RECORDS}': str(error)}
            last.run()
            failures |= last.failures
        return failures


def _standing(stages: list[Stage], slots: int) -> tuple[dict[str, str], float]:
    """Say how far each stage is, and how many seconds all will still take."""
    found: dict[str, str] = {}
    ends: dict[str, float] = {}
    lost, whole = set(), 0.0
    for stage in stages:
        state, left = StageState(stage), stage.seconds
        text = f'about {duration(left)}'
        before = [need.name for need in stage.needs if need.name in lost]
        if state.verdict or before:
            lost.add(stage.name)
            text, left = f'not run, {"".join(before[:1])} has diverged', 0.0
            if state.verdict:
                text = f'diverged: {state.verdict}'
        elif state.done:
            text, left = 'done', 0.0
        elif state.spent is not None:
            text = f'continues, {duration(state.spent)} spent of {text}'
            left = max(left - state.spent, 0.0)
        begin = max((ends[need.name] for need in stage.needs), default=0.0)
        found[stage.name], ends[stage.name] = text, begin + left
        whole += left
    # Neither faster than all slots together nor than the longest line.
    return found, max(whole / slots, *ends.values(), 0.0)
