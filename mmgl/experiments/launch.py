"""Running one stage as a subprocess that can be watched and stopped."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from pathlib import Path

from mmgl.utils.errors import DIVERGED
from mmgl.utils.progress import PROGRESS_VARIABLE

from .stage import THREADS, Stage
from .state import read_json

# While a stage runs: the share done in [0, 1], and words of its own.
Progress = Generator[tuple[float, str], None, None]


class StageError(RuntimeError):
    """A stage ended with an error; the message holds the end of its log."""


class StageDiverged(StageError):
    """The training of a stage diverged, by the verdict of its hook."""

    def __init__(self, message: str, verdict: str) -> None:
        super().__init__(message)
        self.verdict = verdict


def _die_with_parent() -> Callable[[], None] | None:
    """Make a function that ties a child's life to ours (Linux only).

    Without it a stage would go on training after its job was killed by
    SIGKILL, which cannot be caught.
    """
    if not sys.platform.startswith('linux'):
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    set_death_signal = 1
    return lambda: prctl(set_death_signal, signal.SIGTERM)


def _stop(process: subprocess.Popen[bytes], patience: float = 10.0) -> None:
    """Stop a process group: ask, ask firmly, kill."""
    with suppress(ProcessLookupError):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            os.killpg(process.pid, number)
            with suppress(subprocess.TimeoutExpired):
                process.wait(patience)
                break
        # The leader is gone; workers that it left behind go too.
        os.killpg(process.pid, signal.SIGKILL)


def _environment(root: Path, progress: Path, stage: Stage) -> dict[str, str]:
    env = {**os.environ, **stage.env}
    path = f'{root}{os.pathsep}{env.get("PYTHONPATH", "")}'
    env['PYTHONPATH'] = path.rstrip(os.pathsep)
    env['PYTHONUNBUFFERED'] = '1'
    env['MPLBACKEND'] = 'Agg'
    env[PROGRESS_VARIABLE] = str(progress)
    # Threads of torch that spin for long while they wait for a core taken by
    # the process that loads images slow a step down many times over; those
    # that never spin take a fifth longer.
    env.setdefault('GOMP_SPINCOUNT', '10000')
    env.setdefault(THREADS, str(stage.threads))
    return env


def _progress(path: Path) -> tuple[float, str]:
    saved = read_json(path) or {}
    total = float(saved.get('total') or 0)
    fraction = float(saved.get('done') or 0) / total if total > 0 else 0.0
    return min(max(fraction, 0.0), 1.0), str(saved.get('text', ''))


def launch_stage(
    stage: Stage,
    root: Path,
    keep_open: Sequence[int] = (),
    poll: float = 0.1,
    prefix: Callable[[Stage], Sequence[str]] = lambda stage: (),
) -> Progress:
    """Run a stage to its end in ``root``; its log is ``stage.log``.

    Tells the progress every ``poll`` seconds; closed before the end, it stops
    the child. ``keep_open`` are descriptors that the child inherits. What
    ``prefix`` puts before the command, such as ``srun``, must wait for it,
    hand signals on and end with its exit code. A failure is a StageError.
    """
    progress = stage.work_dir / 'progress.json'
    progress.unlink(missing_ok=True)
    command = [*prefix(stage), *stage.build_command()]
    with stage.log.open('a', encoding='utf-8') as out:
        print('\n$', *command, file=out, flush=True)
        process = subprocess.Popen(
            command,
            cwd=root,
            stdout=out,
            env=_environment(root, progress, stage),
            stdin=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=tuple(keep_open),
            preexec_fn=_die_with_parent(),
        )
    try:
        while process.returncode is None:
            yield _progress(progress)
            with suppress(subprocess.TimeoutExpired):
                process.wait(poll)
    except BaseException:
        _stop(process)
        raise
    if process.returncode:
        raise _failure(stage, process.returncode)


def _failure(stage: Stage, code: int) -> StageError:
    # Its package imports the Runner, which only a failure is worth.
    from mmgl.engine.hooks.divergence import read_verdict

    text = stage.log.read_text(encoding='utf-8', errors='replace')
    end = '\n'.join(text.splitlines()[-20:])
    message = f'Stage {stage.name} failed with exit code {code}. '
    message += f'The end of its log {stage.log}:\n{end}'
    verdict = read_verdict(stage.work_dir)
    if code == DIVERGED and verdict:
        return StageDiverged(message, verdict)
    return StageError(message)
