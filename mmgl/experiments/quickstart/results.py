"""Numbers of a quickstart: read from the stages, averaged over seeds."""

import json
import platform
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev

from mmgl.experiments.jobs import Stage
from mmgl.utils.device import device_name
from mmgl.utils.versions import package_versions
from mmgl.visualization import load_run_log

from .options import INITS, QuickstartOptions

# Name people know -> prefix of the metric.
PROTOCOLS = {
    'all-search, single-shot': 'all_single',
    'all-search, multi-shot': 'all_multi',
    'indoor-search, single-shot': 'indoor_single',
    'indoor-search, multi-shot': 'indoor_multi',
}
MEASURES = {'R1': 'rank1', 'R10': 'rank10', 'mAP': 'mAP', 'mINP': 'mINP'}
PERMUTATION = {'visible': 'visible_', 'infrared': 'infrared_', 'both': ''}


def metric_keys() -> list[str]:
    """List the keys of the table, such as 'all_single/rank1'."""
    return [f'{p}/{m}' for p in PROTOCOLS.values() for m in MEASURES.values()]


def read_metrics(path: Path) -> dict[str, float]:
    """Read what an evaluation wrote.

    Args:
        path: JSON with flat metrics in percent, on top or under 'metrics'.

    Returns:
        The metrics of the table.

    Raises:
        ValueError: If one of them is missing.
    """
    values = json.loads(path.read_text())
    values = values.get('metrics', values)
    missing = [key for key in metric_keys() if key not in values]
    if missing:
        raise ValueError(
            f'{path} lacks {", ".join(missing)}; the test of the config must '
            'score all modes and shots.'
        )
    return {key: float(values[key]) for key in metric_keys()}


def read_permutation(work_dir: Path) -> dict[str, float]:
    """Read the permutation accuracy of the last validation.

    Args:
        work_dir: Work dir of the pre-training.

    Returns:
        Percent by keys such as 'visible_stripe_acc'.

    Raises:
        ValueError: If the pre-training did not measure it.
    """
    log = load_run_log(work_dir)
    keys = [
        f'{part}{measure}'
        for part in PERMUTATION.values()
        for measure in ('stripe_acc', 'exact_acc')
    ]
    return {
        key: float(log.series('val', f'permutation/{key}')[1][-1])
        for key in keys
    }


def summarise(values: Sequence[float]) -> dict[str, float]:
    """Average over seeds.

    Args:
        values: One value a seed.

    Returns:
        mean, std (of a sample; 0 for one seed), min and max.
    """
    return {
        'mean': mean(values),
        'std': stdev(values) if len(values) > 1 else 0.0,
        'min': min(values),
        'max': max(values),
    }


def _by_key(rows: Sequence[dict]) -> dict:
    return {key: summarise([row[key] for row in rows]) for key in rows[0]}


def collect(
    options: QuickstartOptions,
    stages: Sequence[Stage],
    seconds: dict[str, float],
    num_stripes: int,
) -> dict:
    """Gather everything that metrics.json holds.

    Args:
        options: What was done.
        stages: All stages, done.
        seconds: Duration by name of the stage.
        num_stripes: Stripes of the permutation task.

    Returns:
        Plain JSON: results a seed, their summary, configs, versions, timings.
    """
    seeds, rows = {}, {name: [] for name in (*INITS, 'difference')}
    permutation = []
    for seed in range(options.seeds):
        folder = options.work_dir / f'seed_{seed}'
        result = {
            init: read_metrics(folder / f'evaluate_{init}/metrics.json')
            for init in INITS
        }
        result['difference'] = {
            key: result['mmgl'][key] - result['random'][key]
            for key in metric_keys()
        }
        for name, values in rows.items():
            values.append(result[name])
        result['permutation'] = read_permutation(folder / 'pretrain')
        permutation.append(result['permutation'])
        seeds[str(seed)] = result
    summary = {name: _by_key(values) for name, values in rows.items()}
    summary['permutation'] = _by_key(permutation)
    return {
        'scale': options.scale,
        'unit': 'percent',
        'seeds': list(range(options.seeds)),
        'num_stripes': num_stripes,
        'summary': summary,
        'per_seed': seeds,
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
            'device': device_name(),
        },
    }
