"""The tables: which cells make a row, and what is printed of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from . import published
from .cells import Cell
from .methods import DATASETS, METHODS, SCALES
from .pretrainings import (
    COEFFICIENTS,
    PLAIN,
    READINGS,
    RIVALS,
    STRIPES,
    TEMPERATURES,
    TITLES,
)

RANKS = {'r1': 'rank1', 'r10': 'rank10', 'r20': 'rank20', 'mAP': 'mAP'}
SHORT = {'r1': 'rank1', 'r10': 'rank10', 'mAP': 'mAP'}
PAIR = {'Rank-1': 'rank1', 'mAP': 'mAP'}
ALL = {'all_single': 'All-search, single-shot'}
SYSU = {
    **ALL,
    'all_multi': 'All-search, multi-shot',
    'indoor_single': 'Indoor-search, single-shot',
    'indoor_multi': 'Indoor-search, multi-shot',
}
REGDB = {
    'visible_to_infrared': 'Visible to infrared',
    'infrared_to_visible': 'Infrared to visible',
}


@dataclass(frozen=True)
class Row:
    """A row of a table, or a column of one that is printed across.

    Attributes:
        labels: What it begins with.
        method: Key of ``METHODS``.
        init: Initial weights; None where the paper prints numbers of
            something that is not run here.
        data: Key of ``DATASETS``.
        paper: Published percent by metric, 'fail', or None.
    """

    labels: tuple[str, ...]
    method: str = 'agw'
    init: str | None = None
    data: str = 'sysu'
    paper: Mapping[str, float] | str | None = None

    def shows(self, cell: Cell) -> bool:
        """Whether a cell is one of the runs behind the row.

        Args:
            cell: The cell, of any seed and trial.

        Returns:
            Whether method, initial weights and data set are the row's.
        """
        return (cell.method, cell.init, cell.data) == (
            self.method,
            self.init,
            self.data,
        )


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        title: Heading.
        intro: What the results document says above it.
        headers: Headings of the labels.
        groups: Title of each part, by the beginning of its metrics.
        measures: End of the metrics, by column heading.
        rows: Makes the rows of a scale.
        across: Whether each row is printed as a column.
        scales: Scales that have it.
    """

    title: str
    intro: str
    headers: tuple[str, ...]
    groups: Mapping[str, str]
    measures: Mapping[str, str]
    rows: Callable[[str], list[Row]]
    across: bool = False
    scales: tuple[str, ...] = ('full', 'mini')


def _every_method(data: str, paper: Mapping) -> Callable[[str], list[Row]]:
    """Every method from every initialisation (Tables II and III)."""
    return lambda scale: [
        Row(
            (about.title, TITLES[init]),
            method,
            init,
            data,
            paper.get(f'{method}/{init}'),
        )
        for method, about in METHODS.items()
        if about.variant_of is None
        for init in (*SCALES[scale].inits, 'mmgl')
    ]


def _variants(scale: str) -> list[Row]:
    """Methods as published, and our variants of them."""
    return [
        Row((METHODS[method].title, TITLES[init]), method, init)
        for variant, about in METHODS.items()
        if about.variant_of is not None
        for init in (*SCALES[scale].inits, 'mmgl')
        for method in (about.variant_of, variant)
    ]


def _baselines(scale: str) -> list[Row]:
    """AGW without self-supervised pre-training."""
    return [
        Row((TITLES[init],), init=init, paper=published.TABLE5[init])
        for init in SCALES[scale].inits
    ]


def _rivals(ending: str = '') -> Callable[[str], list[Row]]:
    """AGW from every self-supervised method (Table IV)."""
    return lambda scale: [
        *_baselines(scale),
        *(
            Row((title,), init=key + ending, paper=published.TABLE4[key])
            for key, title in RIVALS.items()
        ),
        Row(('MMGL',), init=PLAIN[scale], paper=published.TABLE4['mmgl']),
    ]


