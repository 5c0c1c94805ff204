"""Randomness of the data as a function of (seed, epoch, position).

mmengine's ``worker_init_fn`` gives every new worker process the same
constant seed. Workers that end with the epoch then repeat the augmentations
of the epoch before, workers that persist make resuming inexact, and the
number of workers or ranks changes every batch. Here the sampler sends the
whole key with each index instead, and the data set reseeds from it.
"""

import random
import zlib
from typing import NamedTuple

import numpy as np
from torch.random import default_generator
from torch.utils.data import get_worker_info

MAX_SEED = 2**32


class Draw(NamedTuple):
    """One image a sampler asks for, with the key of its randomness.

    Attributes:
        index: Index into the data set.
        seed: Seed of the sampler, ``0 <= seed < 2**32``.
        epoch: Epoch, from 0.
        position: Place in the epoch's sequence over all ranks; no two draws
            of an epoch share it.
        pair: Number of the group of draws that belong together, the two
            images of a cross-modal pair for example; over all ranks too.
    """

    index: int
    seed: int
    epoch: int
    position: int
    pair: int

    def generator(self, stream: str) -> np.random.Generator:
        """Return a generator shared by all draws of one pair.

        Args:
            stream: Name of the purpose; streams are independent.

        Returns:
            A fresh generator keyed by (seed, epoch, pair, stream).
        """
        return keyed_generator((self.seed, self.epoch, self.pair), stream)


def seed_sequence(key: tuple[int, ...], stream: str) -> np.random.SeedSequence:
    """Mix a tuple of whole numbers and a name into a seed sequence.

    The name goes into ``spawn_key``, which numpy keeps apart from the
    entropy; without it (1, 2) and (1, 2, 0) would be the same key.

    Args:
        key: Numbers from 0 to 2**32 - 1.
        stream: Name of the purpose.

    Returns:
        The sequence.
    """
    return np.random.SeedSequence(
        key, spawn_key=(zlib.crc32(stream.encode()),)
    )


def keyed_generator(key: tuple[int, ...], stream: str) -> np.random.Generator:
    """Return a numpy generator for a key and a purpose.

    Args:
        key: Numbers from 0 to 2**32 - 1.
        stream: Name of the purpose.

    Returns:
        A fresh generator; equal arguments give equal generators.
    """
    return np.random.Generator(np.random.PCG64(seed_sequence(key, stream)))


def check_seed(seed: int) -> int:
    """Return the seed as a python int.

    Args:
        seed: The seed.

    Returns:
        The same number.

    Raises:
        ValueError: If it is no whole number from 0 to 2**32 - 1.
    """
    if (
        isinstance(seed, bool)
        or not isinstance(seed, int | np.integer)
        or not 0 <= seed < MAX_SEED
    ):
        raise ValueError(
            f'seed must be a whole number from 0 to {MAX_SEED - 1}, got '
            f'{seed!r}'
        )
    return int(seed)


class rng_scope:
    """Seed the global generators for one image and restore them after.

    Transforms of mmcv and mmpretrain draw from numpy's global generator,
    torchvision's from torch's, some code from python's. All three are seeded
    from (seed, epoch, position) inside the scope. Restoring matters with
    ``num_workers=0``, where the model shares the process; in a worker of a
    data loader, which does nothing else, it is left out, being two thirds of
    the cost. The generators of accelerators are not touched.

    Args:
        draw: The draw; a plain int or None changes nothing.
    """

    def __init__(self, draw: Draw | int | None) -> None:
        self.draw = draw if isinstance(draw, Draw) else None

    def __enter__(self) -> None:
        """Remember the three states and seed them."""
        if self.draw is None:
            return
        self.states = None
        if get_worker_info() is None:
            self.states = (
                random.getstate(),
                np.random.get_state(legacy=False),
                default_generator.get_state(),
            )
        words = seed_sequence(self.draw[1:4], 'augment').generate_state(6)
        random.seed(int(words[0]))
        np.random.seed(words[1:5])
        default_generator.manual_seed(int(words[5]))

    def __exit__(self, *_) -> None:
        """Restore the three states, also after an error."""
        if self.draw is None or self.states is None:
            return
        python_state, numpy_state, torch_state = self.states
        random.setstate(python_state)
        np.random.set_state(numpy_state)
        default_generator.set_state(torch_state)
