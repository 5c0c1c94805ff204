"""The tables, which cells make a row and what is printed, and figures."""

from collections.abc import Mapping
from configparser import ConfigParser, ExtendedInterpolation, SectionProxy
from dataclasses import dataclass
from pathlib import Path

from .cells import Cell, Run
from .methods import DATASETS, METHODS, SCALES
from .pretrainings import PRETRAININGS, TITLES, is_mmgl, plain

FAIL = 'fail'
# Printed by the paper, not run here.
QUOTED = 'huang'
# Titles of the parts of a table, by the beginning of their metrics.
GROUPS = {
    'all_single': 'All-search, single-shot',
    'all_multi': 'All-search, multi-shot',
    'indoor_single': 'Indoor-search, single-shot',
    'indoor_multi': 'Indoor-search, multi-shot',
    'visible_to_infrared': 'Visible to infrared',
    'infrared_to_visible': 'Infrared to visible',
}
# Headings of columns, by the end of their metrics.
MEASURES = {'rank1': 'r1', 'rank10': 'r10', 'rank20': 'r20', 'mAP': 'mAP'}
# Percent by metric, or that all runs failed.
Numbers = dict[str, float] | str


@dataclass(frozen=True)
class Row:
    """A row of a table, or a column of one that is printed across.

    Without initial weights the paper prints something that is not run here.
    """

    labels: list[str]
    method: str
    init: str | None
    data: str
    paper: Numbers | None

    @property
    def run(self) -> Run:
        """What the runs behind the row share, whatever seed and trial."""
        return self.method, self.init, self.data


@dataclass(frozen=True)
class Table:
    """A table, as ``tables.ini`` describes it."""

    name: str
    title: str
    intro: str
    headers: list[str]
    groups: list[str]
    measures: list[str]
    across: bool
    scales: list[str]
    lines: list[str]
    claims: list[str]
    paper: Mapping[str, Numbers]

    def rows(self, scale: str) -> list[Row]:
        """Make the rows that are within reach of a scale."""
        return list(self.keyed_rows(scale).values())

    def keyed_rows(self, scale: str) -> dict[str, Row]:
        """Make the rows by their keys in ``tables.ini``."""
        data = 'regdb' if 'infrared_to_visible' in self.groups else 'sysu'
        if self.name == 'table6' and scale == 'mini':
            data = 'sysu-18rows'
        paper = TABLES[self.name.removesuffix('-native')].paper
        if paper:
            paper = {**TABLES['table5'].paper, **paper}
        within = {QUOTED, *SCALES[scale].inits, *PRETRAININGS[scale]}
        rows = {}
        for line in self.lines:
            key, _, label = line.partition(' ')
            *methods, name = key.split('/')
            init = plain(name, scale)
            if init not in within:
                continue
            printed = 'mmgl' if is_mmgl(init, scale) else init
            printed = '/'.join([*methods, printed.removesuffix('-native')])
            labels = [label]
            if methods:
                labels = [METHODS[methods[0]].title, TITLES[init]]
            start = None if init == QUOTED else init
            method = methods[0] if methods else 'agw'
            rows[key] = Row(labels, method, start, data, paper.get(printed))
        return rows


def _numbers(section: SectionProxy) -> dict[str, Numbers]:
    """Read the paper's numbers, row by row and group by group."""
    keys = [
        f'{group}/{measure}'
        for group in section['groups'].split()
        for measure in section['measures'].split()
    ]
    rows: dict[str, Numbers] = {}
    for line in section.get('paper', '').strip().splitlines():
        name, *numbers = line.split()
        # Too few or too many numbers are an error.
        pairs = [] if numbers == [FAIL] else zip(keys, numbers, strict=True)
        rows[name] = {k: float(n) for k, n in pairs if n != '-'} or FAIL
    return rows


def _read_tables() -> dict[str, Table]:
    parser = ConfigParser(interpolation=ExtendedInterpolation())
    text = Path(__file__).with_name('tables.ini').read_text(encoding='utf-8')
    parser.read_string(text)
    return {
        name: Table(
            name,
            section['title'],
            section['intro'],
            section['headers'].split(', '),
            section['groups'].split(),
            section['measures'].split(),
            section['across'] == 'yes',
            section['scales'].split(),
            section['rows'].strip().splitlines(),
            section.get('claims', '').strip().splitlines(),
            _numbers(section),
        )
        for name in parser.sections()
        for section in [parser[name]]
    }


TABLES = _read_tables()

# Title, and the tool under tools/visualization that draws it.
FIGURES = {
    'fig1': ('accuracy against the cost of pre-training', 'cost'),
    'fig3': ('t-SNE of pre-learned features', 'tsne'),
    'fig4': ('t-SNE of fine-tuned features', 'tsne'),
    'fig5': ('the ten best matches of the same queries', 'ranking'),
    'fig6': ('losses of the pre-training', 'plot_curves'),
    'fig7': ('permutation accuracy on held-out identities', 'plot_curves'),
    'fig8': ('Rank-1 of DDAG on the validation identities', 'plot_curves'),
}
# Drawn from records, once all others are done.
FROM_RECORDS = 'fig1'


def cells_of(table: str, scale: str, seeds: int | None = None) -> list[Cell]:
    """List the cells of a table, those of seed 0 first."""
    if table not in TABLES or scale not in TABLES[table].scales:
        raise ValueError(
            f'no table {table!r} at scale {scale!r}; choose of '
            f'{", ".join(TABLES)} and {", ".join(SCALES)}'
        )
    if seeds is not None and seeds < 1:
        raise ValueError(f'seeds must be at least 1, got {seeds}')
    return [
        Cell(scale, row.method, row.init, seed, row.data, trial)
        for seed in range(seeds or SCALES[scale].seeds)
        for row in TABLES[table].rows(scale)
        if row.init is not None
        for trial in DATASETS[scale][row.data].trials
    ]
