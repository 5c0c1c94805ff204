"""The results document, written from records and published numbers."""

from collections.abc import Mapping
from pathlib import Path
from statistics import mean, stdev

from terminaltables import GithubFlavoredMarkdownTable

from .cells import INITS, METHODS, SCALES, Cell, find_config
from .published import TABLE2, TABLE3
from .records import FAIL, load_records

KEYS = ('all_single/rank1', 'all_single/mAP', 'indoor_single/rank1',
        'indoor_single/mAP')
EMPTY = '–'
INTRO = """# Results

This file is written by `python tools/reproduce.py table2`; edit
`mmgl/apis/reproduce/document.py` instead. "Paper" marks numbers printed in
the MMGL paper, quoted and not measured here; "ours" marks runs of this code,
one JSON file each under [results/](results). All numbers are percent.
`fail` stands where a training diverged: in the paper as printed, in ours by
the verdict of `DivergenceHook`, which the record holds.

NFS has no public code: ours is a re-implementation in its style
([methods/nfs.md](methods/nfs.md)).
"""
SYSU = """## SYSU-MM01, all-search, single-shot (Table II)

Each row is two commands: `python tools/train.py CONFIG --init INIT` (for MMGL
with `--init-checkpoint` of the pre-training named below) and
`python tools/test.py CONFIG CHECKPOINT`; or all of them by
`python tools/reproduce.py table2 --scale full`.
"""
REGDB = """## RegDB, visible to infrared (Table III)

The mean over ten trials; a trial is trained and tested with the same
`trial` in both data loaders. The paper pre-trains on RegDB too.
"""
MINI = """## Embedded data set (measured)

`python tools/reproduce.py table2 --scale mini` makes every row, about two
to four minutes a run on two cores after the pre-trainings. ResNet-18 of half
width at 96x48 pixels, preset `mini` (128 identities to train, 40 to test);
mean ± standard deviation over the seeds given. The data are drawn, so these
numbers compare initialisations under one small budget; they say nothing
about the order of the methods on photographs, whose schedules are many times
longer.
"""


def write_document(options) -> Path:
    """Write the results document.

    Args:
        options: A ``ReproduceOptions``.

    Returns:
        Its path.
    """
    records = {
        scale: load_records(options.results, scale) for scale in SCALES
    }
    parts = [
        INTRO, SYSU,
        _paper_table(TABLE2, _means(records['full'], KEYS[:2])), '',
        _config_table(options.root, 'sysu'), '', REGDB,
        _paper_table(TABLE3, {}), '',
        _config_table(options.root, 'regdb'), '', MINI,
        mini_table(records['mini'])
    ]
    path = Path(options.document).resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('\n'.join(parts) + '\n', encoding='utf-8')
    return path


def _means(records: Mapping[Cell, dict],
           keys: tuple[str, ...]) -> dict[tuple[str, str], str]:
    """Mean and spread over the seeds, by method and initial weights."""
    groups: dict[tuple[str, str], list] = {}
    for cell, record in records.items():
        groups.setdefault((cell.method, cell.init), []).append(
            record['metrics'])
    return {
        key: [_spread(rows, name) for name in keys]
        for key, rows in groups.items()
    }


def _spread(rows: list, key: str) -> str:
    """Mean and spread of the runs that came through, and how many failed."""
    values = [row[key] for row in rows if row != FAIL]
    failed = len(rows) - len(values)
    if not values:
        return FAIL if failed == 1 else f'{FAIL} ({failed} of {failed})'
    text = f'{mean(values):.2f}'
    if len(values) > 1:
        text += f' ± {stdev(values):.2f}'
    return text + (f' ({FAIL}: {failed})' if failed else '')


def _markdown(rows: list[list[str]], text_columns: int) -> str:
    table = GithubFlavoredMarkdownTable(rows)
    for column in range(text_columns, len(rows[0])):
        table.justify_columns[column] = 'right'
    return table.table


def _paper_table(published: dict, ours: Mapping) -> str:
    """Paper beside ours, Rank-1 and mAP."""
    rows = [['method', 'initial weights', 'Rank-1 (paper)', 'mAP (paper)',
             'Rank-1 (ours)', 'mAP (ours)']]
    for (method, init), numbers in published.items():
        paper = ([FAIL, FAIL] if numbers == FAIL else
                 [f'{number:.2f}' for number in numbers])
        rows.append([METHODS[method].title, INITS[init], *paper,
                     *ours.get((method, init), [EMPTY, EMPTY])])
    return _markdown(rows, 2)


def _config_table(root: Path, dataset: str) -> str:
    """Which configs the rows of a table stand for."""
    rows = [['method', 'CONFIG', 'pre-training for MMGL']]
    for method, about in METHODS.items():
        rows.append([
            about.title,
            f'`{find_config(root, "finetune", method, dataset)}`',
            '`' + find_config(root, 'pretrain', f'mmgl_{about.stream}',
                              dataset) + '`'
        ])
    return _markdown(rows, 3)


def mini_table(records: Mapping[Cell, dict]) -> str:
    """Write the table of the embedded data set.

    Args:
        records: Record by cell.

    Returns:
        Markdown: each method from each initialisation, mean and spread.
    """
    rows = [['method', 'initial weights', 'seeds', 'Rank-1 all', 'mAP all',
             'Rank-1 indoor', 'mAP indoor']]
    ours = _means(records, KEYS)
    for method, about in METHODS.items():
        for init in SCALES['mini'].inits:
            seeds = sorted(cell.seed for cell in records
                           if (cell.method, cell.init) == (method, init))
            rows.append([
                about.title, INITS[init],
                ', '.join(map(str, seeds)) or EMPTY,
                *ours.get((method, init), [EMPTY] * len(KEYS))
            ])
    return _markdown(rows, 3)
