"""What an attack is: inputs by number, and which values are right."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

Fine = Callable[[object], bool]


def refused(value: object) -> bool:
    """No value is right: the input has to be refused."""
    return False


def anything(value: object) -> bool:
    """Taking the input is as good as refusing it."""
    return True


def same(expected: object) -> Fine:
    """Only this value is right, if the input is not refused."""
    return lambda value: value == expected


@dataclass
class Try:
    """One input at one entrance.

    ``what`` names entrance and kind of damage; ``run`` gives it to the
    entrance; ``fine`` judges what comes back.
    """

    what: str
    run: Callable[[], object]
    fine: Fine = refused
    must_work: bool = False


@dataclass
class Attack:
    """A kind of inputs.

    ``make`` prepares number ``n`` in an empty folder, from an rng of its
    own; the short form tries the first ``short`` of them, the long one
    ``long``, each within ``seconds``.
    """

    name: str
    make: Callable[..., Try]
    short: int
    long: int
    seconds: float

    def prepare(self, base: Path, folder: Path, number: int) -> Try:
        """Make an input: the same for the same number, always."""
        seed = zlib.crc32(self.name.encode()), number
        return self.make(base, folder, number, np.random.default_rng(seed))


ATTACKS: dict[str, Attack] = {}


def attack(
    name: str, short: int, long: int, seconds: float = 60
) -> Callable[[Callable[..., Try]], Callable[..., Try]]:
    """Register ``make(base, folder, number, rng)`` as an attack."""

    def register(make: Callable[..., Try]) -> Callable[..., Try]:
        ATTACKS[name] = Attack(name, make, short, long, seconds)
        return make

    return register


def damaged(data: bytes, rng: np.random.Generator) -> tuple[str, bytes]:
    """Damage the bytes of a file in one of six ways, which is named."""
    size = len(data)
    start = int(rng.integers(size))
    stop = min(size, start + int(rng.integers(1, 64)))
    junk = rng.integers(0, 256, stop - start, dtype=np.uint8).tobytes()
    bit = bytes([data[start] ^ 1 << int(rng.integers(8))])
    ways = dict(
        flipped=data[:start] + bit + data[start + 1 :],
        cut=data[:start],
        zeroed=data[:start] + bytes(stop - start) + data[stop:],
        overwritten=data[:start] + junk + data[stop:],
        shortened=data[:start] + data[stop:],
        lengthened=data[:start] + junk + data[start:],
    )
    way = str(rng.choice(list(ways)))
    return way, ways[way]


def pick(options: list | tuple, rng: np.random.Generator) -> object:
    """Draw one of several things of any kind."""
    return options[int(rng.integers(len(options)))]
