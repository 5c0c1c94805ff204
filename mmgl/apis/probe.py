"""Judge pre-trained features in minutes, without fine-tuning."""

import json
import time
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from terminaltables import AsciiTable

from mmgl.utils.compat import silence_upstream_warnings
from mmgl.utils.errors import ConfigError, report_errors, report_outcome
from mmgl.utils.files import check_output, write_json
from mmgl.version import __version__

from .features.inputs import extract_by_options, marked, panel_names
from .parsers import probe_parser
from .probe_report import probe_features


def probe_checkpoint(
    config: str, checkpoint: str, name: str, options: Namespace
) -> dict[str, Any]:
    """Probe one checkpoint: what was probed, ``metrics`` and ``chance``.

    Errors are those of :func:`extract_features`.
    """
    start = time.perf_counter()
    found = extract_by_options(
        config, checkpoint, options, num_parts=options.num_parts, shuffled=True
    )
    if found.parts is None:
        raise ValueError('the probe needs features of a backbone')
    extracted = time.perf_counter()
    report = probe_features(
        found.images, found.parts, found.metainfo, found.shuffled
    )
    return dict(
        name=name,
        config=str(config),
        checkpoint=str(checkpoint),
        kind=found.kind,
        seen=found.seen,
        dataset=found.metainfo['dataset'],
        split=found.metainfo['split'],
        trial=found.metainfo.get('trial'),
        images=len(found.images.pids),
        identities=int(found.metainfo['num_pids']),
        dimensions=int(found.images.features.shape[1]),
        seconds=dict(
            features=round(extracted - start, 2),
            figures=round(time.perf_counter() - extracted, 2),
        ),
        **report,
    )


def read_probes(paths: Sequence[str]) -> list[dict[str, Any]]:
    """Read the probes in files that ``--out`` wrote."""
    probes: list[dict[str, Any]] = []
    for path in paths:
        try:
            content = json.loads(Path(path).read_text(encoding='utf-8'))
            probes += [dict(p) for p in content['probes']]
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise ConfigError(
                f'--compare {path} is no output of this tool '
                f'({type(error).__name__}: {error})'
            ) from error
    return probes


def probe_table(probes: Sequence[dict[str, Any]]) -> list[list[str]]:
    """Lay probes side by side, the heading first.

    Chance stands in the last column, where there is one and it is the same
    for all.
    """
    keys = {key: None for probe in probes for key in probe['metrics']}
    names = [marked(one['name'], one.get('seen')) for one in probes]
    rows = [['figure', *names, 'chance']]
    for key in keys:
        values = [probe['metrics'].get(key) for probe in probes]
        chances = {
            f'{probe["chance"][key]:.1f}'
            for probe in probes
            if probe['chance'].get(key) is not None
        }
        cells = ['' if value is None else f'{value:.1f}' for value in values]
        rows.append([key, *cells, chances.pop() if len(chances) == 1 else ''])
    return rows


def run_probe(arguments: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Probe by command line arguments; returns the probes of this call."""
    options = probe_parser().parse_args(arguments)
    silence_upstream_warnings()
    with report_outcome(), report_errors():
        if options.out:
            check_output(options.out, inputs=options.compare)
        if not options.checkpoints and not options.compare:
            raise ConfigError(
                "nothing to probe: name a checkpoint, 'random' "
                'or --compare JSON'
            )
        names = panel_names(options.checkpoints, options.names)
        earlier = read_probes(options.compare)
        probes = [
            probe_checkpoint(options.config, *named, options)
            for named in zip(options.checkpoints, names, strict=True)
        ]
        print(AsciiTable(probe_table(earlier + probes), 'probe').table)
        if options.out:
            content = dict(probes=probes, version=__version__)
            write_json(options.out, content)
    return probes
