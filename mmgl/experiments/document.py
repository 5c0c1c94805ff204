"""The results document and the README's table, written from records."""

import re
from collections.abc import Mapping
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
    Results,
    draw,
    mean_text,
    results_of,
    summarise,
    table_text,
)
from .tables import TABLES, tables_of

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
    document = Path(document).resolve()
    pages = {'mini': document, 'full': real_document(document)}
    return [
        _document(scale, path, records[scale], results, root)
        for scale, path in pages.items()
    ]


def _document(
    scale: str, path: Path, records: Records, folder: Path, root: Path
) -> Path:
    """Write all tables of a scale; first what was found."""
    names = tables_of(scale)
    found = {name: results_of(name, scale, records) for name in names}
    notes = {name: _note(folder, name, scale) for name in names}
    told = [n for n in names if notes[n] or _has_numbers(scale, found[n])]
    sections = []
    for name in told:
        sections.append(_section(name, scale, found[name], root))
        sections += [notes[name]] if notes[name] else []
    head = template('results.md' if scale == 'mini' else 'results_real.md')
    glance = _glance(scale, {name: notes[name] for name in told}, records)
    return write_text(path, '\n'.join([head, glance, *sections]))


def _has_numbers(scale: str, results: Results) -> bool:
    """Tell if a table has numbers, ours or, of photographs, the paper's."""
    return any(
        result.runs or (scale == 'full' and result.row.paper)
        for result in results.values()
    )


def _note(folder: Path, name: str, scale: str) -> str:
    """Read the remarks below a table."""
    ending = '' if scale == 'mini' else f'-{scale}'
    note = folder / f'notes/{name}{ending}.md'
    if not note.is_file():
        return ''
    return note.read_text(encoding='utf-8').strip() + '\n'


def _glance(scale: str, notes: Mapping[str, str], records: Records) -> str:
    """Say first what was found."""
    leads = []
    for name, note in notes.items():
        anchor = _anchor(TABLES[name].title)
        leads += [
            f'- [{" ".join(lead.split())}](#{anchor})'
            for lead in LEAD.findall(note)
        ]
    parts = ['## At a glance']
    if records:
        parts.append(findings_text(find(scale, records)))
    if any(record.get('stale') for record in records.values()):
        parts.append(STALE)
    if leads:
        parts += ['Below the tables:', '\n'.join(leads)]
    waiting = [
        table.title
        for name, table in tables_of(scale).items()
        if name not in notes
    ]
    if waiting:
        parts.append(f'{NOTHING} {"; ".join(waiting)}.')
    return '\n\n'.join(parts) + '\n'


def _anchor(title: str) -> str:
    """Name the section of a table, by the rule of GitHub."""
    return re.sub(r'[^\w -]', '', title.lower()).replace(' ', '-')


def write_summaries(results: Path, scale: str, records: Records) -> list[Path]:
    """Write as JSON the tables of a scale of which something is recorded."""
    written = []
    for name in tables_of(scale):
        found = results_of(name, scale, records)
        if any(result.runs for result in found.values()):
            path = results / scale / f'tables/{name}.json'
            written.append(write_json(path, summarise(name, scale, found)))
    return written


def _section(name: str, scale: str, results: Results, root: Path) -> str:
    """Write one table, and the configs and overrides behind it."""
    lines = [
        f'## {TABLES[name].title}',
        TABLES[name].intro,
        table_text(name, scale, results),
        f'<details markdown><summary>Configs; <code>python '
        f'tools/reproduce.py {name} --scale {scale}</code></summary>',
        _configs(scale, results, root),
        '</details>',
    ]
    return '\n\n'.join(lines) + '\n'


def _configs(scale: str, results: Results, root: Path) -> str:
    """Name the configs and overrides behind a table."""
    rows = [r.row for r in results.values() if r.row.init is not None]
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
    results = results_of('table2', 'mini', records)
    rows = [results[f'agw/{init}'] for init in INITS]
    keys = list(COLUMNS.values())
    grid = [['method', 'initial weights', *COLUMNS, 'runs']]
    for one in rows:
        numbers = [one.text(key) for key in keys]
        grid.append([*one.row.labels, *numbers, one.runs_text()])
    gains = differences(rows[1], rows[0], keys)
    texts = [mean_text(values, '+') for values in gains.values()]
    seeds = len(gains[keys[0]])
    grid.append(['gain', '', *texts, str(seeds) if seeds else EMPTY])
    return draw(grid, 2)


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
