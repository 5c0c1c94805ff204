"""SIGKILL at random moments, then the same command again.

Each program first runs through. Then it is started anew and killed at a
moment drawn from a fixed seed, up to ``ROUND`` times in a row, and given again
until it ends by itself: what it leaves must be the same to the last bit,
without files of killed writers.
"""

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from programs import Program
from running import differences, environment

# Kills are shared out in this order; the last two take minutes each.
CYCLE = (
    *('training', 'packing', 'sharding', 'exporting') * 2,
    *('planner', 'quickstart'),
)
# Kills before a program may end.
ROUND = 3
TIMEOUT = 1800


@dataclass
class Tally:
    """What the kills of one program did; ``faults`` are one line each."""

    kills: int = 0
    restarts: int = 0
    seconds: float = 0.0
    faults: list[str] = field(default_factory=list)


class Run:
    """One folder in which a program is started, killed and started again."""

    def __init__(self, program: Program, folder: Path) -> None:
        self.program = program
        self.folder = folder
        folder.mkdir(parents=True)
        # Beside it, since what the folder holds is compared.
        self.log = folder.with_suffix('.log')

    def start(self) -> subprocess.Popen[bytes]:
        """Start the program in a session of its own."""
        with self.log.open('ab') as out:
            return subprocess.Popen(
                [str(word) for word in self.program.command],
                cwd=self.folder,
                env=environment(),
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def finish(self) -> str:
        """Run to the end; gives what went wrong."""
        code = self.start().wait(TIMEOUT)
        text = self.log.read_text(errors='replace')
        return f'exit code {code}: {text[-300:]}' if code else ''

    def is_empty(self) -> bool:
        """Whether the program has not written anything yet."""
        return not any(self.folder.iterdir())

    def kill(self, rng: random.Random, first: float, whole: float) -> bool:
        """Kill it once; tells whether it had not ended by itself.

        Half of the kills wait until the program has begun to write, which
        takes ``first`` of its ``whole`` seconds; half take its children,
        too, and the others let them see to themselves.
        """
        process, begin = self.start(), time.monotonic()
        moment = rng.uniform(0, whole)
        if rng.random() < 0.5:
            while self.is_empty() and process.poll() is None:
                time.sleep(0.005)
            begin, moment = time.monotonic(), rng.uniform(0, whole - first)
        with suppress(subprocess.TimeoutExpired):
            process.wait(max(begin + moment - time.monotonic(), 0))
        alive = process.poll() is None
        if rng.random() < 0.5:
            process.kill()
        else:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return alive


def leftovers(folder: Path) -> list[str]:
    """Name the files that writers began and never gave their own name."""
    return [path.name for path in folder.rglob('.*') if path.name != '.lock']


def through(program: Program, folder: Path) -> tuple[float, float, dict]:
    """Run once without a kill: seconds to the first file, and in all."""
    run, begin, first = Run(program, folder), time.monotonic(), None
    process = run.start()
    while process.poll() is None:
        if first is None and not run.is_empty():
            first = time.monotonic() - begin
        time.sleep(0.005)
    whole = time.monotonic() - begin
    assert process.returncode == 0, run.log.read_text()[-2000:]
    return first or 0.0, whole, program.results(folder)


def torment(
    program: Program, kills: int, rng: random.Random, folder: Path
) -> Tally:
    """Kill a program that often, over as many rounds as it takes."""
    begin, tally = time.monotonic(), Tally()
    first, whole, expected = through(program, folder / 'through')
    number = 0
    while tally.kills < kills:
        number += 1
        run = Run(program, folder / f'killed_{number}')
        for _ in range(min(ROUND, kills - tally.kills)):
            tally.restarts += 1
            if not run.kill(rng, first, whole):
                break
            tally.kills += 1
        fault = run.finish()
        if not fault:
            wrong = differences(expected, program.results(run.folder))
            wrong += [f'left: {name}' for name in leftovers(run.folder)]
            fault = ', '.join(wrong[:5])
        if fault:
            tally.faults.append(f'{run.folder}: {fault}')
        else:
            shutil.rmtree(run.folder)
    tally.seconds = time.monotonic() - begin
    return tally


def shares(kills: int, names: Iterable[str] = CYCLE) -> dict[str, int]:
    """Share out kills over the programs."""
    counts = dict.fromkeys(names, 0)
    for number in range(kills):
        counts[CYCLE[number % len(CYCLE)]] += 1
    return counts


def table(tallies: dict[str, Tally]) -> str:
    """Write what happened as a table in Markdown."""
    lines = ['| program | kills | starts | faults | seconds |']
    lines.append('|---|---:|---:|---:|---:|')
    for name, tally in tallies.items():
        lines.append(
            f'| {name} | {tally.kills} | {tally.restarts} | '
            f'{len(tally.faults)} | {tally.seconds:.0f} |'
        )
    return '\n'.join(lines)
