"""What the paper says of its tables, and whether it comes out here."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .records import Records
from .summary import EMPTY, Result, draw, mean_text, results_of, statistics
from .tables import FAIL, Row, Table, tables_of

AGREES, DIFFERS = 'as the paper', 'against the paper'
OPEN, ALONE, WAITS = 'undecided', 'one seed', 'not run'
APART = 'not comparable'
SHOWN = {'mAP': 'mAP'}
RULE = (
    'Points of mAP by which the first is better (all-search, single-shot; '
    'RegDB: visible to infrared), ours seed by seed, mean ± standard '
    f'deviation: *{AGREES}* or *{DIFFERS}* where it is more than that '
    f'deviation, else *{OPEN}*; *{APART}* where only one of the two was made '
    'by the configs of now.'
)


@dataclass(frozen=True)
class Finding:
    """A statement of the paper: the first row is better than the second.

    ``ours`` has a difference a seed by metric, ``outdated`` counts the rows
    whose runs are of other configs than those of now.
    """

    table: str
    title: str
    better: Row
    worse: Row
    ours: Mapping[str, Sequence[float]]
    outdated: int

    @property
    def keys(self) -> list[str]:
        """The metrics that are compared."""
        return list(self.ours)

    @property
    def verdict(self) -> str:
        """Whether it comes out here, by the mAP."""
        differences = self.ours[self.keys[-1]]
        if differences and self.outdated == 1:
            return APART
        if len(differences) < 2:
            return ALONE if differences else WAITS
        value = statistics(differences)
        if abs(value['mean']) <= value['std']:
            return OPEN
        return AGREES if value['mean'] > 0 else DIFFERS

    def paper(self, key: str) -> str:
        """Write by how much the first is better in the paper."""
        better, worse = self.better.paper, self.worse.paper
        if isinstance(better, dict) and isinstance(worse, dict):
            return f'{better[key] - worse[key]:+.2f}'
        return FAIL if FAIL in (better, worse) else EMPTY

    def cells(self) -> list[str]:
        """Write what stands in a row of a table of findings."""
        sides = [
            ' from '.join(row.labels) for row in (self.better, self.worse)
        ]
        cells = [self.title.partition(':')[0], *sides]
        for key, values in self.ours.items():
            cells += [self.paper(key), mean_text(values, '+')]
        marks = ' (outdated)' if self.outdated == 2 else ''
        runs = len(self.ours[self.keys[0]])
        return [*cells, str(runs), self.verdict + marks]


def differences(
    better: Result, worse: Result, keys: Sequence[str]
) -> dict[str, list[float]]:
    """Subtract row from row, seed by seed, where both came through."""
    first, second = better.sound, worse.sound
    pairs = [(first[s], second[s]) for s in sorted(first.keys() & second)]
    return {
        key: [a['metrics'][key] - b['metrics'][key] for a, b in pairs]
        for key in keys
    }


def find(scale: str, records: Records) -> list[Finding]:
    """Judge every statement of the tables that a scale can make."""
    return [
        finding
        for table in tables_of(scale).values()
        for finding in _of_table(table, results_of(table.name, scale, records))
    ]


def _of_table(table: Table, results: Mapping[str, Result]) -> list[Finding]:
    found = []
    keys = [f'{table.groups[0]}/{measure}' for measure in SHOWN]
    for claim in table.claims:
        better, worse = (results[key.strip()] for key in claim.split('>'))
        ours = differences(better, worse, keys)
        rows, old = (better.row, worse.row), better.outdated + worse.outdated
        found.append(Finding(table.name, table.title, *rows, ours, old))
    return found


def findings_text(findings: Sequence[Finding]) -> str:
    """Count the verdicts and draw what has been run."""
    counts = Counter(finding.verdict for finding in findings)
    words = ', '.join(
        f'{counts[verdict]} {verdict}'
        for verdict in (AGREES, DIFFERS, OPEN, ALONE, APART, WAITS)
    )
    heads = [
        f'{title} ({whose})'
        for title in SHOWN.values()
        for whose in ('paper, photographs', 'ours, drawn')
    ]
    grid = [['table', 'better', 'than', *heads, 'seeds', 'here']]
    grid += [one.cells() for one in findings if one.verdict != WAITS]
    total = f'Of {len(findings)} statements of the paper: {words}.'
    return '\n\n'.join([total, RULE, draw(grid, 3)])
