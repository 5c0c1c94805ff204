"""What the scripts in benchmarks share: clock, table and report.

A figure is a ratio of two medians measured alternately in one run, in
seconds of processor time (all threads of the process): other programs on
the machine change both sides alike, and much less than they change the time
on the wall.
"""

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from mmgl.utils.files import replace_whole


@dataclass
class Figure:
    """One line of a table.

    Attributes:
        name: What was measured.
        value: The figure.
        target: What it should be at most (or at least); None if there is
            no target.
        unit: Unit of both; a ratio by default.
        at_least: Whether larger is better.
        note: What else the reader should know.
    """

    name: str
    value: float
    target: float | None = None
    unit: str = 'x'
    at_least: bool = False
    note: str = ''

    @property
    def verdict(self) -> str:
        """'met', 'missed', or '-' without a target."""
        if self.target is None:
            return '-'
        better = (
            self.value >= self.target
            if self.at_least
            else self.value <= self.target
        )
        return 'met' if better else 'missed'


def alternate(
    functions: dict[str, Callable[[], object]],
    repeats: int = 5,
    clock: Callable[[], float] = time.process_time,
) -> dict[str, float]:
    """Time functions in turn: a, b, a, b, ...

    Args:
        functions: Name and function without arguments. Each is called once
            more before, untimed.
        repeats: How often each is timed.
        clock: Gives seconds.

    Returns:
        Name and median of seconds.
    """
    seconds = {name: [] for name in functions}
    for turn in range(repeats + 1):
        for name, function in functions.items():
            start = clock()
            function()
            if turn:
                seconds[name].append(clock() - start)
    return {name: statistics.median(one) for name, one in seconds.items()}


def run_python(
    script: str | Path, *arguments: str, capture: bool = False
) -> subprocess.CompletedProcess:
    """Run a script in a process of its own, with the same package.

    Args:
        script: The script.
        *arguments: Its arguments.
        capture: Give its standard output instead of passing it on.

    Returns:
        The finished process; its exit status is not checked.
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


def peak_memory() -> float:
    """Tell the most memory that this process has held so far.

    Returns:
        GiB.
    """
    status = Path('/proc/self/status')
    if status.is_file():
        # getrusage would count what the parent held when it forked.
        for line in status.read_text().splitlines():
            if line.startswith('VmHWM:'):
                return int(line.split()[1]) / 2**20
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux counts kilobytes, macOS bytes.
    return peak / (2**30 if sys.platform == 'darwin' else 2**20)


def usable_cores() -> int:
    """Count the cores that this process may use.

    Returns:
        Their number.
    """
    if hasattr(os, 'sched_getaffinity'):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def describe_machine() -> dict[str, object]:
    """Describe what a benchmark runs on.

    Returns:
        Processor, number of cores, load, Python and system.
    """
    model = platform.processor() or platform.machine()
    cpuinfo = Path('/proc/cpuinfo')
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith('model name'):
                model = line.partition(':')[2].strip()
                break
    return dict(
        processor=model,
        cores=os.cpu_count(),
        load=[round(one, 1) for one in os.getloadavg()],
        python=platform.python_version(),
        system=platform.platform(),
    )


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    """Lay rows of cells out as a Markdown table.

    Args:
        rows: The first one holds the headings.

    Returns:
        Text without a final newline.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rows = [rows[0], ['-' * width for width in widths], *rows[1:]]
    return '\n'.join(
        '| '
        + ' | '.join(
            cell.ljust(width) for cell, width in zip(row, widths, strict=True)
        )
        + ' |'
        for row in rows
    )


def format_table(figures: Sequence[Figure]) -> str:
    """Lay figures out as a Markdown table.

    Args:
        figures: The lines.

    Returns:
        Text without a final newline.
    """
    rows = [('figure', 'value', 'target', 'verdict', 'note')]
    for one in figures:
        sign = '>=' if one.at_least else '<='
        target = '-' if one.target is None else f'{sign} {one.target:g}'
        rows.append(
            (
                one.name,
                f'{one.value:.3g} {one.unit}',
                target,
                one.verdict,
                one.note,
            )
        )
    return markdown_table(rows)


def report(
    title: str,
    figures: Iterable[Figure | None],
    out: str | Path | None = None,
    **details: object,
) -> dict[str, object]:
    """Print figures and write them as JSON, anew after each one.

    Figures may be measured on the way: those before a cut or a failure stay.

    Args:
        title: What the table is about.
        figures: Its lines; None where only the details have grown.
        out: JSON file, if wanted.
        **details: More for the JSON; lists among them may grow meanwhile.

    Returns:
        What the JSON holds: title, figures, machine and the details.
    """
    entries: list[dict[str, object]] = []
    found: list[Figure] = []
    machine = describe_machine()
    content = dict(title=title, figures=entries, machine=machine, **details)
    _write(content, out)
    for one in figures:
        if one is not None:
            print(f'{one.name}: {one.value:.3g} {one.unit}', flush=True)
            found.append(one)
            entries.append(asdict(one) | dict(verdict=one.verdict))
        _write(content, out)
    _write(content, out)  # notes may have come after the last one
    print(f'\n## {title}\n\n{format_table(found)}\n')
    print(', '.join(f'{key}: {value}' for key, value in machine.items()))
    return content


def _write(content: dict[str, object], out: str | Path | None) -> None:
    """Replace the JSON file as a whole."""
    if out is not None:
        with replace_whole(out) as partial:
            partial.write_text(json.dumps(content, indent=2) + '\n')
