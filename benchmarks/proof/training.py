"""Pre-training by MMGL and AGW from it, in as many steps as the time allows.

Ordinary runs of ``tools/train.py`` with the full-size configs; what a page
has room for is read from their logs.
"""

import math
from dataclasses import dataclass
from pathlib import Path

from mmgl.datasets.synthetic import preset_counts
from mmgl.evaluation.documents import read_report
from mmgl.visualization.scalars import RunLog, load_run_log

from .page import Findings, empty_findings
from .sizes import Sizes

CONFIGS = dict(
    mmgl='configs/mmgl/pretrain/mmgl_two-stream_r50_96-100e_sysu.py',
    agw='configs/mmgl/finetune/agw_r50_64-81e_sysu.py',
)
BATCH = dict(mmgl=96, agw=64)
# Of a run's time, for starting, the first iterations (15 s in which cuDNN
# tries its algorithms), validating and writing checkpoints.
OVERHEAD_SECONDS, SHARE_OF_STEPS = dict(mmgl=55, agw=30), 0.9
# Images per second where none were measured.
CAUTIOUS_RATE = 600.0
LOADER = 'train_dataloader'

Command = list[str]  # arguments of the interpreter


def command(script: str, *arguments: str, **options: object) -> Command:
    """Put a command together, without options that are None or empty."""
    found = [script, *arguments]
    for name, value in options.items():
        values = value if isinstance(value, list | tuple) else [value]
        if values and value is not None:
            found += [f'--{name.replace("_", "-")}', *map(str, values)]
    return found


