"""The results document and the README's table, written from records."""

from collections.abc import Mapping
from pathlib import Path

from mmgl.utils.errors import ConfigError
from mmgl.utils.files import check_output, write_text

from .cells import find_config
from .methods import DATASETS, METHODS, SCALES, Overrides
from .pretrainings import PRETRAININGS
from .records import Records
from .state import write_json
from .summary import (
    EMPTY,
    came_through,
    counted,
    draw,
    our_text,
    runs_text,
    statistics,
    summarise,
    table_text,
)
from .tables import TABLES

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
INITS = {'random': 'random', 'mmgl': 'MMGL'}


def template(name: str) -> str:
    """Read a text that stands beside this file."""
    return Path(__file__).with_name(name).read_text(encoding='utf-8')


def check_document(path: Path) -> None:
    """Refuse, before any work, to write the results over something else."""
    check_output(path)
    head = template('results.md').partition('\n')[0]
    text = path.read_bytes() if path.exists() else b''
    if text and not text.startswith(head.encode()):
        raise ConfigError(
            f'{path} is no document of results, which begins with {head!r}; '
            'move it away or give another one by --document.'
        )


def write_document(
    results: Path, document: Path, root: Path, records: Mapping[str, Records]
) -> Path:
    """Write the results document from records, stale ones marked, by scale.

    Notes lie beside the records; ``root`` is the folder with ``configs``.
    """
    parts = [template('results.md')]
    for name in TABLES:
        parts.append(_section(name, records, root))
        note = results / f'notes/{name}.md'
        if note.is_file():
            parts.append(note.read_text(encoding='utf-8').strip() + '\n')
    return write_text(Path(document).resolve(), '\n'.join(parts))


def write_summaries(results: Path, scale: str, records: Records) -> list[Path]:
    """Write as JSON the tables of a scale of which something is recorded."""
    written = []
    for name, table in TABLES.items():
        if scale in table.scales:
            summary = summarise(name, scale, records)
            if any(row['runs'] for row in summary['rows']):
                path = results / scale / f'tables/{name}.json'
                written.append(write_json(path, summary))
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
        if about := PRETRAININGS[scale].get(init or ''):
            config = about.config.format(stream=about.stream or stream)
            changes = _overrides({**about.overrides, **about.start})
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
            for cell, record in came_through(counted(row, records)[0]).items()
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
    """Replace the table between the two marks of the README."""
    text = path.read_text(encoding='utf-8')
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(
            f'{path} lacks the line {BEGIN!r} or, behind it, '
            f'{END!r}; put both around its table of results'
        )
    table = readme_table(records)
    return write_text(path, f'{before}{BEGIN}\n\n{table}\n\n{END}{after}')
