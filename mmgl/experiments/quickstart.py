"""The quickstart: AGW from random weights and from MMGL, and its report."""

import platform
import re
from collections.abc import Mapping, Sequence
from math import factorial
from pathlib import Path
from typing import Any

from mmgl.evaluation.documents import read_report
from mmgl.utils.files import write_text
from mmgl.utils.progress import duration
from mmgl.utils.versions import package_versions

from .cells import Cell
from .document import INITS, template
from .options import Options
from .plan import Planner
from .stage import Stage, with_needs
from .state import write_json
from .summary import draw, statistics
from .tables import GROUPS

# Drawing and writing; measured on two cores.
REPORT_SECONDS = 10.0
SEARCHES = [group for group in GROUPS if 'single' in group or 'multi' in group]
MEASURES = {'R1': 'rank1', 'R10': 'rank10', 'mAP': 'mAP', 'mINP': 'mINP'}
KEYS = [f'{group}/{m}' for group in SEARCHES for m in MEASURES.values()]
PARTS = {'visible': 'visible_', 'infrared': 'infrared_', 'both': ''}
SHUFFLED = ('stripe_acc', 'exact_acc')
# The report shows them.
PICTURES = re.findall(r'!\[.*\]\((.*)\)', template('report.md'))
SMOKE_WORDS = 'briefly for its numbers to mean anything.'
Metrics = Mapping[str, Any]


def plan_quickstart(options: Options) -> list[Stage]:
    """Plan all stages in the order they run."""
    planner = Planner(
        options,
        of_cells='seed_{cell.seed}/{step}_{cell.init}',
        of_pretrainings='seed_{seed}/pretrain',
    )
    wanted = []
    for seed in range(options.seeds or 1):
        cells = [Cell(options.scale, 'agw', init, seed) for init in INITS]
        wanted.append(planner.pretraining('mmgl', 'two-stream', seed))
        wanted += [planner.finetuning(cell) for cell in cells]
        wanted += [planner.evaluation(cell, 'evaluate') for cell in cells]
    return with_needs(wanted)


def write_quickstart(
    options: Options, stages: Sequence[Stage], seconds: Mapping[str, float]
) -> str:
    """Write numbers, pictures and report; returns what to show of them."""
    # Drawing needs scikit-learn and matplotlib, which take seconds to load.
    from .pictures import draw_pictures

    metrics = collect(options, stages, seconds)
    write_json(options.work_dir / 'metrics.json', metrics)
    draw_pictures(options.work_dir, options.data_root['sysu'], metrics)
    report = write_text(options.work_dir / 'report.md', _report(metrics))
    retrieval, permutation = _tables(metrics, terminal=True)
    seeds = len(metrics['seeds'])
    lines = [
        '\nAGW from random weights and from MMGL on unseen identities '
        f'(percent)\n{retrieval}',
        f'\nPermutation recovery on held-out identities (percent)\n'
        f'{permutation}',
    ]
    if seeds > 1:
        words = 'seeds; below it smallest/largest'
        lines.append(f'mean ± standard deviation over {seeds} {words}')
    if options.smoke:
        words = f'it trains too {SMOKE_WORDS}'
        lines.append(f'A smoke run shows that everything works; {words}')
    return '\n'.join([*lines, f'\nReport and pictures: {report}'])


def _read_seed(folder: Path) -> dict[str, dict[str, float]]:
    """Read the metrics of both, and the accuracy of the last validation."""
    from mmgl.visualization import load_run_log

    result: dict[str, dict[str, float]] = {}
    for init in INITS:
        path = folder / f'evaluate_{init}/metrics.json'
        values, _ = read_report(path)
        missing = [k for k in KEYS if not 0 <= values.get(k, -1) <= 100]
        if missing:
            raise ValueError(
                f'{path} lacks percentages of {", ".join(missing)}; the test '
                'of the config must score all modes and shots.'
            )
        result[init] = {key: values[key] for key in KEYS}
    random, mmgl = result.values()
    result['difference'] = {key: mmgl[key] - random[key] for key in KEYS}
    log = load_run_log(folder / 'pretrain')
    keys = [f'{part}{m}' for part in PARTS.values() for m in SHUFFLED]
    result['permutation'] = {
        key: float(log.series('val', f'permutation/{key}')[1][-1])
        for key in keys
    }
    return result


