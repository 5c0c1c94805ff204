"""A table in the paper's layout: the runs behind its rows, JSON and text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Any

from terminaltables import AsciiTable, GithubFlavoredMarkdownTable

from .records import Record, Records
from .tables import FAIL, GROUPS, MEASURES, TABLES, Row, Table

EMPTY = '–'
# Of drawn people the page shows these, without multi-shot; the JSON has all.
SHOWN = ('rank1', 'mAP')
STALE = (
    'outdated: made by configs, or --cfg-options, that have changed since; '
    'left out: such runs beside newer ones, not counted.'
)


def draw(
    grid: Sequence[Sequence[str]], left: int, terminal: bool = False
) -> str:
    """Draw a table, in Markdown or not; numbers begin at column ``left``."""
    table = (AsciiTable if terminal else GithubFlavoredMarkdownTable)(grid)
    for column in range(left, len(grid[0])):
        table.justify_columns[column] = 'right'
    return str(table.table)


def statistics(values: Sequence[float]) -> dict[str, float]:
    """Mean and standard deviation of a sample, which is 0 of one value."""
    spread = stdev(values) if len(values) > 1 else 0.0
    return {'mean': mean(values), 'std': spread}


def mean_text(values: Sequence[float], sign: str = '') -> str:
    """Write the mean, and the spread of several; a dash for none.

    ``sign`` is '+' for differences.
    """
    if not values:
        return EMPTY
    value = statistics(values)
    spread = f' ± {value["std"]:.2f}' if len(values) > 1 else ''
    return f'{value["mean"]:{sign}.2f}{spread}'


@dataclass(frozen=True)
class Result:
    """A row and the runs that count for it, by seed and trial.

    Stale ones count only where there is nothing else; ``left_out`` do not.
    """

    row: Row
    runs: Mapping[tuple[int, int], Record]
    left_out: int

    @property
    def outdated(self) -> bool:
        """Whether the runs are of other configs than those of now."""
        return any(r.get('stale') for r in self.runs.values())

    @property
    def sound(self) -> dict[tuple[int, int], Record]:
        """The runs that did not diverge."""
        return {k: r for k, r in self.runs.items() if r['metrics'] != FAIL}

    def values(self, key: str) -> list[float]:
        """Percent of a metric, run by run."""
        return [record['metrics'][key] for record in self.sound.values()]

    def text(self, key: str) -> str:
        """Write our mean, or 'fail' if all runs diverged."""
        failed = self.runs and not self.sound
        return FAIL if failed else mean_text(self.values(key))

    def paper_text(self, key: str) -> str:
        """Write the paper's number, 'fail', or a dash where it has none."""
        paper = self.row.paper or {}
        if isinstance(paper, str):
            return paper
        return f'{paper[key]:.2f}' if key in paper else EMPTY

    def runs_text(self) -> str:
        """Write how many runs there are, and what is wrong with them."""
        failed = len(self.runs) - len(self.sound)
        notes = [f'{FAIL}: {failed}'] if failed else []
        notes += ['outdated'] if self.outdated else []
        notes += [f'left out: {self.left_out}'] if self.left_out else []
        text = f'{len(self.runs)}' if self.runs else EMPTY
        return text + (f' ({", ".join(notes)})' if notes else '')

    def to_dict(self, keys: Sequence[str]) -> dict[str, Any]:
        """Return labels, what was run, how often, and percent by metric."""
        row, paper = self.row, self.row.paper
        ours: Any = FAIL if self.runs else None
        if isinstance(paper, dict):
            paper = {key: paper[key] for key in keys if key in paper}
        if self.sound:
            columns = {key: self.values(key) for key in keys}
            ours = {
                k: {**statistics(v), 'values': v} for k, v in columns.items()
            }
        verdicts = {r['verdict'] for r in self.runs.values() if r['verdict']}
        found = {
            'labels': row.labels,
            'method': row.method,
            'init': row.init,
            'data': row.data,
            'paper': paper,
            'ours': ours,
            'runs': len(self.runs),
            'failed': len(self.runs) - len(self.sound),
            'seeds': sorted({seed for seed, _ in self.runs}),
            'verdicts': sorted(verdicts),
        }
        found |= {'outdated': True} if self.outdated else {}
        return found | ({'left_out': self.left_out} if self.left_out else {})


