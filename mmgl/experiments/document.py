"""The results document and the README's table, written from records."""

from collections.abc import Mapping
from pathlib import Path

from .cells import find_config
from .methods import DATASETS, METHODS, SCALES, Overrides
from .pretrainings import PRETRAININGS
from .records import Records
from .state import write_json
from .summary import (
    EMPTY,
    counted,
    draw,
    our_text,
    runs_text,
    statistics,
    summarise,
    table_text,
)
from .tables import FAIL, TABLES

INTRO = """# Results

`python tools/reproduce.py` writes this file from the records under
[results/](results); [reproduction.md](reproduction.md) says how to add to
them. "Paper" marks numbers printed in the MMGL paper, quoted and not measured
here; "ours" marks runs of this code, mean ± standard deviation over the runs
counted in the last column. All numbers are percent. `fail` stands where a
training diverged or its features collapsed: in the paper as printed, in ours
by the verdict of `DivergenceHook` or, in contrastive pre-trainings, of
`FeatureSpreadHook`, which the record holds. A dash stands for what was not run
or not printed.

Scale `mini` is ResNet-18 of half width at 96 x 48 pixels on drawn images
(preset `mini`: 128 identities to train, 40 to test), with schedules that a
laptop can run. Its numbers compare rows of one table with one another. They
are no estimate of the paper's numbers beside them and say nothing about the
order of the seven methods on photographs.

A plain name of a method trains what its public code trains, defects included;
table `variants` has what we recommend beside it
([methods/README.md](methods/README.md)). NFS has no public code: ours is a
re-implementation in its style ([methods/nfs.md](methods/nfs.md)).
"""
NOTHING = 'No run of this table is recorded yet.'
BEGIN = '<!-- Written by tools/reproduce.py from docs/results. -->'
END = '<!-- End of what tools/reproduce.py writes. -->'
# What the README shows: the rows of Table II that the quickstart makes.
COLUMNS = {
    'Rank-1 all': 'all_single/rank1',
    'mAP all': 'all_single/mAP',
    'Rank-1 indoor': 'indoor_single/rank1',
    'mAP indoor': 'indoor_single/mAP',
}
INITS = ('random', 'mmgl')


def write_document(
    results: Path, document: Path, root: Path, records: Mapping[str, Records]
) -> Path:
    """Write the results document from records, stale ones marked, by scale.

    Notes lie beside the records; ``root`` is the folder with ``configs``.
    """
    parts = [INTRO]
    for name in TABLES:
        parts.append(_section(name, records, root))
        note = results / f'notes/{name}.md'
        if note.is_file():
            parts.append(note.read_text(encoding='utf-8').strip() + '\n')
    path = Path(document).resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('\n'.join(parts), encoding='utf-8')
    return path


def write_summaries(results: Path, scale: str, records: Records) -> list[Path]:
    """Write as JSON the tables of a scale of which something is recorded."""
    written = []
    for name, table in TABLES.items():
        if scale not in table.scales:
            continue
        summary = summarise(name, scale, records)
        if any(row['runs'] for row in summary['rows']):
            written.append(results / scale / f'tables/{name}.json')
            write_json(written[-1], summary)
    return written


def _section(name: str, records: Mapping[str, Records], root: Path) -> str:
    """Write one table at all its scales."""
    table = TABLES[name]
    lines = [
        f'## {table.title}',
        table.intro,
        f'`python tools/reproduce.py {name} --scale '
        f'{{{",".join(table.scales)}}}` makes every row.',
    ]
    for scale in table.scales:
        summary = summarise(name, scale, records[scale])
        done = any(row['runs'] for row in summary['rows'])
        # The paper's numbers are worth reading once without ours.
        shown = done or scale == table.scales[0]
        lines += [
            f'### {SCALES[scale].title}',
            _configs(name, scale, root),
            table_text(summary) if shown else NOTHING,
        ]
    return '\n\n'.join(lines) + '\n'


def _configs(name: str, scale: str, root: Path) -> str:
    """Name the configs and overrides behind a table."""
    rows = [row for row in TABLES[name].rows(scale) if row.init is not None]
    tuned = [['method', 'fine-tuning', 'overrides']]
    for method, data in dict.fromkeys((r.method, r.data) for r in rows):
        dataset = DATASETS[scale][data]
        config = find_config(root, method, dataset.ending)
        changes = _overrides(dataset.overrides)
        tuned.append([METHODS[method].title, f'`{config}`', changes])
    trained = [['initial weights', 'pre-training', 'overrides']]
    used = dict.fromkeys((r.init, METHODS[r.method].stream) for r in rows)
    for init, stream in used:
        about = PRETRAININGS[scale].get(init or '')
        if about is not None:
            config = about.config.format(stream=about.stream or stream)
            start = {f'model.init_from.{k}': v for k, v in about.init.items()}
            changes = _overrides({**about.overrides, **start})
            trained.append([f'`{init}`', f'`{config}`', changes])
    return '\n\n'.join(draw(grid, len(grid[0])) for grid in (tuned, trained))


def _overrides(overrides: Overrides) -> str:
    return ', '.join(f'`{key}={value}`' for key, value in overrides.items())


def readme_table(records: Records) -> str:
    """Draw AGW from random weights, from MMGL, and the gain, at scale mini.

    The gain is that of equal seeds, averaged after.
    """
    grid = [['method', 'initial weights', *COLUMNS, 'runs']]
    for row in summarise('table2', 'mini', records)['rows']:
        if row['method'] == 'agw' and row['init'] in INITS:
            numbers = [our_text(row, key) for key in COLUMNS.values()]
            grid.append([*row['labels'], *numbers, runs_text(row)])
    return draw([*grid, ['gain', '', *_gain(records)]], 2)


def _gain(records: Records) -> list[str]:
    """MMGL minus random weights, seed by seed, and how many seeds."""
    before, after = (
        {
            cell.seed: record['metrics']
            for row in TABLES['table2'].rows('mini')
            if (row.method, row.init) == ('agw', init)
            for cell, record in counted(row, records)[0]
            if record['metrics'] != FAIL
        }
        for init in INITS
    )
    seeds = sorted(before.keys() & after.keys())
    if not seeds:
        return [EMPTY] * (len(COLUMNS) + 1)
    gains = [
        statistics([after[s][key] - before[s][key] for s in seeds])
        for key in COLUMNS.values()
    ]
    texts = [f'{gain["mean"]:+.2f} ± {gain["std"]:.2f}' for gain in gains]
    return [*texts, str(len(seeds))]


def write_readme(path: Path, records: Records) -> Path:
    """Replace the table between the two marks of the README.

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
