"""The page and the JSON file of a proof, rewritten after each part."""

import json
from dataclasses import fields
from pathlib import Path

from mmgl.utils.benchmark import Figure, format_table, markdown_table
from mmgl.utils.files import write_json, write_text

# States of a part.
DONE, CUT, FAILED = 'done', 'cut off', 'failed'
NOT_REACHED, RUNNING = 'not reached', 'running'

MEASURED = (
    'Measured by one command, each part in a process of its own and cut off '
    'when its time is over. What was cut, failed or not reached says so; '
    'nothing is filled in.'
)
REHEARSED = (
    'Everything at small sizes on a processor, to see that it runs: no figure '
    'here says anything about a GPU.'
)

Findings = dict[str, list]  # of a part, as the benchmarks write them


def empty_findings() -> Findings:
    """Return findings without anything in them."""
    return dict(figures=[], tables=[], notes=[])


def read_findings(path: Path) -> Findings:
    """Read what a benchmark has written, if it has."""
    content = json.loads(path.read_text()) if path.is_file() else {}
    return {key: content.get(key, []) for key in empty_findings()}


def write_report(report: dict, out: Path) -> None:
    """Write ``report.json`` and ``report.md``, each in one step."""
    write_json(out / 'report.json', report)
    write_text(out / 'report.md', page(report))


def summary(parts: list[dict]) -> str:
    """Say in one line how the parts ended."""
    others = [part for part in parts if part['state'] != DONE]
    ends = [f'{part["name"]} {part["state"]}' for part in others]
    done = len(parts) - len(ends)
    return '; '.join([f'{done} of {len(parts)} parts done', *ends])


def page(report: dict) -> str:
    """Lay everything out as Markdown."""
    machine, parts = report['machine'], report['parts']
    title = f'Performance on {machine.get("card", "an unknown card")}'
    intro = MEASURED
    if report['rehearse']:
        title, intro = 'Rehearsal of the GPU proof', REHEARSED
    spent = f'{report["seconds"]:.0f} of {report["budget"]:.0f} s'
    rows = [('part', 'state', 'seconds', 'limit, s')]
    for one in parts:
        times = f'{one["seconds"]:.0f}', f'{one["limit"]:.0f}'
        rows.append((one['title'], one['state'], *times))
    blocks = [
        f'# {title}',
        intro,
        _fenced('bash', [report['command']]),
        f'{report["date"]}; {spent}. {summary(parts)}.',
        markdown_table([('machine', ''), *machine.items()]),
        markdown_table(rows),
    ]
    for part in parts:
        blocks += _section(part)
    return '\n\n'.join(blocks) + '\n'


def _fenced(language: str, lines: list[str]) -> str:
    return '\n'.join([f'```{language}', *lines, '```'])


def _section(part: dict) -> list[str]:
    """Everything about one part, in blocks."""
    blocks = [f'## {part["title"]}']
    if part['commands']:
        blocks.append(_fenced('bash', part['commands']))
    if part['state'] != DONE:
        spent = f'{part["seconds"]:.0f} of {part["limit"]:.0f} s'
        blocks.append(f'**This part: {part["state"]}** after {spent}.')
    if part['tail']:
        blocks.append('Last lines of its output:')
        blocks.append(_fenced('text', part['tail']))
    for table in part['tables']:
        # Nothing in the text may end its cell.
        ends = str.maketrans({'|': '\\|', '\n': ' '})
        rows = [[one.translate(ends) for one in row] for row in table['rows']]
        blocks.append(markdown_table([table['columns'], *rows]))
    if part['figures']:
        blocks.append(format_table([_figure(one) for one in part['figures']]))
    if part['notes']:
        blocks.append('\n'.join(f'- {note}' for note in part['notes']))
    return blocks


def _figure(entry: dict) -> Figure:
    """The figure of an entry in a JSON file, which has its verdict, too."""
    return Figure(**{one.name: entry[one.name] for one in fields(Figure)})