Results = Mapping[str, Result]


def results_of(table: str, scale: str, records: Records) -> Results:
    """Find the runs of every row of a table, by its key."""
    return {
        key: _result(row, records)
        for key, row in TABLES[table].rows(scale).items()
    }


def _result(row: Row, records: Records) -> Result:
    found = {
        (cell.seed, cell.trial or 0): record
        for cell, record in records.items()
        if cell.run == row.run
    }
    fresh = {key: r for key, r in found.items() if not r.get('stale')}
    counted = dict(sorted((fresh or found).items()))
    return Result(row, counted, len(found) - len(counted))


def summarise(name: str, scale: str, results: Results) -> dict[str, Any]:
    """Gather a table: the paper's numbers and ours, as plain JSON.

    'fail' stands for runs that diverged. ``outdated`` says that all runs are,
    ``left_out`` how many are not counted because others are not.
    """
    table = TABLES[name]
    return {
        'table': name,
        'title': table.title,
        'scale': scale,
        'unit': 'percent',
        'rows': [result.to_dict(table.keys) for result in results.values()],
    }


def _grid(
    table: Table, group: str, drawn: bool, results: Results, terminal: bool
) -> list[list[str]]:
    """Fill the cells of one part of a table, headings first."""
    titles = MEASURES | ({'rank1': 'Rank-1'} if table.across else {})
    # Numbers of photographs do not stand beside those of drawn people, but
    # in brackets, for whoever watches a run.
    measures = [m for m in table.measures if m in SHOWN or not drawn]
    waits = not terminal and not any(r.runs for r in results.values())
    kinds = [''] if drawn else [' (paper)', ' (ours)']
    kinds = [' [paper]'] if terminal else kinds[:1] if waits else kinds
    heads = [f'{titles[m]}{kind}' for m in measures for kind in kinds]
    grid = [[*table.headers, *heads, *([] if waits else ['runs'])]]
    for result in results.values():
        if drawn and result.row.init is None:
            continue
        cells = list(result.row.labels)
        for measure in measures:
            key = f'{group}/{measure}'
            paper, ours = result.paper_text(key), result.text(key)
            both = [ours] if drawn else [paper, ours][: len(kinds)]
            cells += [f'{ours} [{paper}]'] if terminal else both
        grid.append(cells if waits else [*cells, result.runs_text()])
    if table.across:
        return [list(column) for column in zip(*grid, strict=True)]
    return grid


def table_text(
    name: str, scale: str, results: Results, terminal: bool = False
) -> str:
    """Draw a table, in Markdown or for the terminal.

    The paper's numbers stand beside ours of photographs, and in the terminal
    in brackets behind ours of whatever.
    """
    table = TABLES[name]
    left = 1 if table.across else len(table.headers)
    drawn = scale == 'mini' and not terminal
    groups = [g for g in table.groups if not (drawn and '_multi' in g)]
    parts = []
    if terminal:
        parts.append(
            f'{table.title}, scale {scale} (percent; in brackets the '
            "paper's numbers, of photographs)"
        )
    for group in groups:
        grid = _grid(table, group, drawn, results, terminal)
        text = draw(grid, left, terminal)
        if terminal:
            text = f'{GROUPS[group]}\n{text}'
        elif len(groups) > 1:
            text = f'{GROUPS[group]}:\n\n{text}'
        parts.append(text)
    stale = any(r.outdated or r.left_out for r in results.values())
    if terminal and stale:
        parts.append(STALE)
    return ('\n' if terminal else '\n\n').join(parts)
