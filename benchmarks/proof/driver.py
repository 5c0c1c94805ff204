"""Run the parts within the time, and write the page after each one."""

import argparse
import json
import os
import shlex
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from .page import (
    CUT,
    DONE,
    FAILED,
    NOT_REACHED,
    RUNNING,
    empty_findings,
    summary,
    write_report,
)
from .parts import PARTS, Context, NotReadyError, Part
from .processes import TAIL_LINES, Running
from .sizes import sizes_of
from .training import Command

ROOT = Path(__file__).resolve().parents[2]
BUDGET, DESCRIBE_SECONDS = 480, 60
LOG_BYTES = 200_000  # kept of the output of a command


class Proof:
    """A proof that is being made, by the options of the command line."""

    def __init__(
        self, options: argparse.Namespace, parts: Sequence[Part] = PARTS
    ) -> None:
        self.options, self.parts = options, parts
        self.context = Context(options.scratch, sizes_of(options.rehearse))
        self.entries = {part.name: _entry(part) for part in parts}
        self.background: list[tuple[Part, Running, float]] = []
        self.report = dict(
            command=options.shown,
            rehearse=options.rehearse,
            date=datetime.now(timezone.utc).strftime('%Y-%m-%d %H:%M UTC'),
            budget=options.budget,
            seconds=0.0,
            machine={},
            parts=list(self.entries.values()),
        )
        self.env = _environment(options)

    def left(self) -> float:
        """Return the seconds that are left of the whole."""
        return self.options.budget - (time.time() - self.options.started)

    def run(self) -> int:
        """Run everything; the status is 0 if all parts came to their end."""
        (self.options.out / 'log.txt').unlink(missing_ok=True)
        self.report['machine'] = self.describe()
        self.write()
        for number, part in enumerate(self.parts):
            self.run_part(part, self.parts[number + 1 :])
            if not part.background:
                self.join()
            self.write()
        self.join()
        self.write()
        ends, spent = summary(self.report['parts']), self.report['seconds']
        page = self.options.out / 'report.md'
        print(f'gpu_proof: {ends}; {spent:.0f} s; page: {page}')
        return int(any(one['state'] != DONE for one in self.entries.values()))

    def describe(self) -> dict[str, str]:
        """Name the machine, or say why it could not be done."""
        command = [sys.executable, '-m', 'proof.machine']
        how = dict(env=self.env, cwd=ROOT, timeout=DESCRIBE_SECONDS)
        how |= dict(text=True, capture_output=True, check=True)
        try:
            done = subprocess.run(command, **how)
            return json.loads(done.stdout.splitlines()[-1])
        except (subprocess.SubprocessError, ValueError, IndexError) as error:
            text = getattr(error, 'stderr', None) or str(error)
            return dict(card=f'unknown: {str(text).splitlines()[-1]}')

    def write(self) -> None:
        """Write page and JSON as things stand."""
        self.report['seconds'] = time.time() - self.options.started
        write_report(self.report, self.options.out)

    def allowed(self, part: Part, later: Sequence[Part]) -> float:
        """Return the seconds of a part; later ones keep their least."""
        kept = sum(one.least for one in later)
        return min(part.limit * self.context.sizes.stretch, self.left() - kept)

    def run_part(self, part: Part, later: Sequence[Part]) -> None:
        """Run or start a part, and take down what it found."""
        entry, seconds = self.entries[part.name], self.allowed(part, later)
        entry['limit'] = max(0, seconds)
        if seconds < part.least:
            entry['notes'] = ['No time was left.']
            return
        try:
            commands = part.commands(self.context, seconds)
        except NotReadyError as error:
            entry['notes'] = [f'Left out: {error}.']
            return
        except Exception:
            self._note_error(part)
            return
        shown = [shlex.join(['python', *command]) for command in commands]
        entry.update(state=RUNNING, commands=self.scrub(shown))
        print(f'gpu_proof: {part.title}, at most {seconds:.0f} s', flush=True)
        self.write()
        end = time.monotonic() + seconds
        for command in commands:
            running = self._start(part, command)
            if part.background:
                self.background.append((part, running, end))
            else:
                self._end(part, running, end)
        if part.background:
            return
        try:
            entry.update(part.read(self.context, part.name))
        except Exception:  # what it has left may be broken
            self._note_error(part)

    def join(self) -> None:
        """Wait for what runs beside."""
        for part, running, end in self.background:
            self._end(part, running, min(end, time.monotonic() + self.left()))
        self.background = []

    def _note_error(self, part: Part) -> None:
        """Let the present exception be the end of a part, and no more."""
        entry, lines = self.entries[part.name], traceback.format_exc()
        entry['state'] = FAILED
        entry['tail'] += self.scrub(lines.splitlines()[-TAIL_LINES:])

    def _start(self, part: Part, command: Command) -> Running:
        log = self.context.scratch / f'{part.name}.log'
        return Running([sys.executable, *command], log, self.env, ROOT)

    def _end(self, part: Part, running: Running, end: float) -> None:
        """Take down how a command ended; a worse end stays."""
        status = running.finish(end - time.monotonic())
        entry = self.entries[part.name]
        entry['seconds'] += running.seconds
        if status == 0:
            if entry['state'] == RUNNING:
                entry['state'] = DONE
                self.context.ready.add(part.name)
        else:
            entry['state'] = CUT if status is None else FAILED
            self.context.ready.discard(part.name)
            entry['tail'] += self.scrub(running.tail())
        with (self.options.out / 'log.txt').open('ab') as log:
            log.write(f'\n=== {part.name}: {entry["state"]}\n'.encode())
            log.write(running.log.read_bytes()[-LOG_BYTES:])

    def scrub(self, lines: Sequence[str]) -> list[str]:
        """Leave the folders of this machine out of text."""
        text = '\n'.join(lines)
        folders = {str(self.options.scratch): 'SCRATCH', f'{ROOT}/': ''}
        folders |= {sys.prefix: 'PREFIX', str(Path.home()): '~'}
        for folder, name in folders.items():
            text = text.replace(folder, name)
        return text.splitlines()

    def abandon(self) -> None:
        """End everything and leave the page as it stands."""
        for _, running, _ in self.background:
            running.finish(0)
        for entry in self.entries.values():
            if entry['state'] == RUNNING:
                entry['state'] = CUT
        self.write()


