"""The results document, written from records and published numbers."""

from collections.abc import Mapping
from pathlib import Path

from terminaltables import GithubFlavoredMarkdownTable

from mmgl.experiments.jobs import write_json

from .cells import Cell, find_config
from .layout import markdown_table, summarise
from .methods import DATASETS, METHODS, SCALES
from .pretrainings import PRETRAININGS
from .tables import TABLES

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
NOTES = 'notes'
NOTHING = 'No run of this table is recorded yet.'


def write_document(
    results: Path,
    document: Path,
    root: Path,
    records: Mapping[str, Mapping[Cell, dict]],
) -> Path:
    """Write the results document.

    Args:
        results: Folder of the records and notes.
        document: Where to.
        root: Folder with ``configs``.
        records: Record by cell, stale ones marked, by scale.

    Returns:
        Its path.
    """
    parts = [INTRO]
    for name in TABLES:
        parts.append(_section(name, records, root))
        note = results / NOTES / f'{name}.md'
        if note.is_file():
            parts.append(note.read_text(encoding='utf-8').strip() + '\n')
    path = Path(document).resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('\n'.join(parts), encoding='utf-8')
    return path


def write_summaries(
    results: Path, scale: str, records: Mapping[Cell, dict]
) -> list[Path]:
    """Write the tables of a scale as JSON.

    Args:
        results: Folder of the records.
        scale: Key of ``SCALES``.
        records: Record by cell, stale ones marked.

    Returns:
        Paths of the tables of which something is recorded.
    """
    written = []
    for name, table in TABLES.items():
        if scale not in table.scales:
            continue
        summary = summarise(name, scale, records)
        if any(row['runs'] for row in summary['rows']):
            path = results / scale / 'tables' / f'{name}.json'
            write_json(path, summary)
            written.append(path)
    return written


def _section(
    name: str, records: Mapping[str, Mapping[Cell, dict]], root: Path
) -> str:
    """Write one table at both scales."""
    table = TABLES[name]
    lines = [
        f'## {table.title}',
        '',
        table.intro,
        '',
        f'`python tools/reproduce.py {name} --scale '
        f'{{{",".join(table.scales)}}}` makes every row.',
        '',
    ]
    for scale in table.scales:
        summary = summarise(name, scale, records[scale])
        done = any(row['runs'] for row in summary['rows'])
        lines += [
            f'### {SCALES[scale].title}',
            '',
            _configs(name, scale, root),
            '',
            # The paper's numbers are worth reading once without ours.
            markdown_table(name, summary)
            if done or scale == table.scales[0]
            else NOTHING,
            '',
        ]
    return '\n'.join(lines)


def _configs(name: str, scale: str, root: Path) -> str:
    """Name the configs and overrides behind a table."""
    rows = [row for row in TABLES[name].rows(scale) if row.init is not None]
    lines = [['method', 'fine-tuning', 'overrides']]
    for method, data in dict.fromkeys((r.method, r.data) for r in rows):
        about = DATASETS[scale][data]
        lines.append(
            [
                METHODS[method].title,
                f'`{find_config(root, "finetune", method, about.ending)}`',
                _overrides(about.overrides),
            ]
        )
    pretrainings = [['initial weights', 'pre-training', 'overrides']]
    used = dict.fromkeys((r.init, METHODS[r.method].stream) for r in rows)
    for init, stream in used:
        about = PRETRAININGS[scale].get(init)
        if about is not None:
            stream = about.stream or stream
            pretrainings.append(
                [
                    f'`{init}`',
                    f'`{about.config.format(stream=stream)}`',
                    _overrides(
                        {
                            **about.overrides,
                            **{
                                f'model.init_from.{key}': value
                                for key, value in about.init.items()
                            },
                        }
                    ),
                ]
            )
    return '\n\n'.join(
        GithubFlavoredMarkdownTable(grid).table
        for grid in (lines, pretrainings)
    )


def _overrides(overrides: Mapping) -> str:
    return ', '.join(f'`{key}={value}`' for key, value in overrides.items())
