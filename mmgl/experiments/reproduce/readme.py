"""The results table of the README, written from the records."""

from collections.abc import Mapping
from pathlib import Path

from terminaltables import GithubFlavoredMarkdownTable

from .cells import Cell
from .layout import EMPTY, counted, our_text, runs_text, statistics, summarise
from .published import FAIL
from .tables import TABLES

BEGIN = '<!-- Written by tools/reproduce.py from docs/results. -->'
END = '<!-- End of what tools/reproduce.py writes. -->'
# The rows of Table II that the quickstart makes, at its scale.
TABLE, SCALE, METHOD, INITS = 'table2', 'mini', 'agw', ('random', 'mmgl')
COLUMNS = {
    'Rank-1 all': 'all_single/rank1',
    'mAP all': 'all_single/mAP',
    'Rank-1 indoor': 'indoor_single/rank1',
    'mAP indoor': 'indoor_single/mAP',
}


def readme_table(records: Mapping[Cell, dict]) -> str:
    """Draw AGW from random weights, from MMGL, and the gain.

    Args:
        records: Record by cell of scale ``mini``, stale ones marked.

    Returns:
        A Markdown table; the gain is that of equal seeds, averaged after.
    """
    grid = [['method', 'initial weights', *COLUMNS, 'runs']]
    for row in summarise(TABLE, SCALE, records)['rows']:
        if row['method'] == METHOD and row['init'] in INITS:
            grid.append(
                [
                    *row['labels'],
                    *(our_text(row, key) for key in COLUMNS.values()),
                    runs_text(row),
                ]
            )
    drawn = GithubFlavoredMarkdownTable([*grid, _gain(records)])
    for column in range(2, len(grid[0])):
        drawn.justify_columns[column] = 'right'
    return drawn.table


def write_readme(path: Path, records: Mapping[Cell, dict]) -> Path:
    """Replace the table between the two marks of the README.

    Args:
        path: The README.
        records: Record by cell of scale ``mini``, stale ones marked.

    Returns:
        The path.

    Raises:
        ValueError: If a mark is missing.
    """
    text = path.read_text(encoding='utf-8')
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(
            f'{path} lacks the line {BEGIN!r} or, behind it, '
            f'{END!r}; put both around its table of results'
        )
    path.write_text(
        f'{before}{BEGIN}\n\n{readme_table(records)}\n\n{END}{after}',
        encoding='utf-8',
    )
    return path


def _gain(records: Mapping[Cell, dict]) -> list[str]:
    """Write the last row: MMGL minus random weights, seed by seed."""
    before, after = (
        {
            cell.seed: record['metrics']
            for row in TABLES[TABLE].rows(SCALE)
            if (row.method, row.init) == (METHOD, init)
            for cell, record in counted(row, records)[0]
            if record['metrics'] != FAIL
        }
        for init in INITS
    )
    seeds = sorted(before.keys() & after.keys())
    if not seeds:
        return ['gain', '', *[EMPTY] * len(COLUMNS), EMPTY]
    gains = [
        statistics([after[s][key] - before[s][key] for s in seeds])
        for key in COLUMNS.values()
    ]
    return [
        'gain',
        '',
        *(f'{gain["mean"]:+.2f} ± {gain["std"]:.2f}' for gain in gains),
        str(len(seeds)),
    ]
