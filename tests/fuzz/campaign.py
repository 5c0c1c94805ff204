"""Give all inputs to children that may hang or crash, and count the ends."""

import argparse
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
VERDICTS = ('clean', 'executed', 'silent', 'traceback', 'hang', 'crash')
START = 600  # seconds for imports and for the good input
LIFE = 1000  # inputs of a child, whose memory grows


@dataclass(frozen=True)
class Outcome:
    """How one input ended."""

    attack: str
    number: int
    what: str
    verdict: str
    words: str

    @property
    def key(self) -> str:
        """What it was: attack, entrance and kind of damage."""
        return f'{self.attack}: {self.what}'


class Child:
    """A process that tries inputs."""

    def __init__(self, base: Path) -> None:
        paths = [str(ROOT), str(ROOT / 'tests'), os.environ.get('PYTHONPATH')]
        quiet = dict(OMP_NUM_THREADS='1', MPLBACKEND='Agg', MMGL_DEBUG='')
        quiet['PYTHONPATH'] = os.pathsep.join(filter(None, paths))
        quiet['TORCH_HOME'] = quiet['HOME'] = str(base)
        quiet['CUDA_VISIBLE_DEVICES'] = ''
        self.process = subprocess.Popen(
            [sys.executable, '-m', 'fuzz.child', str(base)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=os.environ | quiet,
            start_new_session=True,
        )
        self.answers: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()
        self.attacks = self.answer(START).get('attacks', {})
        self.tried = 0

    def _listen(self) -> None:
        for line in self.process.stdout:
            self.answers.put(line)
        self.answers.put('')

    def answer(self, seconds: float) -> dict:
        """Wait for a line; an empty dict once the process has ended."""
        line = self.answers.get(timeout=seconds)
        return json.loads(line) if line else {}

    def attempt(self, attack: str, number: int, seconds: float) -> Outcome:
        """Try an input, which may be the last thing that this process does."""
        self.tried, what = self.tried + 1, 'making it'
        print(
            json.dumps([attack, number]), file=self.process.stdin, flush=True
        )
        try:
            begun = self.answer(seconds)
            what = begun.get('what', what)
            found = begun and self.answer(seconds)
        except queue.Empty:
            self.end()
            words = f'not there after {seconds:.0f} s'
            return Outcome(attack, number, what, 'hang', words)
        if not found:
            words = f'ended with {self.process.wait()}'
            return Outcome(attack, number, what, 'crash', words)
        return Outcome(attack, number, what, **found)

    @property
    def usable(self) -> bool:
        """Whether the next input may go to it."""
        return self.tried < LIFE and self.process.poll() is None

    def end(self) -> None:
        """Kill it and what it has started."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()


def campaign(
    long: bool, only: Sequence[str] = (), most: int | None = None
) -> Iterator[Outcome]:
    """Try the inputs of the short or the long form, ``most`` of an attack."""
    with tempfile.TemporaryDirectory(prefix='mmgl-fuzz-') as folder:
        child = Child(Path(folder))
        if not child.attacks:
            raise RuntimeError('the good input could not be made')
        for attack, (short, whole, seconds) in child.attacks.items():
            if only and not attack.startswith(tuple(only)):
                continue
            for number in range(whole if long else short)[:most]:
                if not child.usable:
                    child.end()
                    child = Child(Path(folder))
                yield child.attempt(attack, number, seconds)
        child.end()


def faults(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """List what did not end well."""
    return [one for one in outcomes if one.verdict != 'clean']


def table(outcomes: Sequence[Outcome]) -> str:
    """Count the ends by attack, as a Markdown table."""
    counts: dict[str, Counter[str]] = {}
    for one in outcomes:
        counts.setdefault(one.attack, Counter())[one.verdict] += 1
    counts['all'] = sum(counts.values(), Counter())
    lines = ['| attack | tried | ' + ' | '.join(VERDICTS) + ' |']
    lines.append('|---|' + '---:|' * (len(VERDICTS) + 1))
    for name, found in counts.items():
        numbers = [found.total(), *(found[verdict] for verdict in VERDICTS)]
        lines.append(f'| {name} | {" | ".join(map(str, numbers))} |')
    return '\n'.join(lines)


def fault_table(outcomes: Sequence[Outcome]) -> str:
    """List each kind of fault once, with its first example."""
    found: dict[tuple[str, str], list[Outcome]] = {}
    for one in faults(outcomes):
        found.setdefault((one.key, one.verdict), []).append(one)
    lines = ['| fault | end | times | the first |', '|---|---|---:|---|']
    for (key, verdict), ones in sorted(found.items()):
        words = ones[0].words.replace('|', '/').replace('\n', ' ')
        first = f'no. {ones[0].number}: {words}'
        lines.append(f'| {key} | {verdict} | {len(ones)} | {first} |')
    return '\n'.join(lines)


def _tables(outcomes: Sequence[Outcome]) -> str:
    return f'{table(outcomes)}\n\n{fault_table(outcomes)}\n'


def main(argv: Sequence[str] | None = None) -> int:
    """Run a campaign by the command line; the status tells of faults."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add('--long', action='store_true', help='thousands of inputs')
    add('--only', nargs='+', default=(), metavar='ATTACK', help='by its start')
    add('--most', type=int, help='inputs of each attack')
    add('--out', type=Path, metavar='TABLE.md', help='file for the tables')
    options = parser.parse_args(argv)
    outcomes = []
    for one in campaign(options.long, options.only, options.most):
        outcomes.append(one)
        if one.verdict != 'clean':
            print(
                f'{one.verdict}: {one.key} {one.number}: {one.words}',
                flush=True,
            )
        if options.out and len(outcomes) % 100 == 0:
            options.out.write_text(_tables(outcomes))
    print(f'\n{_tables(outcomes)}')
    if options.out:
        options.out.write_text(_tables(outcomes))
    return int(bool(faults(outcomes)))
