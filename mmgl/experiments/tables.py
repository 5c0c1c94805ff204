"""The tables, which cells make a row and what is printed, and figures."""

from configparser import ConfigParser, ExtendedInterpolation, SectionProxy
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from .cells import Cell, Run
from .methods import DATASETS, METHODS, SCALES
from .pretrainings import PRETRAININGS, TITLES, names_of, plain

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


class Table:
    """A table, as a section of ``tables.ini`` describes it."""

    def __init__(self, section: SectionProxy) -> None:
        self.name = section.name
        self.title, self.intro = section['title'], section['intro']
        self.headers = section['headers'].split(', ')
        self.groups = section['groups'].split()
        self.measures = section['measures'].split()
        self.across = section['across'] == 'yes'
        self.scales = section['scales'].split()
        self.claims = _lines(section, 'claims')
        self.keys = [f'{g}/{m}' for g in self.groups for m in self.measures]
        self.lines = [
            pair for line in _lines(section, 'rows') for pair in _expand(line)
        ]
        self.paper = dict(map(self._printed, _lines(section, 'paper')))

    def _printed(self, line: str) -> tuple[str, Numbers]:
        """Read the paper's numbers of a row, group by group."""
        name, *numbers = line.split()
        if numbers == [FAIL]:
            return name, FAIL
        # Too few or too many numbers are an error.
        pairs = zip(self.keys, numbers, strict=True)
        return name, {key: float(n) for key, n in pairs if n != '-'}

    def rows(self, scale: str) -> dict[str, Row]:
        """Make the rows within reach of a scale, by key in ``tables.ini``."""
        data = 'regdb' if 'infrared_to_visible' in self.groups else 'sysu'
        if self.name == 'table6' and scale == 'mini':
            data = 'sysu-18rows'
        paper = TABLES[self.name.removesuffix('-native')].paper
        if paper:
            paper = {**TABLES['table5'].paper, **paper}
        within = {QUOTED, *SCALES[scale].inits, *PRETRAININGS[scale]}
        rows = {}
        for key, label in self.lines:
            method, slash, name = key.rpartition('/')
            init = plain(name, scale)
            own = init == 'imagenet' and METHODS[method or 'agw'].imagenet
            if init not in within and not own:
                continue
            printed = 'mmgl' if 'mmgl' in names_of(init, scale) else init
            printed = method + slash + printed.removesuffix('-native')
            labels = [label or TITLES[init]]
            rows[key] = Row(
                [METHODS[method].title, *labels] if method else labels,
                method or 'agw',
                None if init == QUOTED else init,
                data,
                paper.get(printed),
            )
        return rows


def _lines(section: SectionProxy, key: str) -> list[str]:
    return section.get(key, '').strip().splitlines()


def _expand(line: str) -> list[tuple[str, str]]:
    """Read METHOD,.../WEIGHTS,... and a label, if any; gives both by row."""
    names, _, label = line.partition(' ')
    *methods, inits = [part.split(',') for part in names.split('/')]
    keys = map('/'.join, product(*methods, inits))
    return [(key, label) for key in keys]


def _read_tables() -> dict[str, Table]:
    parser = ConfigParser(interpolation=ExtendedInterpolation())
    text = Path(__file__).with_name('tables.ini').read_text(encoding='utf-8')
    parser.read_string(text)
    return {name: Table(parser[name]) for name in parser.sections()}


TABLES = _read_tables()

_CURVES = 'plot_curves'
# Title, the tool under tools/visualization that draws it, and its words.
FIGURES = {
    'fig1': ('accuracy against the cost of pre-training', 'cost', '--log'),
    'fig3': (
        't-SNE of pre-learned features',
        'tsne',
        '--config {config} --split test {both} {images}',
    ),
    'fig4': ('t-SNE of fine-tuned features', 'tsne', '{both} {images}'),
    'fig5': ('the ten best matches of the same queries', 'ranking', '{both}'),
    'fig6': (
        'losses of the pre-training',
        _CURVES,
        '--names MMGL --kind loss --overlay',
    ),
    'fig7': (
        'permutation accuracy on held-out identities',
        _CURVES,
        '--names MMGL --kind permutation --num-stripes 6',
    ),
    'fig8': (
        'Rank-1 of DDAG on the validation identities',
        _CURVES,
        '{both} --kind metric --keys all_single/rank1',
    ),
}
# Drawn from records, once all others are done.
FROM_RECORDS = 'fig1'


def tables_of(scale: str) -> dict[str, Table]:
    """The tables that a scale has."""
    return {k: table for k, table in TABLES.items() if scale in table.scales}


def cells_of(table: str, scale: str, seeds: int | None = None) -> list[Cell]:
    """List the cells of a table, those of seed 0 first."""
    if table not in tables_of(scale):
        raise ValueError(
            f'no table {table!r} at scale {scale!r}; choose of '
            f'{", ".join(TABLES)} and {", ".join(SCALES)}'
        )
    if seeds is not None and seeds < 1:
        raise ValueError(f'seeds must be at least 1, got {seeds}')
    return [
        Cell(scale, row.method, row.init, seed, row.data, trial)
        for seed in range(seeds or SCALES[scale].seeds)
        for row in TABLES[table].rows(scale).values()
        if row.init is not None
        for trial in DATASETS[scale][row.data].trials
    ]
