"""The page and the JSON file of a proof, rewritten after each part."""

import json
from dataclasses import fields
from pathlib import Path

from mmgl.utils.benchmark import Figure, format_table, markdown_table
from mmgl.utils.files import replace_whole

# States of a part.
DONE, CUT, FAILED = 'done', 'cut off', 'failed'
NOT_REACHED, RUNNING = 'not reached', 'running'


def write_report(report: dict, out: Path) -> None:
    """Write ``report.json`` and ``report.md``, each in one step.

    Args:
        report: ``command``, ``date``, ``rehearse``, ``budget``, ``seconds``,
            ``machine`` and ``parts``.
        out: Folder.
    """
    for name, text in (
        ('report.json', json.dumps(report, indent=1) + '\n'),
        ('report.md', page(report)),
    ):
        with replace_whole(out / name) as partial:
            partial.write_text(text)


def summary(parts: list[dict]) -> str:
    """Say in one line how the parts ended."""
    ends = [
        f'{part["name"]} {part["state"]}'
        for part in parts
        if part['state'] != DONE
    ]
    done = len(parts) - len(ends)
    return '; '.join([f'{done} of {len(parts)} parts done', *ends])


def page(report: dict) -> str:
    """Lay everything out as Markdown.

    Args:
        report: See :func:`write_report`.

    Returns:
        The text of the page.
    """
    machine, parts = report['machine'], report['parts']
    title = (
        'Rehearsal of the GPU proof'
        if report['rehearse']
        else f'Performance on {machine.get("card", "an unknown card")}'
    )
    intro = (
        'Everything at small sizes on a processor, to see that it runs: no '
        'figure here says anything about a GPU.'
        if report['rehearse']
        else 'Measured by one command, each part in a process of its own and '
        'cut off when its time is over. What was cut, failed or not reached '
        'says so; nothing is filled in.'
    )
    lines = [
        f'# {title}',
        '',
        intro,
        '',
        '```bash',
        report['command'],
        '```',
        '',
        f'{report["date"]}; {report["seconds"]:.0f} of '
        f'{report["budget"]:.0f} s. {summary(parts)}.',
        '',
        markdown_table([('machine', ''), *machine.items()]),
        '',
        _states(parts),
    ]
    for part in parts:
        lines += ['', *_section(part)]
    return '\n'.join(lines) + '\n'


def _states(parts: list[dict]) -> str:
    """One line a part."""
    rows = [('part', 'state', 'seconds', 'limit, s')]
    rows += [
        (
            part['title'],
            part['state'],
            f'{part["seconds"]:.0f}',
            f'{part["limit"]:.0f}',
        )
        for part in parts
    ]
    return markdown_table(rows)


def _section(part: dict) -> list[str]:
    """Everything about one part."""
    lines = [f'## {part["title"]}', '']
    if part['commands']:
        lines += ['```bash', *part['commands'], '```', '']
    if part['state'] != DONE:
        lines += [
            f'**This part: {part["state"]}** after '
            f'{part["seconds"]:.0f} of {part["limit"]:.0f} s.',
            '',
        ]
    if part['tail']:
        lines += [
            'Last lines of its output:',
            '',
            '```text',
            *part['tail'],
            '```',
            '',
        ]
    for table in part['tables']:
        rows = [[_cell(one) for one in row] for row in table['rows']]
        lines += [markdown_table([table['columns'], *rows]), '']
    if part['figures']:
        lines += [format_table([_figure(one) for one in part['figures']]), '']
    lines += [f'- {note}' for note in part['notes']]
    while not lines[-1]:
        lines.pop()
    return lines


def _figure(entry: dict) -> Figure:
    """The figure of an entry in a JSON file."""
    names = {field.name for field in fields(Figure)}
    return Figure(**{k: v for k, v in entry.items() if k in names})


def _cell(text: str) -> str:
    """Keep text from ending its cell."""
    return text.replace('|', '\\|').replace('\n', ' ')