def _components(scale: str) -> list[Row]:
    """AGW from parts of MMGL (Table V)."""
    paper = published.TABLE5
    return [
        *_baselines(scale),
        Row(('Huang et al. (quoted)',), paper=paper['huang']),
        *(
            Row(
                (TITLES[f'mmgl-{part}'],),
                init=f'mmgl-{part}',
                paper=paper[part],
            )
            for part in ('p', 'pe', 'pc')
        ),
        Row(('P + C + E',), init='mmgl', paper=paper['mmgl']),
    ]


def _readings(scale: str) -> list[Row]:
    """AGW, then other methods, from MMGL with other norms in its heads."""
    others = (
        'one-stream',
        'agw-exact',
        'ddag',
        'nfs',
        'caj-exact',
        'mutual-info-paper',
    )
    return [
        Row((METHODS[method].title, TITLES[init]), method, init)
        for method, init in (
            ('agw', 'mmgl'),
            *(('agw', init) for init in READINGS),
            *((method, 'mmgl-modality-bn') for method in others),
        )
    ]


def _values(
    values, usual, key: str, paper: Mapping
) -> Callable[[str], list[Row]]:
    """AGW from MMGL with one number changed (Tables VII and VIII)."""
    return lambda scale: [
        Row(('random',), init='random', paper=published.TABLE5['random']),
        *(
            Row(
                (f'{value}',),
                paper=paper[f'{value}'],
                init=PLAIN[scale] if value == usual else f'{key}{value}',
            )
            for value in values
        ),
    ]


def _stripes(scale: str) -> list[Row]:
    """AGW from MMGL with other numbers of stripes (Table VI)."""
    # At mini scale all of them, and random weights, have a size of their own.
    data, usual = ('sysu-18rows', None) if scale == 'mini' else ('sysu', 6)
    return [
        Row(
            ('random',),
            init='random',
            data=data,
            paper=published.TABLE5['random'],
        ),
        *(
            Row(
                (f'{n}',),
                init='mmgl' if n == usual else f'mmgl-n{n}',
                data=data,
                paper=published.TABLE6[f'{n}'],
            )
            for n in STRIPES
        ),
    ]


def _streams(scale: str) -> list[Row]:
    """AGW from one- and from two-stream pre-training."""
    return [
        Row(('random',), init='random'),
        Row(('one-stream, stem copied into both',), init='mmgl-one-stream'),
        Row(('two-stream',), init=PLAIN[scale]),
    ]


def _sources(data: str) -> Callable[[str], list[Row]]:
    """AGW from MMGL on either data set, fine-tuned on one."""
    return lambda scale: [
        Row((title,), init=init, data=data)
        for title, init in (
            ('none', 'random'),
            ('SYSU-MM01', PLAIN[scale]),
            ('RegDB', 'mmgl-regdb'),
        )
    ]


