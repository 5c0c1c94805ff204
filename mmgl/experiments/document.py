"""The results document and the README's table, written from records."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from mmgl.utils.errors import ConfigError
from mmgl.utils.files import check_output, write_text

from .cells import find_config
from .findings import differences, find, findings_text
from .methods import DATASETS, METHODS, Overrides
from .pretrainings import PRETRAININGS
from .records import Records
from .state import write_json
from .summary import (
    EMPTY,
    STALE,
    draw,
    our_text,
    runs_text,
    statistics,
    summarise,
    table_text,
)
from .tables import TABLES

NOTHING = 'Without numbers yet:'
BEGIN = '<!-- Written by tools/reproduce.py from docs/results. -->'
END = '<!-- End of what tools/reproduce.py writes. -->'
# The sentence that a note begins a remark with.
LEAD = re.compile(r'^\*\*(.+?)\*\*', re.M | re.S)
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
    for file in (path, real_document(path)):
        check_output(file)
        head = template('results.md').partition('\n')[0]
        text = file.read_bytes() if file.exists() else b''
        if text and not text.startswith(head.encode()):
            raise ConfigError(
                f'{file} is no document of results, which begins with '
                f'{head!r}; move it away or give another one by --document.'
            )


def real_document(path: Path) -> Path:
    """Where the results on photographs stand."""
    return path.with_name(f'{path.stem}_real{path.suffix}')


def write_documents(
    results: Path, document: Path, root: Path, records: Mapping[str, Records]
) -> list[Path]:
    """Write the results on drawn people, and on photographs a file of its own.

    From records, stale ones marked, by scale. Notes lie beside the records;
    ``root`` is the folder with ``configs``.
    """
    written = []
    document = Path(document).resolve()
    pages = {'mini': document, 'full': real_document(document)}
    for scale, path in pages.items():
        ours = records[scale]
        tables = [n for n in TABLES if _is_told(n, scale, ours, results)]
        name = 'results.md' if scale == 'mini' else 'results_real.md'
        parts = [template(name), _glance(scale, tables, ours, results)]
        for table in tables:
            parts.append(_section(table, scale, ours, root))
            if note := _note(results, table, scale):
                parts.append(note)
        written.append(write_text(path, '\n'.join(parts)))
    return written


def _is_told(name: str, scale: str, records: Records, results: Path) -> bool:
    """Tell if there are numbers of a table, ours or the paper's, or a note."""
    if scale not in TABLES[name].scales:
        return False
    rows = summarise(name, scale, records)['rows']
    quoted = scale == 'full' and any(row['paper'] for row in rows)
    done = any(row['runs'] for row in rows)
    return quoted or done or bool(_note(results, name, scale))


def _note(results: Path, name: str, scale: str) -> str:
    """Read the remarks below a table."""
    ending = '' if scale == 'mini' else f'-{scale}'
    note = results / f'notes/{name}{ending}.md'
    if not note.is_file():
        return ''
    return note.read_text(encoding='utf-8').strip() + '\n'


def _glance(
    scale: str, tables: Sequence[str], records: Records, results: Path
) -> str:
    """Say first what was found."""
    leads = []
    for name in tables:
        anchor = _anchor(TABLES[name].title)
        found = LEAD.findall(_note(results, name, scale))
        leads += [f'- [{_flat(lead)}](#{anchor})' for lead in found]
    parts = ['## At a glance']
    if records:
        parts.append(findings_text(find(scale, records)))
    if any(record.get('stale') for record in records.values()):
        parts.append(STALE)
    if leads:
        parts += ['Below the tables:', '\n'.join(leads)]
    waiting = [
        table.title
        for name, table in TABLES.items()
        if scale in table.scales and name not in tables
    ]
    if waiting:
        parts.append(f'{NOTHING} {"; ".join(waiting)}.')
    return '\n\n'.join(parts) + '\n'


def _flat(text: str) -> str:
    return ' '.join(text.split())


def _anchor(title: str) -> str:
    """Name the section of a table, by the rule of GitHub."""
    return re.sub(r'[^\w -]', '', title.lower()).replace(' ', '-')


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


def _section(name: str, scale: str, records: Records, root: Path) -> str:
    """Write one table."""
    table = TABLES[name]
    lines = [
        f'## {table.title}',
        table.intro,
        table_text(summarise(name, scale, records)),
        f'<details markdown><summary>Configs; <code>python '
        f'tools/reproduce.py {name} --scale {scale}</code></summary>',
        _configs(name, scale, root),
        '</details>',
    ]
    return '\n\n'.join(lines) + '\n'


def _configs(name: str, scale: str, root: Path) -> str:
    """Name the configs and overrides behind a table."""
    rows = [row for row in TABLES[name].rows(scale) if row.init is not None]
    items = []
    for method, data in dict.fromkeys((r.method, r.data) for r in rows):
        config = find_config(root, method, DATASETS[scale][data].ending)
        items.append(f'- {METHODS[method].title}: `{config}`')
    for data in dict.fromkeys(row.data for row in rows):
        if changes := _overrides(DATASETS[scale][data].overrides):
            items.append(f'- each with {changes}')
    used = dict.fromkeys((r.init, METHODS[r.method].stream) for r in rows)
    for init, stream in used:
        if about := PRETRAININGS[scale].get(init or ''):
            config = about.config.format(stream=about.stream or stream)
            items.append(f'- `{init}`: `{config}`')
            if changes := _overrides({**about.overrides, **about.start}):
                items[-1] += f', {changes}'
    return '\n'.join(items)


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
    rows = TABLES['table2'].keyed_rows('mini')
    keys = list(COLUMNS.values())
    gains = differences(rows['agw/mmgl'], rows['agw/random'], keys, records)
    seeds = len(gains[COLUMNS['Rank-1 all']])
    if not seeds:
        return [EMPTY] * (len(COLUMNS) + 1)
    found = [statistics(values) for values in gains.values()]
    texts = [f'{gain["mean"]:+.2f} ± {gain["std"]:.2f}' for gain in found]
    return [*texts, str(seeds)]


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
