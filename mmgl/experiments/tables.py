"""The tables, which cells make a row and what is printed, and figures."""

from collections.abc import Iterable, Mapping
from configparser import ConfigParser, ExtendedInterpolation, SectionProxy
from dataclasses import dataclass
from pathlib import Path

from .cells import Cell
from .methods import DATASETS, METHODS, SCALES
from .pretrainings import (
    COEFFICIENTS,
    COMPONENTS,
    PRETRAININGS,
    READINGS,
    RIVALS,
    STRIPES,
    TEMPERATURES,
    TITLES,
    is_mmgl,
    plain,
)

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

    labels: tuple[str, ...]
    method: str = 'agw'
    init: str | None = None
    data: str = 'sysu'
    paper: Numbers | None = None

    def shows(self, cell: Cell) -> bool:
        """Whether a cell, of any seed and trial, is a run behind the row."""
        return (cell.method, cell.init, cell.data) == (
            self.method,
            self.init,
            self.data,
        )


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
    paper: Mapping[str, Numbers]

    def rows(self, scale: str) -> list[Row]:
        """Make the rows that are within reach of a scale."""
        within = {QUOTED, *SCALES[scale].inits, *PRETRAININGS[scale]}
        data = 'regdb' if 'infrared_to_visible' in self.groups else 'sysu'
        if self.name == 'table6' and scale == 'mini':
            data = 'sysu-18rows'
        paper = TABLES[self.name.removesuffix('-native')].paper
        if paper:
            # Most tables do not repeat what AGW reaches without pre-training.
            paper = {**TABLES['table5'].paper, **paper}
        rows = []
        for labels, method, name in _ROWS[self.name]:
            init = plain(name, scale)
            if init not in within:
                continue
            key = 'mmgl' if is_mmgl(init, scale) else init
            key = key.removesuffix('-native')
            published = paper.get(f'{method}/{key}' if labels[1:] else key)
            start = None if init == QUOTED else init
            rows.append(Row(labels, method, start, data, published))
        return rows


# What a row begins with, its method and initial weights.
_Triple = tuple[tuple[str, ...], str, str]
_BASES = [('random', 'random'), ('ImageNet', 'imagenet')]
_INITS = ('random', 'imagenet', 'mmgl')
_SOURCES = [
    ('none', 'random'),
    ('SYSU-MM01', 'mmgl-plain'),
    ('RegDB', 'mmgl-regdb'),
]


def _agw(pairs: Iterable[tuple[str, str]]) -> list[_Triple]:
    return [((label,), 'agw', init) for label, init in pairs]


def _methods(pairs: Iterable[tuple[str, str]]) -> list[_Triple]:
    return [((METHODS[m].title, TITLES[init]), m, init) for m, init in pairs]


def _rivals(ending: str = '') -> list[_Triple]:
    rivals = [(title, key + ending) for key, title in RIVALS.items()]
    return _agw([*_BASES, *rivals, ('MMGL', 'mmgl-plain')])


def _values(key: str, values: Iterable[float]) -> list[_Triple]:
    return _agw([_BASES[0], *((f'{v}', f'{key}{v}') for v in values)])


_ORIGINALS = _methods(
    (method, init)
    for method, about in METHODS.items()
    if not about.variant_of
    for init in _INITS
)
# Rows of every table; what is not within reach of a scale is left out.
_ROWS = {
    'table2': _ORIGINALS,
    'table3': _ORIGINALS,
    'table4': _rivals(),
    'table4-native': _rivals('-native'),
    'table5': _agw(
        [
            *_BASES,
            ('Huang et al. (quoted)', QUOTED),
            *((title, key) for key, (title, _) in COMPONENTS.items()),
            ('P + C + E', 'mmgl'),
        ]
    ),
    'table6': _values('mmgl-n', STRIPES),
    'table7': _values('mmgl-tau', TEMPERATURES),
    'table8': _values('mmgl-lambda', COEFFICIENTS),
    'variants': _methods(
        (method, init)
        for variant, about in METHODS.items()
        if about.variant_of
        for init in _INITS
        for method in (about.variant_of, variant)
    ),
    'ablation-norm': _methods(
        [
            ('agw', 'mmgl'),
            *(('agw', init) for init in READINGS),
            ('one-stream', 'mmgl-modality-bn'),
            ('agw-exact', 'mmgl-modality-bn'),
            ('ddag', 'mmgl-modality-bn'),
            ('nfs', 'mmgl-modality-bn'),
            ('caj-exact', 'mmgl-modality-bn'),
            ('mutual-info-paper', 'mmgl-modality-bn'),
        ]
    ),
    'ablation-streams': _agw(
        [
            _BASES[0],
            ('one-stream, stem copied into both', 'mmgl-one-stream'),
            ('two-stream', 'mmgl-plain'),
        ]
    ),
    'ablation-source': _agw(_SOURCES),
    'ablation-source-regdb': _agw(_SOURCES),
}


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
    """List the cells of a table, those of seed 0 first.

    Raises:
        ValueError: For an unknown table or scale, or too few seeds.
    """
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