def _entry(part: Part) -> dict:
    """Return the place in the report of a part, which is to be filled."""
    own = dict(name=part.name, title=part.title, limit=part.limit)
    own |= dict(state=NOT_REACHED, seconds=0.0, commands=[], tail=[])
    return own | empty_findings()


def _environment(options: argparse.Namespace) -> dict[str, str]:
    """Return the environment of all parts."""
    variables = dict(
        PYTHONUNBUFFERED='1',
        MPLBACKEND='Agg',
        PYTHON=sys.executable,
        TMPDIR=str(options.scratch),
        TORCHINDUCTOR_CACHE_DIR=str(options.scratch / 'inductor'),
        TRITON_CACHE_DIR=str(options.scratch / 'triton'),
    )
    if options.rehearse:
        variables |= dict(CUDA_VISIBLE_DEVICES='', OMP_NUM_THREADS='1')
        variables['MMGL_TEST_DEVICE'] = 'cpu'  # of tests/test_gpu
    return os.environ | variables


def _folder(name: str) -> Path:
    """Make a folder of the command line."""
    Path(name).mkdir(parents=True, exist_ok=True)
    return Path(name).resolve()


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    text = 'Measure everything that needs a GPU.'
    parser = argparse.ArgumentParser(description=text)
    add, names = parser.add_argument, [part.name for part in PARTS]
    asked = ', '.join(part.name for part in PARTS if part.asked)
    add('--out', type=_folder, required=True, metavar='FOLDER')
    add('--scratch', type=_folder, required=True, metavar='FOLDER')
    add('--budget', type=float, help=f'seconds in all; {BUDGET} by default')
    add('--rehearse', action='store_true')
    several = dict(nargs='+', metavar='PART', default=(), choices=names)
    text = f'of {", ".join(names)}; {asked} only so and in the rehearsal'
    add('--only', **several, help=text)
    add('--started', type=float, default=time.time(), help='of the epoch')
    add('--shown', default='bash benchmarks/gpu_proof.sh', help='on the page')
    options = parser.parse_args(argv)
    if options.budget is None:
        options.budget = BUDGET * sizes_of(options.rehearse).stretch
    return options


def main(argv: Sequence[str] | None = None) -> int:
    """Make the proof; see :meth:`Proof.run`."""
    options = parse_args(argv)
    parts = [
        part
        for part in PARTS
        if part.name in options.only
        or (not options.only and (options.rehearse or not part.asked))
    ]
    proof = Proof(options, parts)
    # As an interrupt from the keyboard.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return proof.run()
    except KeyboardInterrupt:
        proof.abandon()
        return 130


if __name__ == '__main__':
    sys.exit(main())
