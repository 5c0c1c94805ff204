"""What the quickstart is asked to do and how large each scale is."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from mmgl.utils.paths import config_dir

# Every way to initialise the fine-tuning, baseline first.
INITS = {'random': 'random weights', 'mmgl': 'MMGL'}


@dataclass(frozen=True)
class Scale:
    """Size of the job.

    Attributes:
        preset: Preset of the embedded data set.
        pretrain: Config overrides of the pre-training.
        finetune: Config overrides of the fine-tuning and of its test.
        seconds: Expected duration of each kind of stage on two cores. They
            only weigh the stages against each other in the remaining time
            until stages have been measured.
    """

    preset: str
    pretrain: dict = field(default_factory=dict)
    finetune: dict = field(default_factory=dict)
    seconds: dict = field(default_factory=dict)


# All budget overrides live here; 'mini' runs the configs as they are.
SCALES = {
    'mini': Scale(
        preset='mini',
        seconds={'data': 30, 'pretrain': 640, 'finetune': 90, 'evaluate': 20},
    ),
    'smoke': Scale(
        preset='tiny',
        pretrain={'train_cfg.max_epochs': 2, 'train_cfg.val_interval': 1},
        finetune={'train_cfg.max_epochs': 2},
        seconds={'data': 10, 'pretrain': 30, 'finetune': 25, 'evaluate': 15},
    ),
}


@dataclass
class QuickstartOptions:
    """Options of a quickstart.

    Attributes:
        scale: Key of ``SCALES``.
        seeds: Number of repetitions, with the seeds 0 ... seeds - 1.
        work_dir: Folder of all results.
        data_root: Folder of the embedded data set; by default
            ``data/synthetic/<preset>``.
        workers: Processes that load images (by default what the configs say)
            and that write the data set (by default one a core).
        root: Folder with ``tools`` and ``configs``.
        pretrain_config: Config of the pre-training, relative to ``root``.
        finetune_config: Config of the fine-tuning, relative to ``root``.
    """

    scale: str = 'mini'
    seeds: int = 1
    work_dir: str | os.PathLike = 'work_dirs/quickstart'
    data_root: str | os.PathLike | None = None
    workers: int | None = None
    root: str | os.PathLike | None = None
    pretrain_config: str = (
        'configs/mmgl/pretrain/mmgl_two-stream_r18-narrow_synthetic.py'
    )
    finetune_config: str = 'configs/mmgl/finetune/agw_r18-narrow_synthetic.py'

    def __post_init__(self):
        if self.scale not in SCALES:
            raise ValueError(
                f'scale={self.scale!r} is not one of {", ".join(SCALES)}.'
            )
        if self.seeds < 1:
            raise ValueError(f'seeds must be at least 1, not {self.seeds}.')
        if self.workers is not None and self.workers < 0:
            raise ValueError(
                f'workers must be at least 0, not {self.workers}.'
            )
        preset = SCALES[self.scale].preset
        # Absolute, because the stages run in the project's folder.
        self.work_dir = Path(self.work_dir).resolve()
        self.data_root = Path(
            self.data_root or f'data/synthetic/{preset}'
        ).resolve()
        self.root = Path(self.root or config_dir().parent).resolve()
