"""Measure optimisation steps of a config at full size.

Builds the config as tools/train.py does, trains a few steps on synthetic
images of the size of SYSU-MM01 (or on images of your own), and prints the
time of a step and the peak memory.
"""

import argparse
import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch
from images import write_images
from meters import clock
from mmengine.config import Config, DictAction
from mmengine.hooks import Hook
from torch import Tensor

from mmgl.config import loading
from mmgl.config.checking import check_config
from mmgl.utils.benchmark import peak_memory
from mmgl.utils.compat import select_wrapper, silence_upstream_warnings
from mmgl.utils.errors import ConfigError, report_errors
from mmgl.utils.files import write_json
from mmgl.utils.paths import config_dir

DEFAULT_CONFIG = 'mmgl/pretrain/mmgl_agw_r50_96-100e_sysu.py'


class StepTimer(Hook):
    """Time and loss of each step, without the loading of its images."""

    priority = 'VERY_LOW'

    def __init__(self) -> None:
        self.seconds, self.losses = [], []
        self._now = clock('cuda' if torch.cuda.is_available() else 'cpu')

    def before_train_iter(self, *_: object, **__: object) -> None:
        """Start the clock."""
        self._start = self._now()

    def after_train_iter(self, *_: object, **given: dict[str, Tensor]) -> None:
        """Stop it."""
        self.seconds.append(self._now() - self._start)
        self.losses.append(float(given['outputs']['loss'].detach()))


def benchmark_config(
    options: argparse.Namespace, root: str, work_dir: str
) -> Config:
    """Load and check the config of the options, of a few steps only."""
    cfg = loading.load_config(options.config)
    if 'init_from' in cfg.model:
        cfg.model['init_from'] = None
    if options.cfg_options:
        cfg.merge_from_dict(options.cfg_options)
    for key in (*loading.TESTING, *loading.VALIDATION):
        cfg[key] = None
    loader = cfg.train_dataloader
    loader['num_workers'] = 0
    loader.dataset['data_root'] = root
    if loader.sampler.type == 'CrossModalPairSampler':
        pairs = options.steps * loader.batch_size // 2
        loader.sampler['num_pairs_per_epoch'] = pairs
    else:
        loader.sampler['num_iters'] = options.steps
    cfg.train_cfg['max_epochs'] = 1
    cfg.default_hooks['checkpoint'] = None
    cfg['work_dir'], cfg['launcher'] = work_dir, 'none'
    cfg['log_level'] = 'WARNING'
    if options.amp:
        cfg['optim_wrapper'] = select_wrapper(cfg.optim_wrapper, 'bf16')
    loading.derive_loaders(cfg)
    check_config(cfg)
    return cfg


def measure(options: argparse.Namespace, folder: Path) -> dict[str, object]:
    """Train the steps and return what was measured."""
    root = options.data_root
    if root is None:
        pairs = (
            loading.load_config(options.config).train_dataloader.batch_size
            // 2
        )
        root = str(folder / 'data')
        write_images(Path(root), pairs)
    with report_errors():
        cfg = benchmark_config(options, root, str(folder / 'work'))
        loader = cfg.train_dataloader
        if options.data_root is None and loader.dataset.type != 'SYSUMM01':
            raise ConfigError('name images of this data set by --data-root')
        runner = loading.build_runner(cfg)
    timer = StepTimer()
    runner.register_hook(timer)
    runner.train()
    crop = [t.crop_size for t in loader.dataset.pipeline if 'crop_size' in t]
    result = dict(
        config=Path(options.config).stem,
        batch_size=loader.batch_size,
        image_size=list(crop[0]) if crop else None,
        parameters=sum(p.numel() for p in runner.model.parameters()),
        losses=timer.losses,
        step_seconds=timer.seconds,
        peak_memory_gib=peak_memory(),
        threads=torch.get_num_threads(),
        load=list(os.getloadavg()),
        torch=torch.__version__,
    )
    if torch.cuda.is_available():
        peak = torch.cuda.max_memory_allocated()
        result['peak_gpu_memory_gib'] = peak / 2**30
    return result


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add('config', nargs='?', default=str(config_dir() / DEFAULT_CONFIG))
    add('--steps', type=int, default=2)
    add('--data-root', help='a data set; synthetic images if not given')
    add('--amp', action='store_true')
    add('--out', metavar='JSON', help='file for the figures')
    add('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE')
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> dict[str, object]:
    """Measure, print and return the figures."""
    options = parse_args(argv)
    silence_upstream_warnings()
    with tempfile.TemporaryDirectory() as folder:
        result = measure(options, Path(folder))
    print(json.dumps(result, indent=2))
    if options.out:
        write_json(options.out, result)
    return result


if __name__ == '__main__':
    main()
