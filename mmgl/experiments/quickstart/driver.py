"""The quickstart itself: run what is missing, then report."""

from functools import partial

from mmgl.experiments.jobs import (
    Chain,
    Display,
    Stage,
    StageError,
    StageRunner,
    launch_stage,
    locked,
    terminate_like_interrupt,
    write_json,
)
from mmgl.utils.errors import INTERRUPTED

from .options import QuickstartOptions
from .stages import plan_stages

# Drawing and writing; measured on two cores.
REPORT_SECONDS = 10.0


def _report(
    options: QuickstartOptions,
    stages: list[Stage],
    seconds: dict[str, float],
    num_stripes: int,
    display: Display,
) -> dict:
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
        display.say(
            'A smoke run shows that everything works; it trains too '
            'briefly for its numbers to mean anything.'
        )
    display.say(f'\nReport and pictures: {report}')
    return metrics


def run_quickstart(
    options: QuickstartOptions,
    runner: StageRunner | None = None,
    display: Display | None = None,
) -> int:
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
        with terminate_like_interrupt(), locked(options.work_dir) as lock:
            display.say(
                f'Quickstart ({options.scale}, {options.seeds} '
                f'seed{"s" if options.seeds > 1 else ""}) in '
                f'{options.work_dir}'
            )
            run = runner or partial(
                launch_stage, root=options.root, keep_open=[lock]
            )
            seconds = Chain(stages, run, display, REPORT_SECONDS).run()
            _report(options, stages, seconds, num_stripes, display)
    except KeyboardInterrupt:
        display.say(
            'Interrupted. Run the same command again to continue '
            'where it stopped.'
        )
        return INTERRUPTED
    except (StageError, FileNotFoundError, ValueError, RuntimeError) as error:
        display.say(f'Error: {error}')
        return 1
    return 0
