"""The quickstart: AGW from random weights and from MMGL, and its report."""

import json
import platform
from collections.abc import Mapping, Sequence
from math import factorial
from pathlib import Path
from typing import Any

from mmgl.utils.versions import package_versions

from .cells import Cell
from .document import INITS
from .options import Options
from .plan import Planner
from .progress import clock
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
PICTURES = {
    'comparison.png': (
        'Retrieval accuracy from both initialisations; dots are seeds.'
    ),
    'training_curve.png': 'Losses of the pre-training.',
    'finetuning_curve.png': (
        'Losses of the fine-tuning from both initialisations.'
    ),
    'permutation_accuracy.png': (
        'Permutation recovery on held-out identities during pre-training.'
    ),
    'tsne.png': 't-SNE of test features of fine-tuned AGW.',
    'retrieval_top10.png': (
        'The ten best matches of the same queries from both initialisations.'
    ),
}
REPORT = """# Quickstart report
{warning}
A two-stream network was pre-trained by MMGL from random weights on the
unlabelled training images of the embedded data set
(`{scale}`), then fine-tuned as AGW. The same AGW was
fine-tuned from random weights with the same budget. Both were tested by the
protocol of SYSU-MM01 on identities that neither had seen. All numbers are
percent.{spread}

## Retrieval

{retrieval}

## Permutation recovery on held-out identities

{permutation}

## Pictures

Pictures of single runs show seed 0.

{pictures}

## How it was made

| stage | time |
|---|---:|
{timings}

Seeds: {seeds}. Versions: {versions}.
Every number, with the fingerprint of each config, is in
[metrics.json](metrics.json); logs and checkpoints are in `seed_*`.
"""
SMOKE_WORDS = 'briefly for its numbers to mean anything.'


class _Planner(Planner):
    """Plans the cells of the quickstart in folders of its own."""

    def name_of(self, cell: Cell, step: str) -> str:
        step = 'evaluate' if step == 'features' else step
        return f'seed_{cell.seed}/{step}_{cell.init}'

    def name_of_pretraining(self, name: str, seed: int) -> str:
        return f'seed_{seed}/pretrain'


def plan_quickstart(options: Options) -> list[Stage]:
    """Plan all stages in the order they run."""
    planner = _Planner(options)
    wanted = []
    for seed in range(options.seeds or 1):
        cells = [Cell(options.scale, 'agw', init, seed) for init in INITS]
        wanted.append(planner.pretraining('mmgl', 'two-stream', seed))
        wanted += [planner.finetuning(cell) for cell in cells]
        wanted += [planner.evaluation(cell, dump=True) for cell in cells]
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
    report = options.work_dir / 'report.md'
    report.write_text(_report(metrics), encoding='utf-8')
    text = f'\n{_terminal(metrics)}\n'
    if options.smoke:
        text += (
            'A smoke run shows that everything works; it trains too '
            f'{SMOKE_WORDS}\n'
        )
    return f'{text}\nReport and pictures: {report}'


def _read_metrics(path: Path) -> dict[str, float]:
    values = json.loads(path.read_text())
    values = values.get('metrics', values)
    missing = [key for key in KEYS if key not in values]
    if missing:
        raise ValueError(
            f'{path} lacks {", ".join(missing)}; the test of the config must '
            'score all modes and shots.'
        )
    return {key: float(values[key]) for key in KEYS}


def _read_permutation(work_dir: Path) -> dict[str, float]:
    """Read the permutation accuracy of the last validation."""
    from mmgl.visualization import load_run_log

    log = load_run_log(work_dir)
    keys = [f'{part}{m}' for part in PARTS.values() for m in SHUFFLED]
    return {
        key: float(log.series('val', f'permutation/{key}')[1][-1])
        for key in keys
    }


def _read_seed(folder: Path) -> dict[str, dict[str, float]]:
    result = {
        init: _read_metrics(folder / f'evaluate_{init}/metrics.json')
        for init in INITS
    }
    random, mmgl = result.values()
    result['difference'] = {key: mmgl[key] - random[key] for key in KEYS}
    result['permutation'] = _read_permutation(folder / 'pretrain')
    return result


def _over_seeds(
    per_seed: Mapping[str, Any], name: str, key: str
) -> dict[str, float]:
    runs = [result[name][key] for result in per_seed.values()]
    return {**statistics(runs), 'min': min(runs), 'max': max(runs)}


