"""From records to a table in the paper's layout, as data and as text."""

from collections.abc import Mapping
from statistics import mean, stdev

from terminaltables import AsciiTable, GithubFlavoredMarkdownTable

from .cells import Cell
from .published import FAIL
from .tables import TABLES, Row, Table

EMPTY = '–'
STALE = (
    'outdated: made by other configs, or other --cfg-options, than those '
    'of now; left out: such runs beside newer ones, not counted.'
)


def summarise(name: str, scale: str, records: Mapping[Cell, dict]) -> dict:
    """Gather a table: the paper's numbers and ours, as plain JSON.

    Args:
        name: Key of ``TABLES``.
        scale: Key of ``SCALES``.
        records: Record by cell.

    Returns:
        Title, and for each row its labels, what was run, how often, and
        percent by metric: the paper's, and mean, standard deviation and
        single values of ours. 'fail' stands for runs that diverged.
        ``outdated`` says that all runs are, ``left_out`` how many are not
        counted because others are not.
    """
    table = TABLES[name]
    return {
        'table': name,
        'title': table.title,
        'scale': scale,
        'unit': 'percent',
        'rows': [_row(table, row, records) for row in table.rows(scale)],
    }


def counted(
    row: Row, records: Mapping[Cell, dict]
) -> tuple[list[tuple[Cell, dict]], list[tuple[Cell, dict]]]:
    """Find the runs behind a row.

    Args:
        row: The row.
        records: Record by cell, those that today's configs would not give
            marked as ``stale``.

    Returns:
        Cells and records that count, in order of seed and trial, and the
        others: stale ones count only where there is nothing else.
    """
    found = sorted(
        (pair for pair in records.items() if row.shows(pair[0])),
        key=lambda pair: (pair[0].seed, pair[0].trial or 0),
    )
    fresh = [pair for pair in found if not pair[1].get('stale')]
    if not fresh:
        return found, []
    return fresh, [pair for pair in found if pair[1].get('stale')]


def _row(table: Table, row: Row, records: Mapping[Cell, dict]) -> dict:
    found, left_out = counted(row, records)
    marks = {
        'outdated': any(r.get('stale') for _, r in found),
        'left_out': len(left_out),
    }
    values = [r['metrics'] for _, r in found if r['metrics'] != FAIL]
    keys = [
        f'{group}/{measure}'
        for group in table.groups
        for measure in table.measures.values()
    ]
    return {
        'labels': list(row.labels),
        'method': row.method,
        'init': row.init,
        'data': row.data,
        'paper': (
            row.paper
            if row.paper in (None, FAIL)
            else {key: row.paper[key] for key in keys if key in row.paper}
        ),
        'ours': {key: statistics([v[key] for v in values]) for key in keys}
        if values
        else FAIL
        if found
        else None,
        'runs': len(found),
        'failed': len(found) - len(values),
        'seeds': sorted({cell.seed for cell, _ in found}),
        'verdicts': sorted(
            {record['verdict'] for _, record in found if record['verdict']}
        ),
        **{key: mark for key, mark in marks.items() if mark},
    }


def statistics(values: list[float]) -> dict:
    """Summarise the runs behind a number.

    Args:
        values: One of each run, at least one.

    Returns:
        ``mean``, ``std`` (0 of a single run) and the ``values``.
    """
    return {
        'mean': mean(values),
        'std': stdev(values) if len(values) > 1 else 0.0,
        'values': values,
    }


def paper_text(row: Mapping, key: str) -> str:
    """Write a number of the paper.

    Args:
        row: Row of a summary.
        key: The metric.

    Returns:
        The number, 'fail', or a dash where the paper has none.
    """
    if row['paper'] in (None, FAIL):
        return row['paper'] or EMPTY
    number = row['paper'].get(key)
    return EMPTY if number is None else f'{number:.2f}'


def our_text(row: Mapping, key: str) -> str:
    """Write our mean and spread.

    Args:
        row: Row of a summary.
        key: The metric.

    Returns:
        The mean, its spread if there are several runs, 'fail' if all
        diverged, and a dash where nothing was run.
    """
    if row['ours'] in (None, FAIL):
        return row['ours'] or EMPTY
    value = row['ours'][key]
    text = f'{value["mean"]:.2f}'
    return text + (
        f' ± {value["std"]:.2f}' if len(value['values']) > 1 else ''
    )


def runs_text(row: Mapping) -> str:
    """Write how many runs stand behind a row.

    Args:
        row: Row of a summary.

    Returns:
        Their number, how many of them diverged, whether they are outdated,
        and how many are not counted.
    """
    if not row['runs']:
        return EMPTY
    notes = [f'{FAIL}: {row["failed"]}'] if row['failed'] else []
    notes += ['outdated'] if row.get('outdated') else []
    notes += [f'left out: {row["left_out"]}'] if row.get('left_out') else []
    return f'{row["runs"]}' + (f' ({", ".join(notes)})' if notes else '')


def _stale_note(summary: Mapping) -> list[str]:
    """Explain the marks below a table that has any."""
    marked = any(
        row.get('outdated') or row.get('left_out') for row in summary['rows']
    )
    return [STALE] if marked else []


def _grid(
    table: Table, summary: Mapping, group: str, terminal: bool
) -> list[list[str]]:
    """Fill the cells of one part of a table, headings first."""
    head, rows = list(table.headers), []
    for title in table.measures:
        head += (
            [f'{title} [paper]']
            if terminal
            else [f'{title} (paper)', f'{title} (ours)']
        )
    for row in summary['rows']:
        cells = list(row['labels'])
        for measure in table.measures.values():
            key = f'{group}/{measure}'
            paper, ours = paper_text(row, key), our_text(row, key)
            cells += [f'{ours} [{paper}]'] if terminal else [paper, ours]
        rows.append([*cells, runs_text(row)])
    grid = [[*head, 'runs'], *rows]
    if table.across:
        return [list(column) for column in zip(*grid, strict=True)]
    return grid


def _render(name: str, summary: Mapping, terminal: bool) -> dict[str, str]:
    """Draw each part of a table."""
    table, parts = TABLES[name], {}
    kind = AsciiTable if terminal else GithubFlavoredMarkdownTable
    for group, title in table.groups.items():
        grid = _grid(table, summary, group, terminal)
        drawn = kind(grid)
        first = 1 if table.across else len(table.headers)
        for column in range(first, len(grid[0])):
            drawn.justify_columns[column] = 'right'
        parts[title] = drawn.table
    return parts


def terminal_table(name: str, summary: Mapping) -> str:
    """Draw a table for the terminal.

    Args:
        name: Key of ``TABLES``.
        summary: What ``summarise`` returned.

    Returns:
        Its text, the paper's numbers in brackets behind ours.
    """
    parts = [
        f'{summary["title"]}, scale {summary["scale"]} (percent; the '
        "paper's numbers in brackets)"
    ]
    for title, text in _render(name, summary, True).items():
        parts += [title, text]
    return '\n'.join(parts + _stale_note(summary))


def markdown_table(name: str, summary: Mapping) -> str:
    """Draw a table in Markdown.

    Args:
        name: Key of ``TABLES``.
        summary: What ``summarise`` returned.

    Returns:
        Its text, the paper's numbers beside ours.
    """
    parts = _render(name, summary, False)
    tables = (
        list(parts.values())
        if len(parts) == 1
        else [f'{title}:\n\n{text}' for title, text in parts.items()]
    )
    return '\n\n'.join(tables + _stale_note(summary))
