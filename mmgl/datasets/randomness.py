"""Randomness of the data as a function of (seed, epoch, position).

mmengine's ``worker_init_fn`` gives every new worker process the same
constant seed. Workers that end with the epoch then repeat the augmentations
of the epoch before, workers that persist make resuming inexact, and the
number of workers or ranks changes every batch. Here the sampler sends the
whole key with each index instead, and the data set reseeds from it.
"""

import random
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
from torch import default_generator
from torch.utils.data import get_worker_info

from .checks import check

MAX_SEED = 2**32


class Draw(NamedTuple):
    """One image a sampler asks for, with the key of its randomness.

    ``position`` is the place in the epoch's sequence, which no two draws of
    an epoch share; ``pair`` numbers the groups of draws that belong together,
    such as a cross-modal pair. Both are counted over all ranks. A ``label``
    stands for the pid of the image, which then stays in the data set.
    """

    index: int  # type: ignore[assignment]
    seed: int  # from 0 to 2**32 - 1
    epoch: int
    position: int
    pair: int
    label: int | None = None

    def generator(self, stream: str) -> np.random.Generator:
        """Return a fresh generator that all draws of one pair share.

        It is keyed by (seed, epoch, pair) and the stream, which names the
        purpose; streams are independent.
        """
        return keyed_generator((self.seed, self.epoch, self.pair), stream)


def seed_sequence(key: tuple[int, ...], stream: str) -> np.random.SeedSequence:
    """Mix numbers from 0 to 2**32 - 1 and a purpose into a seed sequence."""
    # numpy keeps spawn_key apart from the entropy; without it (1, 2) and
    # (1, 2, 0) would be the same key.
    purpose = zlib.crc32(stream.encode())
    return np.random.SeedSequence(key, spawn_key=(purpose,))


def keyed_generator(key: tuple[int, ...], stream: str) -> np.random.Generator:
    """Return a fresh generator; equal keys and purposes give equal ones."""
    return np.random.Generator(np.random.PCG64(seed_sequence(key, stream)))


def check_seed(seed: int) -> int:
    """Return a seed from 0 to 2**32 - 1 as a python int."""
    whole = isinstance(seed, int | np.integer) and not isinstance(seed, bool)
    fits = whole and 0 <= seed < MAX_SEED
    check('seed', seed, fits, f'a whole number from 0 to {MAX_SEED - 1}')
    return int(seed)


@contextmanager
def rng_scope(draw: Draw | int | None) -> Iterator[None]:
    """Seed the global generators for one image and restore them after.

    mmcv's and mmpretrain's transforms draw from numpy's global generator,
    torchvision's from torch's (CPU), some code from python's: all three are
    seeded from (seed, epoch, position). Restoring matters with
    ``num_workers=0``, where the model shares the process; in a worker, which
    does nothing else, it is left out, being two thirds of the cost. A plain
    index or None instead of a draw changes nothing.
    """
    if not isinstance(draw, Draw):
        yield
        return
    states = None
    if get_worker_info() is None:
        states = (
            random.getstate(),
            np.random.get_state(legacy=False),
            default_generator.get_state(),
        )
    words = seed_sequence(draw[1:4], 'augment').generate_state(6)
    random.seed(int(words[0]))
    np.random.seed(words[1:5])
    default_generator.manual_seed(int(words[5]))
    try:
        yield
    finally:
        if states is not None:
            random.setstate(states[0])
            np.random.set_state(states[1])
            default_generator.set_state(states[2])
