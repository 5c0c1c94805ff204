"""The file of a report: what it says, as text, and reading it again."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from terminaltables import AsciiTable

from mmgl.protocols.sysu import GALLERY_CAMERAS
from mmgl.utils.errors import ConfigError

from .reports import SHOT_NAMES

Report = Mapping[str, Any]

# No searches.
_ABOUT = ('settings', 'metrics')
_SEARCH = re.compile(rf'({"|".join(GALLERY_CAMERAS)})_search_(\w+?shot)')
# What tables of certainty show; files have all.
_MAIN = ('r1', 'mAP', 'mINP')
_OPEN = re.compile(r'[TF]PIR\d+')


def searches_of(report: Report) -> dict[str, Any]:
    """Give the searches of a report by name."""
    return {key: part for key, part in report.items() if key not in _ABOUT}


def joined_report(
    parts: Mapping[str, Report], metrics: Mapping[str, float], settings: Report
) -> dict[str, Any]:
    """Join reports by their prefixes; other ``metrics`` are kept beside."""
    document: dict[str, Any] = {}
    about: dict[str, Any] = {}
    for prefix, report in parts.items():
        start = f'{prefix}/' if prefix else ''
        about = dict(report['settings'], **about)
        for search, part in searches_of(report).items():
            document[f'{start}{search}'] = part
    told = _logged(document)
    others = {k: float(v) for k, v in metrics.items() if k not in told}
    if others:
        document['metrics'] = others
    return dict(document, settings=dict(about, **settings))


def _logged(report: Report) -> dict[str, float]:
    return {
        _logged_name(search, key): 100 * float(value)
        for search, part in searches_of(report).items()
        for key, value in part['mean'].items()
    }


def read_report(path: str | Path) -> tuple[dict[str, float], dict[str, Any]]:
    """Read means in percent as logged, and settings; else a ConfigError."""
    try:
        report = json.loads(Path(path).read_text(encoding='utf-8'))
        metrics = report.pop('metrics', {})
        metrics = {key: float(value) for key, value in metrics.items()}
        if 'settings' not in report:  # of version 0.1
            return metrics, report
        return _logged(report) | metrics, report['settings']
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(
            f'{path} is no metrics.json of mmgl test ({error!r})'
        ) from None


def _logged_name(search: str, key: str) -> str:
    shots = {f'{n}shot': name for n, name in SHOT_NAMES.items()}
    search = _SEARCH.sub(
        lambda match: f'{match[1]}_{shots.get(match[2], match[2])}', search
    )
    return f'{search}/{re.sub("^r(?=[0-9])", "rank", key)}'


def _table(
    report: Report, title: str, wanted: Callable[[str], Any], cell: Any
) -> str:
    """Lay out the figures whose name is wanted, a row a search."""
    searches = {
        name: {key: cell(part, key) for key in part['mean'] if wanted(key)}
        for name, part in searches_of(report).items()
    }
    searches = {name: cells for name, cells in searches.items() if cells}
    if not searches:
        return ''
    keys = list(dict.fromkeys(key for row in searches.values() for key in row))
    rows = [['protocol', 'trials', *keys]]
    for name, cells in searches.items():
        trials = str(len(report[name]['trials']))
        rows.append([name, trials, *(cells.get(key, '') for key in keys)])
    return str(AsciiTable(rows, title).table)


def _mean(part: Report, key: str) -> str:
    text = f'{100 * part["mean"][key]:.2f}'
    several = len(part['trials']) > 1
    return f'{text} ± {100 * part["std"][key]:.2f}' if several else text


def _range(ends: Sequence[float]) -> str:
    return ' to '.join(f'{100 * end:.2f}' for end in ends)


def _interval(part: Report, key: str) -> str:
    return _range(part['interval'][key])


def _gap(part: Report, key: str) -> str:
    found = part['against'][key]
    gap, p = 100 * found['difference'], found['p']
    return f'{gap:+.2f} ({_range(found["interval"])}), p = {p:.2g}'


def show_report(report: Report) -> str:
    """Lay out a report as tables in percent, means ± deviation over trials."""
    settings = report.get('settings', {})
    tables = [
        _table(
            report,
            settings.get('protocol', ''),
            lambda key: not _OPEN.fullmatch(key),
            _mean,
        ),
        _table(report, 'open set', _OPEN.fullmatch, _mean),
    ]
    if tables[1]:
        chosen = settings.get('open_set', {}).get('calibrated')
        tables.append(
            f'Thresholds of {chosen}; FPIR is what they lead to here.'
            if chosen
            else 'Thresholds are chosen on these very searches: points of '
            'the operating curve, not a calibrated system.'
        )
    for name, title, cell in (
        ('interval', '95 % intervals, over people', _interval),
        ('against', f'against {settings.get("against")}', _gap),
    ):
        searches = searches_of(report).items()
        some = {key: part for key, part in searches if name in part}
        tables.append(_table(some, title, _MAIN.__contains__, cell))
    return '\n'.join(table for table in tables if table)
