"""Randomness of the model as a function of (seed, iteration)."""

import random
from typing import Any

import numpy as np
import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmgl.registry import HOOKS

# First word of the seed material, so that no two uses share a stream.
EPOCH_STREAM, ITERATION_STREAM = 1, 2


def seed_everything(*key: int) -> None:
    """Seed Python's, numpy's and torch's global generators from a key."""
    words = np.random.SeedSequence(key).generate_state(4)
    random.seed(int(words[0]))
    np.random.seed(int(words[1]))
    seed = (int(words[2]) << 32) | int(words[3])
    if torch.accelerator.is_available():
        torch.manual_seed(seed)
    else:
        # The above writes down the whole call stack for each kind of device
        # that is not there, which takes most of a millisecond.
        torch.default_generator.manual_seed(seed)


@HOOKS.register_module()
class IterationSeedHook(Hook):  # type: ignore[misc]
    """Seed all global generators before every epoch and iteration.

    Noise of the model and seeds of data loader workers then depend on the
    run's seed and the place in the schedule, not on what was drawn before: a
    run killed and resumed at an epoch repeats the uninterrupted one bit for
    bit. All ranks get the same seeds. ``enabled=False`` is for a comparison.
    """

    # Before any other hook could draw a number.
    priority = 'HIGHEST'

    def __init__(self, enabled: bool = True) -> None:
        self.enabled = enabled

    def before_train_epoch(self, runner: Runner) -> None:
        """Seed for what happens between the iterations of an epoch."""
        if self.enabled:
            seed_everything(EPOCH_STREAM, runner.seed, runner.epoch)

    def before_train_iter(self, runner: Runner, *_: Any, **__: Any) -> None:
        """Seed for the model of this iteration."""
        if self.enabled:
            seed_everything(ITERATION_STREAM, runner.seed, runner.iter)
