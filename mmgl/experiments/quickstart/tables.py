"""Tables of a quickstart's numbers, for the terminal and for Markdown."""

from math import factorial
from typing import NamedTuple

from terminaltables import AsciiTable, GithubFlavoredMarkdownTable

from .results import MEASURES, PERMUTATION, PROTOCOLS


class _Style(NamedTuple):
    """How a cell shows mean, spread and range, and groups are parted."""

    spread: str
    gap: bool


_TERMINAL = _Style('{mean} ± {std}\n{min}/{max}', gap=True)
_MARKDOWN = _Style('{mean} ± {std} ({min} to {max})', gap=False)


def _cell(value: dict, several: bool, style: _Style, sign: str = '') -> str:
    text = {
        k: f'{v:{sign if k != "std" else ""}.1f}' for k, v in value.items()
    }
    return (style.spread if several else '{mean}').format(**text)


def _retrieval(metrics: dict, style: _Style) -> list[list[str]]:
    several = len(metrics['seeds']) > 1
    rows = [['search', 'init', *MEASURES]]
    names = {'random': 'random', 'mmgl': 'MMGL', 'difference': 'gain'}
    for protocol, prefix in PROTOCOLS.items():
        search = protocol.replace('-search', '')
        if several and style.gap:
            # Two short lines keep the table within 80 columns.
            search = search.replace(', ', ',\n')
        if style.gap and len(rows) > 1:
            rows.append([''] * len(rows[0]))
        for number, (name, title) in enumerate(names.items()):
            cells = [
                _cell(
                    metrics['summary'][name][f'{prefix}/{measure}'],
                    several,
                    style,
                    '+' if name == 'difference' else '',
                )
                for measure in MEASURES.values()
            ]
            rows.append([search if number == 0 else '', title, *cells])
    return rows


def _permutation(metrics: dict, style: _Style) -> list[list[str]]:
    several = len(metrics['seeds']) > 1
    stripes = metrics['num_stripes']
    rows = [['held-out images', 'stripes right', 'whole permutation right']]
    for title, part in PERMUTATION.items():
        cells = [
            _cell(
                metrics['summary']['permutation'][f'{part}{measure}'],
                several,
                style,
            )
            for measure in ('stripe_acc', 'exact_acc')
        ]
        rows.append([title, *cells])
    rows.append(
        ['chance', f'{100 / stripes:.1f}', f'{100 / factorial(stripes):.2f}']
    )
    return rows


def terminal_tables(metrics: dict) -> str:
    """Write both tables for a terminal of 80 columns.

    Args:
        metrics: What ``collect`` returned.

    Returns:
        Their text, all numbers in percent.
    """
    retrieval = AsciiTable(_retrieval(metrics, _TERMINAL))
    for column in range(2, 2 + len(MEASURES)):
        retrieval.justify_columns[column] = 'right'
    permutation = AsciiTable(_permutation(metrics, _TERMINAL))
    permutation.justify_columns.update({1: 'right', 2: 'right'})
    text = (
        'AGW from random weights and from MMGL on unseen identities '
        '(percent)\n'
    )
    text += retrieval.table + '\n\n'
    text += 'Permutation recovery on held-out identities (percent)\n'
    text += permutation.table
    if len(metrics['seeds']) > 1:
        text += (
            f'\nmean ± standard deviation over {len(metrics["seeds"])} '
            'seeds; below it smallest/largest'
        )
    return text


def markdown_tables(metrics: dict) -> tuple[str, str]:
    """Write both tables in Markdown.

    Args:
        metrics: What ``collect`` returned.

    Returns:
        The tables of retrieval and of permutation recovery.
    """
    tables = []
    for rows in (
        _retrieval(metrics, _MARKDOWN),
        _permutation(metrics, _MARKDOWN),
    ):
        table = GithubFlavoredMarkdownTable(rows)
        for column in range(1, len(rows[0])):
            if rows[0][column] != 'init':
                table.justify_columns[column] = 'right'
        tables.append(table.table)
    return tables[0], tables[1]