def collect(
    options: Options, stages: Sequence[Stage], seconds: Mapping[str, float]
) -> dict[str, Any]:
    """Gather results by seed, their summary, configs, versions, timings."""
    seeds = list(range(options.seeds or 1))
    per_seed = {
        str(seed): _read_seed(options.work_dir / f'seed_{seed}')
        for seed in seeds
    }
    pretrained = next(stage for stage in stages if stage.kind == 'pretrain')
    model = pretrained.ingredients['config']['model']
    tested = next(stage for stage in stages if stage.kind == 'evaluate')
    evaluated = json.loads(tested.outputs[0].read_text())
    return {
        'scale': 'smoke' if options.smoke else options.scale,
        'unit': 'percent',
        'seeds': seeds,
        'num_stripes': model['heads']['permutation']['num_stripes'],
        'summary': {
            name: {key: _over_seeds(per_seed, name, key) for key in values}
            for name, values in per_seed['0'].items()
        },
        'per_seed': per_seed,
        'stages': {
            s.name: {
                'config': s.config and Path(s.config).name,
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


def _tables(metrics: Mapping[str, Any], terminal: bool) -> tuple[str, str]:
    """Draw retrieval and permutation recovery."""
    several = len(metrics['seeds']) > 1
    spread = '{mean} ± {std}'
    spread += '\n{min}/{max}' if terminal else ' ({min} to {max})'

    def cell(name: str, key: str, sign: str = '') -> str:
        value = metrics['summary'][name][key]
        text = {
            k: f'{v:{"" if k == "std" else sign}.1f}' for k, v in value.items()
        }
        return (spread if several else '{mean}').format(**text)

    titles = {'random': 'random', 'mmgl': 'MMGL', 'difference': 'gain'}
    grid = [['search', 'init', *MEASURES]]
    for group in SEARCHES:
        search = GROUPS[group].replace('-search', '').lower()
        if several and terminal:
            # Two short lines keep the table within 80 columns.
            search = search.replace(', ', ',\n')
        if terminal and len(grid) > 1:
            grid.append([''] * len(grid[0]))
        for name, title in titles.items():
            sign = '+' if name == 'difference' else ''
            keys = [f'{group}/{measure}' for measure in MEASURES.values()]
            cells = [cell(name, key, sign) for key in keys]
            grid.append([search if name == 'random' else '', title, *cells])
    shuffled = [
        ['held-out images', 'stripes right', 'whole permutation right']
    ]
    for title, part in PARTS.items():
        cells = [cell('permutation', f'{part}{m}') for m in SHUFFLED]
        shuffled.append([title, *cells])
    n = metrics['num_stripes']
    chance = [f'{100 / n:.1f}', f'{100 / factorial(n):.2f}']
    shuffled.append(['chance', *chance])
    return draw(grid, 2, terminal), draw(shuffled, 1, terminal)


def _terminal(metrics: Mapping[str, Any]) -> str:
    """Write both tables for a terminal of 80 columns."""
    retrieval, permutation = _tables(metrics, terminal=True)
    text = (
        'AGW from random weights and from MMGL on unseen identities '
        f'(percent)\n{retrieval}\n\n'
        f'Permutation recovery on held-out identities (percent)\n{permutation}'
    )
    if len(metrics['seeds']) > 1:
        text += (
            f'\nmean ± standard deviation over {len(metrics["seeds"])} '
            'seeds; below it smallest/largest'
        )
    return text


def _report(metrics: Mapping[str, Any]) -> str:
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
    pictures = '\n\n'.join(
        f'{text}\n\n![{text}]({name})' for name, text in PICTURES.items()
    )
    versions = ', '.join(f'{k} {v}' for k, v in metrics['versions'].items())
    times = {name: s['seconds'] for name, s in metrics['stages'].items()}
    times['all'] = metrics['seconds']
    timings = '\n'.join(f'| {k} | {clock(v)} |' for k, v in times.items())
    return REPORT.format(
        scale=metrics['scale'],
        seeds=', '.join(map(str, metrics['seeds'])),
        warning=warning,
        spread=spread,
        retrieval=retrieval,
        permutation=permutation,
        pictures=pictures,
        timings=timings,
        versions=versions,
    )
