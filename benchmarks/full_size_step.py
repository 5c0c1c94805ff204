"""Measure optimisation steps of a config at full size.

Builds the config as tools/train.py does, trains a few steps on synthetic
images of the size of SYSU-MM01 (or on images of your own), and prints the
time of a step and the peak memory.

Example:
    python benchmarks/full_size_step.py
    python benchmarks/full_size_step.py CONFIG --data-root data/RegDB \
        --cfg-options model.backbone.depth=101
"""

import argparse
import json
import os
import platform
import resource
import tempfile
import time
from pathlib import Path

import torch
from images import write_images
from mmengine.config import DictAction
from mmengine.hooks import Hook

from mmgl.config.checking import check_config
from mmgl.config.loading import (
    TESTING,
    VALIDATION,
    build_runner,
    derive_loaders,
    load_config,
)
from mmgl.utils.compat import select_amp_wrapper, silence_upstream_warnings
from mmgl.utils.errors import ConfigError, report_errors
from mmgl.utils.paths import config_dir

DEFAULT_CONFIG = 'mmgl/pretrain/mmgl_agw_r50_96-100e_sysu.py'


class StepTimer(Hook):
    """Time and loss of each step, without the loading of its images."""

    priority = 'VERY_LOW'

    def __init__(self) -> None:
        self.seconds, self.losses = [], []
        self._synchronize = (
            torch.cuda.synchronize if torch.cuda.is_available() else None
        )

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        """Start the clock."""
        self._start = self._now()

    def after_train_iter(
        self, runner, batch_idx, data_batch=None, outputs=None
    ) -> None:
        """Stop it."""
        self.seconds.append(self._now() - self._start)
        self.losses.append(float(outputs['loss'].detach()))

    def _now(self) -> float:
        if self._synchronize:
            self._synchronize()
        return time.perf_counter()


def benchmark_config(options: argparse.Namespace, root: str, work_dir: str):
    """Load the config and limit it to a few steps.

    Args:
        options: Command line options.
        root: Folder of the data set.
        work_dir: Folder for logs.

    Returns:
        The checked config.
    """
    cfg = load_config(options.config)
    if 'init_from' in cfg.model:
        cfg.model['init_from'] = None
    if options.cfg_options:
        cfg.merge_from_dict(options.cfg_options)
    for key in (*TESTING, *VALIDATION):
        cfg[key] = None
    loader = cfg.train_dataloader
    loader['num_workers'] = 0
    loader.dataset['data_root'] = root
    if loader.sampler.type == 'CrossModalPairSampler':
        loader.sampler['num_pairs_per_epoch'] = (
            options.steps * loader.batch_size // 2
        )
    else:
        loader.sampler['num_iters'] = options.steps
    cfg.train_cfg['max_epochs'] = 1
    cfg.default_hooks['checkpoint'] = None
    cfg['work_dir'], cfg['launcher'] = work_dir, 'none'
    cfg['log_level'] = 'WARNING'
    if options.amp:
        cfg['optim_wrapper'] = select_amp_wrapper(cfg.optim_wrapper)
    derive_loaders(cfg)
    check_config(cfg)
    return cfg


def measure(options: argparse.Namespace, folder: Path) -> dict:
    """Train the steps.

    Args:
        options: Command line options.
        folder: Scratch folder.

    Returns:
        What was measured.
    """
    root = options.data_root
    if root is None:
        pairs = load_config(options.config).train_dataloader.batch_size // 2
        root = str(folder / 'data')
        write_images(Path(root), pairs)
    with report_errors():
        cfg = benchmark_config(options, root, str(folder / 'work'))
        if options.data_root is None and (
            cfg.train_dataloader.dataset.type != 'SYSUMM01'
        ):
            raise ConfigError(
                'synthetic images are written for SYSUMM01 '
                'only; name images by --data-root'
            )
        runner = build_runner(cfg)
    timer = StepTimer()
    runner.register_hook(timer)
    runner.train()
    step = cfg.train_dataloader
    crop = [t.crop_size for t in step.dataset.pipeline if 'crop_size' in t]
    # Linux counts kilobytes, macOS bytes.
    unit = 1 if platform.system() == 'Darwin' else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    result = dict(
        config=Path(options.config).stem,
        batch_size=step.batch_size,
        image_size=list(crop[0]) if crop else None,
        parameters=sum(p.numel() for p in runner.model.parameters()),
        losses=timer.losses,
        step_seconds=timer.seconds,
        peak_memory_gib=peak / 2**30,
        threads=torch.get_num_threads(),
        load=list(os.getloadavg()),
        torch=torch.__version__,
    )
    if torch.cuda.is_available():
        result['peak_gpu_memory_gib'] = (
            torch.cuda.max_memory_allocated() / 2**30
        )
    return result


def parse_args(argv=None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Measure optimisation steps of a config at full size.'
    )
    parser.add_argument(
        'config', nargs='?', default=str(config_dir() / DEFAULT_CONFIG)
    )
    parser.add_argument('--steps', type=int, default=2)
    parser.add_argument(
        '--data-root', help='a data set; synthetic images if not given'
    )
    parser.add_argument('--amp', action='store_true')
    parser.add_argument('--out', metavar='JSON', help='file for the figures')
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE'
    )
    return parser.parse_args(argv)


def main(argv=None) -> dict:
    """Measure, print and return the figures."""
    options = parse_args(argv)
    silence_upstream_warnings()
    with tempfile.TemporaryDirectory() as folder:
        result = measure(options, Path(folder))
    print(json.dumps(result, indent=2))
    if options.out:
        Path(options.out).write_text(json.dumps(result, indent=2) + '\n')
    return result


if __name__ == '__main__':
    main()