@dataclass(frozen=True)
class Run:
    """The training of 'mmgl' or 'agw' on the images of a folder."""

    method: str
    data: Path
    work_dir: Path
    sizes: Sizes

    @property
    def images(self) -> int:
        """Of a batch."""
        return self.sizes.images or BATCH[self.method]

    def iterations_within(self, seconds: float, rate: float | None) -> int:
        """Iterations of an epoch that end in time at images/s, if known."""
        if self.sizes.images:
            return 2  # a rehearsal
        left = max(0, seconds - OVERHEAD_SECONDS[self.method])
        images = SHARE_OF_STEPS * left * (rate or CAUTIOUS_RATE)
        return max(2, int(images / self.images / self.sizes.epochs))

    def train(self, iterations: int, init: Path | None = None) -> Command:
        """Put the training together; ``init`` is a pre-trained checkpoint."""
        sizes, pretrain = self.sizes, self.method == 'mmgl'
        options = [
            f'{LOADER}.dataset.data_root={self.data}',
            f'{LOADER}.num_workers={sizes.workers}',
            f'{LOADER}.batch_size={self.images}',
            f'train_cfg.max_epochs={sizes.epochs}',
            'default_hooks.logger.interval=10',
            'env_cfg.cudnn_benchmark=True',
            'param_scheduler.0.end=1',
            *sizes.model,
        ]
        if sizes.learning_rate:
            options.append(f'optim_wrapper.optimizer.lr={sizes.learning_rate}')
        more = self._pretrain_options if pretrain else self._finetune_options
        return command(
            'tools/train.py',
            CONFIGS[self.method],
            work_dir=self.work_dir,
            amp='bf16',
            init=init and 'mmgl',
            init_checkpoint=init,
            cfg_options=[*options, *more(iterations)],
        )

    def _pretrain_options(self, iterations: int) -> list[str]:
        """One epoch of warm-up, then the cosine down to 0."""
        sizes, sampler = self.sizes, f'{LOADER}.sampler'
        pairs = iterations * self.images // 2
        return [
            f'{sampler}.batch_size={self.images}',
            f'{sampler}.num_pairs_per_epoch={pairs}',
            f'val_dataloader.dataset.data_root={self.data}',
            f'val_dataloader.num_workers={min(8, sizes.workers)}',
            'param_scheduler.1.begin=1',
            f'param_scheduler.1.end={sizes.epochs}',
            f'param_scheduler.1.T_max={sizes.epochs - 1}',
        ]

    def _finetune_options(self, iterations: int) -> list[str]:
        """One epoch of warm-up, and drops after half and five sixths."""
        epochs, sampler = self.sizes.epochs, f'{LOADER}.sampler'
        drops = f'[{epochs // 2},{math.ceil(epochs * 5 / 6)}]'
        options = [
            f'{sampler}.num_iters={iterations}',
            self._classes(),
            f'param_scheduler.1.milestones={drops}',
        ]
        if self.sizes.images:
            ids = self.sizes.images // 4
            options += [
                f'{sampler}.num_ids={ids}',
                f'{sampler}.num_instances=2',
            ]
        return options

    def _classes(self) -> str:
        """Identities of the drawn training and validation sets."""
        counts = preset_counts('sysu', self.sizes.preset)
        number = counts['train']['ids'] + counts['val']['ids']
        return f'model.heads.id.num_classes={number}'

    def test(self, checkpoint: Path, out: Path) -> Command:
        """Put the test of a fine-tuned model together."""
        options = [
            f'test_dataloader.dataset.data_root={self.data}',
            f'test_dataloader.num_workers={self.sizes.workers}',
            *self.sizes.model,
            self._classes(),
        ]
        given = CONFIGS[self.method], str(checkpoint)
        more = dict(work_dir=self.work_dir / 'test', cfg_options=options)
        return command('tools/test.py', *given, out=out, **more)

    def last_checkpoint(self) -> Path | None:
        """Find what a finished or cut run has saved last."""
        note = self.work_dir / 'last_checkpoint'
        path = Path(note.read_text().strip()) if note.is_file() else note
        return path if path.is_file() else None

    def read(self) -> Findings:
        """Read losses and accuracies of a run that may have been cut."""
        try:
            log = load_run_log(self.work_dir)
        except FileNotFoundError:
            log = RunLog()
        if not log.train:
            return empty_findings()
        last = log.train[-1]
        note = (
            f'{last["step"]} iterations of {self.images} images in '
            f'{last["epoch"]} epochs, bf16, channels last; '
            f'{1e3 * last["time"]:.0f} ms an iteration in the last ones '
            f'({self.images / last["time"]:.0f} images/s), '
            f'{1e3 * last["data_time"]:.0f} ms of it waiting for images.'
        )
        return empty_findings() | dict(tables=[_table_of(log)], notes=[note])


def _table_of(log: RunLog) -> dict[str, list]:
    """Mean losses at the first log line and at the end of each epoch."""
    losses = [key for key in log.keys('train') if 'loss' in key]
    parts = ('visible_', 'infrared_')
    accuracies = [
        key
        for key in log.keys('val')
        if not key.partition('/')[2].startswith(parts)
    ]
    epochs = {record['epoch']: record for record in log.train}
    validated = {record['step']: record for record in log.val}

    def row(record: dict, values: dict) -> list[str]:
        found = [record[key] for key in losses]
        found += [values.get(key) for key in accuracies]
        shown = ['-' if one is None else f'{one:.4f}' for one in found]
        return [str(record['epoch']), str(record['step']), *shown]

    rows = [row(one, validated.get(key, {})) for key, one in epochs.items()]
    # The first line of the log says where it began.
    if log.train[0] not in epochs.values():
        rows.insert(0, row(log.train[0], {}))
    return dict(
        columns=['epoch', 'iteration', *losses, *accuracies], rows=rows
    )


def read_metrics(path: Path) -> dict[str, list]:
    """Make a table of the JSON of ``tools/test.py``, in percent."""
    metrics, _ = read_report(path)
    rows = [
        [name, f'{value:.2f}']
        for name, value in metrics.items()
        if name.endswith(('/rank1', '/mAP', '/mINP'))
    ]
    return dict(columns=['fine-tuned AGW, drawn test set', '%'], rows=rows)
