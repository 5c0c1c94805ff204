"""What the paper says of its tables, and whether it comes out here."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from .records import Record, Records
from .summary import EMPTY, came_through, counted, draw, statistics
from .tables import FAIL, TABLES, Row

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
    better: Row
    worse: Row
    ours: Mapping[str, Sequence[float]]
    outdated: int

    @property
    def keys(self) -> list[str]:
        """The metrics that are compared."""
        return [f'{TABLES[self.table].groups[0]}/{m}' for m in SHOWN]

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


def differences(
    better: Row, worse: Row, keys: Sequence[str], records: Records
) -> dict[str, list[float]]:
    """Subtract row from row, seed by seed, where both came through."""
    first, second = (_by_seed(row, records) for row in (better, worse))
    pairs = [(first[s], second[s]) for s in sorted(first.keys() & second)]
    return {
        key: [a['metrics'][key] - b['metrics'][key] for a, b in pairs]
        for key in keys
    }


def _by_seed(row: Row, records: Records) -> dict[tuple[int, int], Record]:
    return {
        (cell.seed, cell.trial or 0): record
        for cell, record in came_through(counted(row, records)[0]).items()
    }


def find(scale: str, records: Records) -> list[Finding]:
    """Judge every statement of the tables that a scale can make."""
    return [
        finding
        for name, table in TABLES.items()
        if scale in table.scales
        for finding in _of_table(name, scale, records)
    ]


def _of_table(name: str, scale: str, records: Records) -> Iterator[Finding]:
    table = TABLES[name]
    rows = table.keyed_rows(scale)
    for claim in table.claims:
        better, worse = (rows[key.strip()] for key in claim.split('>'))
        keys = [f'{table.groups[0]}/{measure}' for measure in SHOWN]
        ours = differences(better, worse, keys, records)
        stale = sum(
            any(r.get('stale') for r in _by_seed(row, records).values())
            for row in (better, worse)
        )
        yield Finding(name, better, worse, ours, stale)


def _paper(finding: Finding, key: str) -> str:
    better, worse = finding.better.paper, finding.worse.paper
    if isinstance(better, dict) and isinstance(worse, dict):
        return f'{better[key] - worse[key]:+.2f}'
    return FAIL if FAIL in (better, worse) else EMPTY


def _ours(values: Sequence[float]) -> str:
    if not values:
        return EMPTY
    value = statistics(values)
    spread = f' ± {value["std"]:.2f}' if len(values) > 1 else ''
    return f'{value["mean"]:+.2f}{spread}'


def _labels(row: Row) -> str:
    return ' from '.join(row.labels)


def findings_text(findings: Sequence[Finding]) -> str:
    """Count the verdicts and draw what has been run."""
    counts = Counter(f.verdict for f in findings)
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
    for finding in findings:
        if finding.verdict == WAITS:
            continue
        title = TABLES[finding.table].title.partition(':')[0]
        cells = [title, _labels(finding.better), _labels(finding.worse)]
        for key in finding.keys:
            cells += [_paper(finding, key), _ours(finding.ours[key])]
        marks = ' (outdated)' if finding.outdated == 2 else ''
        runs = len(finding.ours[finding.keys[0]])
        grid.append([*cells, str(runs), finding.verdict + marks])
    total = f'Of {len(findings)} statements of the paper: {words}.'
    return '\n\n'.join([total, RULE, draw(grid, 3)])