def _over_seeds(runs: list[float]) -> dict[str, float]:
    return {**statistics(runs), 'min': min(runs), 'max': max(runs)}


def collect(
    options: Options, stages: Sequence[Stage], seconds: Mapping[str, float]
) -> dict[str, Any]:
    """Gather results by seed, their summary, configs, versions, timings."""
    seeds = list(range(options.seeds or 1))
    results = [_read_seed(options.work_dir / f'seed_{n}') for n in seeds]
    by_kind = {stage.kind: stage for stage in stages}
    model = by_kind['pretrain'].ingredients['config']['model']
    _, evaluated = read_report(by_kind['evaluate'].outputs[0])
    return {
        'scale': 'smoke' if options.smoke else options.scale,
        'unit': 'percent',
        'seeds': seeds,
        'num_stripes': model['heads']['permutation']['num_stripes'],
        'summary': {
            name: {
                key: _over_seeds([result[name][key] for result in results])
                for key in values
            }
            for name, values in results[0].items()
        },
        'per_seed': dict(zip(map(str, seeds), results, strict=True)),
        'stages': {
            s.name: {
                'config': s.config.name or None,
                'fingerprint': s.fingerprint,
                'seconds': round(seconds[s.name], 1),
            }
            for s in stages
        },
        'seconds': round(sum(seconds.values()), 1),
        'versions': package_versions(),
        'machine': {
            'system': platform.platform(),
            'processor': platform.machine(),
            'device': evaluated.get('device'),
        },
    }


def _tables(metrics: Metrics, terminal: bool) -> tuple[str, str]:
    """Draw retrieval and permutation recovery, or for 80 columns."""
    several = len(metrics['seeds']) > 1

    def cells(name: str, keys: Sequence[str], sign: str = '') -> list[str]:
        texts = []
        for value in (metrics['summary'][name][key] for key in keys):
            text, low, high = (
                f'{value[k]:{sign}.1f}' for k in ('mean', 'min', 'max')
            )
            spread = f'\n{low}/{high}' if terminal else f' ({low} to {high})'
            text += f' ± {value["std"]:.1f}{spread}' if several else ''
            texts.append(text)
        return texts

    grid = [['search', 'init', *MEASURES]]
    for group in SEARCHES:
        search = GROUPS[group].replace('-search', '').lower()
        if several and terminal:
            # Two short lines keep the table within 80 columns.
            search = search.replace(', ', ',\n')
        if terminal and len(grid) > 1:
            grid.append([''] * len(grid[0]))
        keys = [f'{group}/{measure}' for measure in MEASURES.values()]
        random, mmgl = INITS
        grid += [
            [search, INITS[random], *cells(random, keys)],
            ['', INITS[mmgl], *cells(mmgl, keys)],
            ['', 'gain', *cells('difference', keys, '+')],
        ]
    n = metrics['num_stripes']
    shuffled = [
        ['held-out images', 'stripes right', 'whole permutation right']
    ]
    for title, part in PARTS.items():
        keys = [f'{part}{m}' for m in SHUFFLED]
        shuffled.append([title, *cells('permutation', keys)])
    chance = [f'{100 / n:.1f}', f'{100 / factorial(n):.2f}']
    shuffled.append(['chance', *chance])
    return draw(grid, 2, terminal), draw(shuffled, 1, terminal)


def _report(metrics: Metrics) -> str:
    """Write the report in Markdown."""
    retrieval, permutation = _tables(metrics, terminal=False)
    spread = ' One seed; run with `--seeds 3` for a spread.'
    if len(metrics['seeds']) > 1:
        spread = (
            ' Values are mean ± standard deviation over '
            f'{len(metrics["seeds"])} seeds (smallest to largest).'
        )
    warning = ''
    if metrics['scale'] == 'smoke':
        warning = (
            '\n> This was a smoke run: it shows that everything works. It '
            f'trains far too {SMOKE_WORDS}\n'
        )
    times = {name: s['seconds'] for name, s in metrics['stages'].items()}
    times['all'] = metrics['seconds']
    return template('report.md').format(
        scale=metrics['scale'],
        seeds=', '.join(map(str, metrics['seeds'])),
        warning=warning,
        spread=spread,
        retrieval=retrieval,
        permutation=permutation,
        timings='\n'.join(
            f'| {k} | {duration(v)} |' for k, v in times.items()
        ),
        versions=', '.join(f'{k} {v}' for k, v in metrics['versions'].items()),
    )
