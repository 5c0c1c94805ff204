"""Pre-training by MMGL and AGW from it, in as many steps as the time allows.

Ordinary runs of ``tools/train.py`` with the full-size configs; what a page
has room for is read from their logs.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path

from mmgl.datasets.synthetic import preset_counts
from mmgl.visualization.scalars import RunLog, load_run_log

from .findings import empty_findings
from .sizes import Sizes, config_options

PRETRAIN = 'configs/mmgl/pretrain/mmgl_two-stream_r50_96-100e_sysu.py'
FINETUNE = 'configs/mmgl/finetune/agw_r50_64-81e_sysu.py'
# Of a run's time, for starting, the first iterations (15 s in which cuDNN
# tries its algorithms), validating and writing checkpoints.
OVERHEAD_SECONDS, SHARE_OF_STEPS = dict(mmgl=55, agw=30), 0.9
# Images per second where none were measured.
CAUTIOUS_RATE = 600.0
BATCH = dict(mmgl=96, agw=64)


@dataclass(frozen=True)
class Run:
    """One training.

    Attributes:
        method: 'mmgl' or 'agw'.
        config: Path of the config, from the root of the repository.
        data: Folder of the images.
        work_dir: Output folder.
    """

    method: str
    config: str
    data: Path
    work_dir: Path


def iterations_within(
    seconds: float, rate: float | None, run: Run, sizes: Sizes
) -> int:
    """Tell how many iterations an epoch has so that the run ends in time.

    Args:
        seconds: Of the whole run.
        rate: Images per second with loading, if it was measured.
        run: The run.
        sizes: Sizes; the rehearsal takes two iterations an epoch.

    Returns:
        Iterations, at least two.
    """
    if sizes.images:
        return 2
    stepping = SHARE_OF_STEPS * max(0, seconds - OVERHEAD_SECONDS[run.method])
    steps = stepping * (rate or CAUTIOUS_RATE) / BATCH[run.method]
    return max(2, int(steps / sizes.epochs))


def train_command(
    run: Run, iterations: int, sizes: Sizes, init: Path | None = None
) -> list[str]:
    """Put a run together.

    Args:
        run: The run.
        iterations: Of an epoch.
        sizes: Sizes.
        init: Checkpoint of the pre-training, for AGW.

    Returns:
        Arguments of the interpreter.
    """
    loader = 'train_dataloader'
    options = [
        f'{loader}.dataset.data_root={run.data}',
        f'{loader}.num_workers={sizes.workers}',
        f'train_cfg.max_epochs={sizes.epochs}',
        'default_hooks.channels_last.type=ChannelsLastHook',
        'default_hooks.logger.interval=10',
        'env_cfg.cudnn_benchmark=True',
        *config_options(run.method, sizes),
        *(_pretrain_options if run.method == 'mmgl' else _finetune_options)(
            run, iterations, sizes
        ),
    ]
    start = (
        []
        if init is None
        else ['--init', 'mmgl', '--init-checkpoint', str(init)]
    )
    return [
        'tools/train.py',
        run.config,
        '--work-dir',
        str(run.work_dir),
        '--amp',
        'bf16',
        *start,
        '--cfg-options',
        *options,
    ]


def _pretrain_options(run: Run, iterations: int, sizes: Sizes) -> list[str]:
    """One epoch of warm-up, then the cosine down to 0."""
    images = sizes.images or BATCH['mmgl']
    return [
        'train_dataloader.sampler.num_pairs_per_epoch='
        f'{iterations * images // 2}',
        f'val_dataloader.dataset.data_root={run.data}',
        f'val_dataloader.num_workers={min(8, sizes.workers)}',
        'param_scheduler.0.end=1',
        'param_scheduler.1.begin=1',
        f'param_scheduler.1.end={sizes.epochs}',
        f'param_scheduler.1.T_max={sizes.epochs - 1}',
    ]


def _finetune_options(run: Run, iterations: int, sizes: Sizes) -> list[str]:
    """One epoch of warm-up, and drops after half and five sixths."""
    drops = [sizes.epochs // 2, math.ceil(sizes.epochs * 5 / 6)]
    return [
        f'train_dataloader.sampler.num_iters={iterations}',
        f'model.heads.id.num_classes={identities(sizes)}',
        'param_scheduler.0.end=1',
        f'param_scheduler.1.milestones=[{drops[0]},{drops[1]}]',
    ]


def identities(sizes: Sizes) -> int:
    """Count those of the drawn training and validation sets."""
    counts = preset_counts('sysu', sizes.preset)
    return counts['train']['ids'] + counts['val']['ids']


def evaluation_command(
    run: Run, checkpoint: Path, out: Path, sizes: Sizes
) -> list[str]:
    """Put the test of a fine-tuned model together."""
    return [
        'tools/test.py',
        run.config,
        str(checkpoint),
        '--work-dir',
        str(run.work_dir / 'test'),
        '--out',
        str(out),
        '--cfg-options',
        f'test_dataloader.dataset.data_root={run.data}',
        f'test_dataloader.num_workers={sizes.workers}',
        *sizes.model,
        f'model.heads.id.num_classes={identities(sizes)}',
    ]


def last_checkpoint(run: Run) -> Path | None:
    """Find what a finished or cut run has saved last."""
    note = run.work_dir / 'last_checkpoint'
    if not note.is_file():
        return None
    path = Path(note.read_text().strip())
    return path if path.is_file() else None


def read_run(run: Run, sizes: Sizes) -> dict[str, list]:
    """Read losses and accuracies of a run that may have been cut.

    Args:
        run: The run.
        sizes: Sizes.

    Returns:
        Findings: a table over the epochs, and the speed.
    """
    findings = empty_findings()
    try:
        log = load_run_log(run.work_dir)
    except FileNotFoundError:
        return findings
    if not log.train:
        return findings
    findings['tables'].append(_table_of(log))
    last, rate = log.train[-1], BATCH[run.method]
    rate = sizes.images or rate
    findings['notes'].append(
        f'{last["step"]} iterations of {rate} images in {last["epoch"]} '
        f'epochs, bf16, channels last; {1e3 * last["time"]:.0f} ms an '
        f'iteration in the last ones ({rate / last["time"]:.0f} images/s), '
        f'{1e3 * last["data_time"]:.0f} ms of it waiting for images.'
    )
    return findings


def _table_of(log: RunLog) -> dict[str, list]:
    """Mean losses at the first log line and at the end of each epoch."""
    losses = [key for key in log.keys('train') if 'loss' in key]
    epochs = {}
    for record in log.train:
        epochs[record['epoch']] = record
    values = {record['step']: record for record in log.val}
    accuracies = [
        key
        for key in log.keys('val')
        if not key.partition('/')[2].startswith(('visible_', 'infrared_'))
    ]
    # The first line of the log says where it began.
    first = [
        record for record in log.train[:1] if record not in epochs.values()
    ]
    rows = [_row(record, {}, losses, accuracies) for record in first]
    rows += [
        _row(record, values.get(epoch, {}), losses, accuracies)
        for epoch, record in epochs.items()
    ]
    return dict(
        columns=['epoch', 'iteration', *losses, *accuracies], rows=rows
    )


def _row(
    record: dict, values: dict, losses: list[str], accuracies: list[str]
) -> list[str]:
    """One line of the table."""
    return [
        str(record['epoch']),
        str(record['step']),
        *(f'{record[key]:.4f}' for key in losses),
        *(
            f'{values[key]:.4f}' if key in values else '-'
            for key in accuracies
        ),
    ]


def read_metrics(path: Path) -> dict[str, list]:
    """Make a table of what ``tools/test.py`` has measured.

    Args:
        path: Its JSON file.

    Returns:
        Metric and value in percent.
    """
    metrics = json.loads(path.read_text())['metrics']
    rows = [
        [name, f'{value:.2f}']
        for name, value in metrics.items()
        if name.endswith(('/rank1', '/mAP', '/mINP'))
    ]
    return dict(columns=['fine-tuned AGW, drawn test set', '%'], rows=rows)
