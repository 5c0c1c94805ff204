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
    Results,
    draw,
    mean_text,
    results_of,
    summarise,
    table_text,
)
from .tables import TABLES, tables_of

NOTHING = 'No run of this table is recorded yet.'
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
    drawn = _document('mini', 'results.md', results, root, records['mini'])
    real = _document('full', 'results_real.md', results, root, records['full'])
    return [
        write_text(document, drawn),
        write_text(real_document(document), real),
    ]


def _document(
    scale: str, head: str, folder: Path, root: Path, records: Records
) -> str:
    """Write all tables of a scale; first what was found, and by how many."""
    grid, leads, sections = [['table', 'rows with runs', 'runs']], [], []
    for name, table in tables_of(scale).items():
        results = results_of(name, scale, records)
        sections.append(_section(name, scale, results, root))
        ours = [r for r in results.values() if r.row.init is not None]
        done = sum(bool(result.runs) for result in ours)
        runs = sum(len(result.runs) for result in ours)
        link = _link(table.title)
        grid.append([link, f'{done} of {len(ours)}', str(runs)])
        ending = '' if scale == 'mini' else f'-{scale}'
        note = folder / f'notes/{name}{ending}.md'
        if note.is_file():
            text = note.read_text(encoding='utf-8').strip() + '\n'
            sections.append(text)
            for lead in LEAD.findall(text):
                leads.append(f'- {" ".join(lead.split())} ({link})')
    parts = ['## At a glance']
    if records:
        parts.append(findings_text(find(scale, records)))
    if leads:
        parts += ['What stands below the tables:', '\n'.join(leads)]
    glance = '\n\n'.join([*parts, draw(grid, 1)]) + '\n'
    return '\n'.join([template(head), glance, *sections])


def _link(title: str) -> str:
    """Link to the section of a table, by the rule of GitHub."""
    anchor = re.sub(r'[^\w -]', '', title.lower()).replace(' ', '-')
    return f'[{title}](#{anchor})'


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
    done = any(result.runs for result in results.values())
    # The paper's numbers are worth reading without ours.
    shown = done or scale == 'full'
    lines = [
        f'## {TABLES[name].title}',
        TABLES[name].intro,
        table_text(name, scale, results) if shown else NOTHING,
        f'<details markdown><summary>Configs; <code>python '
        f'tools/reproduce.py {name} --scale {scale}</code></summary>',
        *_configs(scale, results, root),
        '</details>',
    ]
    return '\n\n'.join(lines) + '\n'


def _configs(scale: str, results: Results, root: Path) -> list[str]:
    """Draw what is fine-tuned and what is pre-trained, each by what."""
    rows = [r.row for r in results.values() if r.row.init is not None]
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
    return [draw(grid, len(grid[0])) for grid in (tuned, trained)]


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
