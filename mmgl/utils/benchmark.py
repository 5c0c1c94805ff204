"""What the scripts in benchmarks share: clock, table and report.

A figure is a ratio of two medians measured alternately in one run, in
seconds of processor time (all threads of the process), which other programs
change much less than the time on the wall, and on both sides alike.
"""

import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import chain
from pathlib import Path

from mmgl.utils.files import write_json


@dataclass
class Figure:
    """One line of a table."""

    name: str
    value: float
    target: float | None = None  # what it should be at most, if anything
    unit: str = 'x'  # a ratio
    at_least: bool = False  # whether larger is better
    note: str = ''

    @property
    def verdict(self) -> str:
        """'met', 'missed', or '-' without a target."""
        if self.target is None:
            return '-'
        low, high = self.value, self.target
        if self.at_least:
            low, high = high, low
        return 'met' if low <= high else 'missed'


def alternate(
    functions: dict[str, Callable[[], object]],
    repeats: int = 5,
    clock: Callable[[], float] = time.process_time,
) -> dict[str, float]:
    """Time functions in turn, a, b, a, b, ...: name -> median of seconds.

    Each is called once more before, untimed.
    """
    timers = {
        name: partial(seconds_of, function, clock)
        for name, function in functions.items()
    }
    return in_turn(timers, repeats)


def in_turn(
    timers: Mapping[str, Callable[[], float]], repeats: int
) -> dict[str, float]:
    """Take the medians of seconds that functions return, called in turn."""
    seconds: dict[str, list[float]] = {name: [] for name in timers}
    for turn in range(repeats + 1):
        for name, timer in timers.items():
            taken = timer()
            if turn:
                seconds[name].append(taken)
    return {name: statistics.median(one) for name, one in seconds.items()}


def seconds_of(
    function: Callable[[], object],
    clock: Callable[[], float] = time.process_time,
) -> float:
    """Time one call."""
    start = clock()
    function()
    return clock() - start


def run_python(
    script: str | Path, *arguments: str, capture: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run a script in a process of its own, with the same package.

    Its exit status is not checked; ``capture`` keeps its standard output.
    """
    root = str(Path(__file__).resolve().parents[2])
    paths = [root, os.environ.get('PYTHONPATH', '')]
    return subprocess.run(
        [sys.executable, str(script), *arguments],
        check=False,
        text=True,
        stdout=subprocess.PIPE if capture else None,
        env={**os.environ, 'PYTHONPATH': os.pathsep.join(filter(None, paths))},
    )


def _proc_field(path: str, name: str) -> str:
    """Return the first field of a name in a file of /proc, '' if none."""
    if os.path.isfile(path):
        for line in Path(path).read_text().splitlines():
            if line.startswith(name):
                return line.partition(':')[2].strip()
    return ''


def peak_memory() -> float:
    """Tell the most memory that this process has held so far, in GiB."""
    # getrusage would count what the parent held when it forked.
    held = _proc_field('/proc/self/status', 'VmHWM')
    if held:
        return int(held.split()[0]) / 2**20
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux counts kilobytes, macOS bytes.
    return peak / (2**30 if sys.platform == 'darwin' else 2**20)


def usable_cores() -> int:
    """Count the cores that this process may use."""
    if hasattr(os, 'sched_getaffinity'):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def describe_machine() -> dict[str, object]:
    """Describe what a benchmark runs on."""
    model = _proc_field('/proc/cpuinfo', 'model name')
    return dict(
        processor=model or platform.processor() or platform.machine(),
        cores=os.cpu_count(),
        BLAS=_describe_blas(),
        load=[round(one, 1) for one in os.getloadavg()],
        python=platform.python_version(),
        system=platform.platform(),
    )


def _describe_blas() -> str:
    """Name the kernels that numpy and others multiply matrices with.

    They are half as fast where the environment holds them to an older kind
    of processor, which none of the figures would tell.
    """
    from threadpoolctl import threadpool_info  # comes with scikit-learn

    found = {
        f'{one["internal_api"]} {one.get("architecture", "")}'.strip()
        for one in threadpool_info()
        if one['user_api'] == 'blas'
    }
    chosen = [name for name in os.environ if name.endswith('_CORETYPE')]
    held = f' (by {", ".join(chosen)})' if chosen else ''
    return ', '.join(sorted(found)) + held


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    """Lay rows, the first of them the headings, out as a Markdown table."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in (rows[0], ['-' * width for width in widths], *rows[1:]):
        cells = map(str.ljust, row, widths)
        lines.append(f'| {" | ".join(cells)} |')
    return '\n'.join(lines)


def format_table(figures: Sequence[Figure]) -> str:
    """Lay figures out as a Markdown table."""
    rows = [('figure', 'value', 'target', 'verdict', 'note')]
    for one in figures:
        sign = '>=' if one.at_least else '<='
        target = '-' if one.target is None else f'{sign} {one.target:g}'
        value = f'{one.value:.3g} {one.unit}'
        rows.append((one.name, value, target, one.verdict, one.note))
    return markdown_table(rows)


def report(
    title: str,
    figures: Iterable[Figure | None],
    out: str | Path | None = None,
    **details: object,
) -> dict[str, object]:
    """Print figures and write them as JSON, anew after each one.

    Figures may be measured on the way: those before a cut or a failure stay;
    None stands for details, lists that have grown meanwhile. Returns what the
    JSON holds: title, figures, machine and the details.
    """
    entries: list[dict[str, object]] = []
    found: list[Figure] = []
    machine = describe_machine()
    content = dict(title=title, figures=entries, machine=machine, **details)
    # Notes may come after the last figure.
    for one in chain([None], figures, [None]):
        if one is not None:
            print(f'{one.name}: {one.value:.3g} {one.unit}', flush=True)
            found.append(one)
            entries.append(asdict(one) | dict(verdict=one.verdict))
        if out is not None:
            write_json(out, content)
    print(f'\n## {title}\n\n{format_table(found)}\n')
    print(', '.join(f'{key}: {value}' for key, value in machine.items()))
    return content
