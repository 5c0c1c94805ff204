"""Measure what an iteration on the embedded data takes of a bare backbone.

Whole iterations of MMGL as `tools/train.py` does them (loading, step, hooks,
logging), in turn with a step of the bare backbone (forward and backward pass,
SGD, fp32) on as many images of 96 x 48, on one thread.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from step_cases import plain_sgd

from mmgl.apis.training import prepare_training
from mmgl.config.options import training_parser
from mmgl.datasets.synthetic import write_sysu
from mmgl.experiments.methods import Overrides
from mmgl.models.backbones import TwoStreamResNet
from mmgl.utils.benchmark import Figure, report
from mmgl.utils.compat import silence_upstream_warnings
from mmgl.utils.paths import config_dir
from mmgl.utils.precision import fast_precision

CONFIG = 'mmgl/pretrain/mmgl_two-stream_r18-narrow_synthetic.py'
FIRST = {'default_hooks.channels_last': None}
# What is changed, whether channels of the bare backbone are last, the most
# that an iteration may take of its step.
WAYS: dict[str, tuple[Overrides, bool, float]] = {
    'channels last': ({}, True, 1.12),
    'channels first': (FIRST, False, 1.12),
    # Only where bf16 is fast.
    'bf16 / fp32, channels first': ({'precision': 'bf16'}, False, 0.72),
}
WARM_UP = 5
EPOCHS = 2


class InTurn(Hook):  # type: ignore[misc]  # mmengine: no types
    """Times each iteration, and a bare step after it.

    The last of all hooks, so that an iteration is what lies between its ends.
    """

    def __init__(self, channels_last: bool) -> None:
        self.order = (
            torch.channels_last if channels_last else torch.contiguous_format
        )

    def before_train(self, runner: Runner) -> None:
        """Build the bare backbone with its optimizer and its images."""
        kept = dict(runner.cfg.model.backbone)
        kept.pop('type')
        bare: Any = TwoStreamResNet(**kept).train()
        self.bare = bare.to(memory_format=self.order)
        self.optim = plain_sgd(self.bare)
        count = runner.cfg.train_dataloader.batch_size
        self.images = torch.rand(count, 3, 96, 48).to(memory_format=self.order)
        self.modality = torch.arange(count) % 2
        self.whole: list[float] = []
        self.bare_alone: list[float] = []
        self.start = time.perf_counter()

    def after_train_iter(self, runner: Runner, *args: Any, **_: Any) -> None:
        """End the clock of the iteration, and time a bare step."""
        middle = time.perf_counter()
        maps = self.bare(self.images, self.modality)
        maps.backward(torch.ones_like(maps))
        self.optim.step()
        self.optim.zero_grad()
        end = time.perf_counter()
        self.whole.append(middle - self.start)
        self.bare_alone.append(end - middle)
        self.start = end


def measure(options: argparse.Namespace, folder: Path) -> Iterator[Figure]:
    """Yield the ratios of the medians, one for each way to train."""
    torch.set_num_threads(1)
    write_sysu(folder / 'data', 'tiny')
    for name, (changes, channels_last, target) in WAYS.items():
        if 'precision' in changes and fast_precision() != 'bf16':
            continue
        hook = InTurn(channels_last)
        whole, bare = time_in_turn(hook, options.steps, folder, changes)
        note = f'{1e3 * whole:.0f} and {1e3 * bare:.0f} ms'
        label = f'an iteration of MMGL / a step of its bare backbone, {name}'
        yield Figure(label, whole / bare, target, note=note)


def time_in_turn(
    hook: InTurn, steps: int, folder: Path, changes: Overrides
) -> tuple[float, float]:
    """Return the median seconds of an iteration and of a bare step."""
    settings = {
        **changes,
        'log_level': 'ERROR',
        '*.data_root': folder / 'data',
        'train_cfg.max_epochs': EPOCHS,
        'train_cfg.val_interval': EPOCHS + 1,
        'train_dataloader.sampler.num_pairs_per_epoch': 32 * steps,
    }
    work_dir = tempfile.mkdtemp(dir=folder)
    words = [str(config_dir() / CONFIG), '--work-dir', work_dir]
    words += ['--cfg-options', *(f'{k}={v}' for k, v in settings.items())]
    runner = prepare_training(training_parser().parse_args(words))
    runner.register_hook(hook, 'LOWEST')
    runner.train()
    # The first iterations of an epoch wait for images and write a checkpoint.
    whole, bare = (
        statistics.median(
            one
            for place, one in enumerate(seconds)
            if place % steps >= WARM_UP
        )
        for seconds in (hook.whole, hook.bare_alone)
    )
    return whole, bare


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add('--steps', type=int, default=33, help=f'in each of {EPOCHS} epochs')
    add('--out', metavar='FILE', help='JSON file to write')
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> dict[str, object]:
    """Measure, print and return the figures."""
    options = parse_args(argv)
    silence_upstream_warnings()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(options, Path(folder))
        return report('Iteration on the embedded data', figures, options.out)


if __name__ == '__main__':
    main()
