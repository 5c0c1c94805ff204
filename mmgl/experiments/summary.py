"""From records to a table in the paper's layout, as data and as text."""

from collections.abc import Mapping, Sequence
from statistics import mean, stdev
from typing import Any

from terminaltables import AsciiTable, GithubFlavoredMarkdownTable

from .cells import Cell
from .records import Record, Records
from .tables import FAIL, GROUPS, MEASURES, TABLES, Row

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


def summarise(name: str, scale: str, records: Records) -> dict[str, Any]:
    """Gather a table: the paper's numbers and ours, as plain JSON.

    Each row has its labels, what was run, how often, and percent by metric:
    the paper's, and mean, standard deviation and single values of ours.
    'fail' stands for runs that diverged. ``outdated`` says that all runs are,
    ``left_out`` how many are not counted because others are not.
    """
    table = TABLES[name]
    keys = [f'{g}/{m}' for g in table.groups for m in table.measures]
    return {
        'table': name,
        'title': table.title,
        'scale': scale,
        'unit': 'percent',
        'rows': [_row(keys, row, records) for row in table.rows(scale)],
    }


def counted(
    row: Row, records: Records
) -> tuple[list[tuple[Cell, Record]], int]:
    """Find the runs that count for a row, by seed and trial.

    Stale ones count only where there is nothing else; gives also how many do
    not count.
    """
    found = sorted(
        (pair for pair in records.items() if pair[0].run == row.run),
        key=lambda pair: (pair[0].seed, pair[0].trial or 0),
    )
    fresh = [pair for pair in found if not pair[1].get('stale')]
    return (fresh, len(found) - len(fresh)) if fresh else (found, 0)


def came_through(found: Sequence[tuple[Cell, Record]]) -> dict[Cell, Record]:
    """Leave out the runs that diverged."""
    return {cell: r for cell, r in found if r['metrics'] != FAIL}


def _row(keys: list[str], row: Row, records: Records) -> dict[str, Any]:
    found, left_out = counted(row, records)
    paper = row.paper
    if isinstance(paper, dict):
        paper = {key: paper[key] for key in keys if key in paper}
    values = [r['metrics'] for r in came_through(found).values()]
    ours: Any = FAIL if found else None
    if values:
        columns = {key: [v[key] for v in values] for key in keys}
        ours = {k: {**statistics(v), 'values': v} for k, v in columns.items()}
    summary = {
        'labels': row.labels,
        'method': row.method,
        'init': row.init,
        'data': row.data,
        'paper': paper,
        'ours': ours,
        'runs': len(found),
        'failed': len(found) - len(values),
        'seeds': sorted({cell.seed for cell, _ in found}),
        'verdicts': sorted({r['verdict'] for _, r in found if r['verdict']}),
    }
    if any(r.get('stale') for _, r in found):
        summary['outdated'] = True
    if left_out:
        summary['left_out'] = left_out
    return summary


def _paper_text(row: Mapping[str, Any], key: str) -> str:
    """The paper's number, 'fail', or a dash where it has none."""
    if row['paper'] in (None, FAIL):
        return row['paper'] or EMPTY
    number = row['paper'].get(key)
    return EMPTY if number is None else f'{number:.2f}'


def our_text(row: Mapping[str, Any], key: str) -> str:
    """Write our mean, and the spread if there are several runs.

    'fail' stands if all diverged, a dash where nothing was run.
    """
    if row['ours'] in (None, FAIL):
        return row['ours'] or EMPTY
    value = row['ours'][key]
    spread = f' ± {value["std"]:.2f}' if len(value['values']) > 1 else ''
    return f'{value["mean"]:.2f}{spread}'


def runs_text(row: Mapping[str, Any]) -> str:
    """Write how many runs stand behind a row, and what is wrong with them."""
    if not row['runs']:
        return EMPTY
    notes = [f'{FAIL}: {row["failed"]}'] if row['failed'] else []
    notes += ['outdated'] if row.get('outdated') else []
    notes += [f'left out: {row["left_out"]}'] if row.get('left_out') else []
    return f'{row["runs"]}' + (f' ({", ".join(notes)})' if notes else '')


def _grid(
    summary: Mapping[str, Any], group: str, terminal: bool
) -> list[list[str]]:
    """Fill the cells of one part of a table, headings first."""
    table = TABLES[summary['table']]
    titles = MEASURES | ({'rank1': 'Rank-1'} if table.across else {})
    drawn = summary['scale'] == 'mini' and not terminal
    measures = [m for m in table.measures if m in SHOWN or not drawn]
    waits = not terminal and not any(r['runs'] for r in summary['rows'])
    # Numbers of photographs do not stand beside those of drawn people, but
    # in brackets, for whoever watches a run.
    kinds = [''] if drawn else [' (paper)', ' (ours)']
    kinds = [' [paper]'] if terminal else kinds[:1] if waits else kinds
    heads = [f'{titles[m]}{kind}' for m in measures for kind in kinds]
    grid = [[*table.headers, *heads, *([] if waits else ['runs'])]]
    for row in summary['rows']:
        if drawn and row['init'] is None:
            continue
        cells = list(row['labels'])
        for measure in measures:
            key = f'{group}/{measure}'
            paper, ours = _paper_text(row, key), our_text(row, key)
            both = [ours] if drawn else [paper, ours][: len(kinds)]
            cells += [f'{ours} [{paper}]'] if terminal else both
        grid.append(cells if waits else [*cells, runs_text(row)])
    if table.across:
        return [list(column) for column in zip(*grid, strict=True)]
    return grid


def table_text(summary: Mapping[str, Any], terminal: bool = False) -> str:
    """Draw a table, in Markdown or for the terminal.

    The paper's numbers stand beside ours of photographs, and in the terminal
    in brackets behind ours of whatever.
    """
    table = TABLES[summary['table']]
    left = 1 if table.across else len(table.headers)
    drawn = summary['scale'] == 'mini' and not terminal
    groups = [g for g in table.groups if not (drawn and '_multi' in g)]
    parts = []
    if terminal:
        parts.append(
            f'{summary["title"]}, scale {summary["scale"]} (percent; in '
            "brackets the paper's numbers, of photographs)"
        )
    for group in groups:
        text = draw(_grid(summary, group, terminal), left, terminal)
        if terminal:
            text = f'{GROUPS[group]}\n{text}'
        elif len(groups) > 1:
            text = f'{GROUPS[group]}:\n\n{text}'
        parts.append(text)
    rows = summary['rows']
    if terminal and any(r.get('outdated') or r.get('left_out') for r in rows):
        parts.append(STALE)
    return ('\n' if terminal else '\n\n').join(parts)
