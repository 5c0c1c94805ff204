"""The quickstart itself: run what is missing, then report."""

import signal
import time
from collections.abc import Callable
from contextlib import contextmanager
from functools import partial

from .display import Display, clock
from .eta import Estimator
from .launch import StageError, Tick, launch_stage
from .options import QuickstartOptions
from .stages import Stage, plan_stages
from .state import StageState, locked, write_json

StageRunner = Callable[[Stage, Tick], None]
INTERRUPTED = 130
# Drawing and writing; measured on two cores.
REPORT_SECONDS = 10.0


@contextmanager
def _terminate_like_interrupt():
    """Treat SIGTERM as Ctrl-C, so that the running stage is stopped too."""

    def interrupt(*_):
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGTERM, interrupt)
    except ValueError:
        # Not the main thread: signals stay as they are.
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class _Job:
    """Runs stages one after another and keeps the estimate."""

    def __init__(self, stages: list[Stage], runner: StageRunner,
                 display: Display):
        self.stages = stages
        self.runner = runner
        self.display = display
        self.estimator = Estimator(stages, REPORT_SECONDS)
        for stage in stages:
            state = StageState(stage)
            if state.done:
                self.estimator.finish(stage.name,
                                      float(state.saved['seconds']))

    def run(self) -> dict[str, float]:
        """Run every stage that is not done; return seconds by name."""
        for number, stage in enumerate(self.stages, 1):
            state = StageState(stage)
            heading = f'[{number}/{len(self.stages)}] {stage.title}'
            if stage.seed is not None:
                heading += f' (seed {stage.seed})'
            if state.done:
                self.display.say(f'{heading}: already done')
                continue
            reason = state.why_restart()
            if reason:
                self.display.say(reason)
            resumed = state.claim()
            self._run_one(number, stage, state)
            self.display.say(
                f'{heading}: done in {clock(state.seconds)}'
                f'{" (continued)" if resumed else ""}')
        return dict(self.estimator.measured)

    def _run_one(self, number: int, stage: Stage, state: StageState) -> None:
        before, begin = state.seconds, time.monotonic()
        saved = begin

        def tick(fraction: float, text: str) -> None:
            nonlocal saved
            now = time.monotonic()
            state.seconds = before + now - begin
            if now - saved > 10:
                # The time spent so far survives a kill.
                saved = now
                state.save('running')
            self.display.progress(
                number, len(self.stages), stage.title, fraction,
                self.estimator.outlook(stage.name, state.seconds, fraction),
                text)

        self.display.begin()
        self.estimator.measured.pop(stage.name, None)
        tick(0.0, 'starting')
        try:
            self.runner(stage, tick)
        finally:
            state.seconds = before + time.monotonic() - begin
            state.save('running')
        missing = [str(p) for p in stage.outputs if not p.exists()]
        if missing:
            raise StageError(
                f'Stage {stage.name} ended without {", ".join(missing)}; see '
                f'{stage.work_dir / "stage.log"}.')
        state.save('done')
        self.estimator.finish(stage.name, state.seconds)


def _report(options: QuickstartOptions, stages: list[Stage],
            seconds: dict[str, float], num_stripes: int,
            display: Display) -> dict:
    # Drawing needs scikit-learn and matplotlib, which take seconds to load.
    from .report import draw_pictures, write_report
    from .results import collect
    from .tables import terminal_tables
    display.say('Drawing the pictures and writing the report ...')
    metrics = collect(options, stages, seconds, num_stripes)
    write_json(options.work_dir / 'metrics.json', metrics)
    draw_pictures(options, metrics)
    report = write_report(options, metrics)
    display.say('\n' + terminal_tables(metrics))
    if options.scale == 'smoke':
        display.say('A smoke run shows that everything works; it trains too '
                    'briefly for its numbers to mean anything.')
    display.say(f'\nReport and pictures: {report}')
    return metrics


def run_quickstart(
        options: QuickstartOptions,
        runner: StageRunner | None = None,
        display: Display | None = None) -> int:
    """Run the whole job, continuing whatever an earlier start has left.

    Args:
        options: What to do.
        runner: Runs one stage; by default a subprocess. It is called with the
            stage and a function to report (share done, words) to.
        display: Where messages go; by default the standard output.

    Returns:
        Exit code: 0 done, 1 a stage failed or something is in the way, 130
        interrupted.
    """
    display = display or Display()
    try:
        stages, num_stripes = plan_stages(options)
        with _terminate_like_interrupt(), locked(options.work_dir) as lock:
            display.say(f'Quickstart ({options.scale}, {options.seeds} '
                        f'seed{"s" if options.seeds > 1 else ""}) in '
                        f'{options.work_dir}')
            run = runner or partial(
                launch_stage, root=options.root, keep_open=[lock])
            seconds = _Job(stages, run, display).run()
            _report(options, stages, seconds, num_stripes, display)
    except KeyboardInterrupt:
        display.say('Interrupted. Run the same command again to continue '
                    'where it stopped.')
        return INTERRUPTED
    except (StageError, FileNotFoundError, ValueError, RuntimeError) as error:
        display.say(f'Error: {error}')
        return 1
    return 0