_AGW = ' All rows fine-tune AGW.'
TABLES = {
    'table2': Table(
        'Table II: seven methods on SYSU-MM01',
        'Each row is `python tools/train.py CONFIG --init INIT` (for MMGL '
        'with `--init-checkpoint` of the pre-training) and '
        '`python tools/test.py CONFIG CHECKPOINT`.',
        ('method', 'initial weights'),
        SYSU,
        RANKS,
        _every_method('sysu', published.TABLE2),
    ),
    'table3': Table(
        'Table III: seven methods on RegDB',
        'MMGL is pre-trained on SYSU-MM01 and fine-tuned on RegDB, as the '
        "text of the paper says (Sec. IV-D; the table's column Source prints "
        'RegDB, and `ablation-source` has both). At full scale the mean over '
        'the ten trials, each trained and tested with the same `trial`; at '
        'mini scale trial 1 of embedded data in the layout of RegDB.',
        ('method', 'initial weights'),
        REGDB,
        RANKS,
        _every_method('regdb', published.TABLE3),
    ),
    'table4': Table(
        'Table IV: self-supervised methods',
        'Every method pre-trains the same two-stream backbone on the same '
        'images with the optimiser of the paper; at scale `mini` the '
        'contrastive ones have [rates of their own](rivals.md).' + _AGW,
        ('pre-training',),
        ALL,
        SHORT,
        _rivals(),
    ),
    'table4-native': Table(
        'Table IV with the recipe of each method',
        'As Table IV, but each method with its own optimiser and schedule, '
        'scaled to a batch of 96.' + _AGW,
        ('pre-training',),
        ALL,
        SHORT,
        _rivals('-native'),
        scales=('full',),
    ),
    'table5': Table(
        'Table V: components of MMGL',
        'P: permutation recovery, E: position classification, C: '
        'part-aware cycle-contrastive loss. At scale `mini` 60 epochs of '
        'pre-training, in which it is solved.' + _AGW,
        ('pre-training',),
        {
            'all_single': SYSU['all_single'],
            'indoor_single': SYSU['indoor_single'],
        },
        SHORT,
        _components,
    ),
    'table6': Table(
        'Table VI: number of stripes N',
        'At mini scale images of 288 x 48 pixels, whose 18 rows of features '
        'all N divide, and a network of half the width.' + _AGW,
        ('N',),
        ALL,
        PAIR,
        _stripes,
        across=True,
    ),
    'table7': Table(
        'Table VII: temperature of the contrastive loss',
        _AGW.strip(),
        ('tau',),
        ALL,
        PAIR,
        _values(TEMPERATURES, 0.07, 'mmgl-tau', published.TABLE7),
        across=True,
    ),
    'table8': Table(
        'Table VIII: weight of the contrastive loss',
        _AGW.strip(),
        ('lambda',),
        ALL,
        PAIR,
        _values(COEFFICIENTS, 0.2, 'mmgl-lambda', published.TABLE8),
        across=True,
    ),
    'variants': Table(
        'Methods as published, and variants',
        'What the public code of a method computes beside what we recommend '
        '([methods/README.md](methods/README.md)). Not in the paper.',
        ('method', 'initial weights'),
        ALL,
        RANKS,
        _variants,
    ),
    'ablation-norm': Table(
        'Norms in the heads of MMGL',
        'Not in the paper; [pretraining.md](pretraining.md) says what the '
        'norms do.',
        ('method', 'initial weights'),
        ALL,
        SHORT,
        _readings,
    ),
    'ablation-streams': Table(
        'One- or two-stream pre-training',
        'AGW has two stems; those of a one-stream pre-training start equal. '
        'Not in the paper.' + _AGW,
        ('pre-training',),
        ALL,
        SHORT,
        _streams,
    ),
    'ablation-source': Table(
        'Pre-training on one data set, fine-tuning on SYSU-MM01',
        'Not in the paper; pre-training on RegDB sees trial 1.' + _AGW,
        ('pre-trained on',),
        ALL,
        SHORT,
        _sources('sysu'),
    ),
    'ablation-source-regdb': Table(
        'Pre-training on one data set, fine-tuning on RegDB',
        'Not in the paper; pre-training on RegDB sees the training half of '
        'the trial.' + _AGW,
        ('pre-trained on',),
        REGDB,
        SHORT,
        _sources('regdb'),
    ),
}


def rows_of(scale: str) -> list[Row]:
    """List the rows of all tables.

    Args:
        scale: Key of ``SCALES``.

    Returns:
        The rows; some stand in several tables.
    """
    return [
        row
        for table in TABLES.values()
        if scale in table.scales
        for row in table.rows(scale)
    ]


def cells_of(table: str, scale: str, seeds: int | None = None) -> list[Cell]:
    """List the cells of a table.

    Args:
        table: Key of ``TABLES``.
        scale: Key of ``SCALES``.
        seeds: Number of seeds, or None for that of the scale.

    Returns:
        The cells, those of seed 0 first.

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
