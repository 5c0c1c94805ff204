"""Links between GPUs: traffic in a ring, and what link.py measured."""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from scipy.optimize import nnls

# Operation, and how many times its size it sends in a ring of n ranks. The
# size is what a rank brings in, or gets of a reduce_scatter.
TRAFFIC = {
    'all_reduce': lambda n: 2 * (n - 1) / n,
    'all_gather': lambda n: n - 1,
    'reduce_scatter': lambda n: n - 1,
}
PLACES = ('within a machine', 'between machines')


@dataclass(frozen=True)
class Link:
    """A way from one rank to the next, as one operation uses it.

    Attributes:
        rate: Bytes a second.
        latency: Seconds of a message, however short.
        error: Largest share by which a measured time differs from these.
    """

    rate: float
    latency: float
    error: float = 0.0

    def seconds(self, sent: float) -> float:
        """Time of a message of so many bytes sent."""
        return self.latency + sent / self.rate


def fit_link(points: Iterable[tuple[float, float]]) -> Link:
    """Find rate and latency from measured messages.

    Their shares of error, and not the seconds, are made small, so that short
    messages count as much as long ones.

    Args:
        points: Bytes sent and seconds of each.

    Returns:
        The link.
    """
    points = list(points)
    latency, slowness = nnls(
        [[1 / seconds, sent / seconds] for sent, seconds in points],
        [1.0] * len(points),
    )[0].tolist()
    rate = 1 / slowness if slowness else math.inf
    return Link(
        rate,
        latency,
        max(
            abs((latency + slowness * sent) / seconds - 1)
            for sent, seconds in points
        ),
    )


@dataclass(frozen=True)
class Links:
    """What link.py measured in one place.

    Attributes:
        ranks: Number of processes that took part.
        ops: The link of each operation in :data:`TRAFFIC`.
        check: Seconds of a message between hosts, a doubling of ranks.
    """

    ranks: int
    ops: dict[str, Link]
    check: float


def read_links(paths: Iterable[str]) -> dict[str, Links]:
    """Read measured links.

    Args:
        paths: JSON files of link.py, at most one of each of :data:`PLACES`.

    Returns:
        Links by place.

    Raises:
        ValueError: If a file holds no measured messages, or another one is
            of the same place.
    """
    found = {}
    for path in paths:
        content = json.loads(Path(path).read_text())
        try:
            ranks, messages = content['ranks'], content['messages']
            place = PLACES[content['machines'] > 1]
            ops = {
                op: fit_link(
                    (one['size'] * traffic(ranks), one['seconds'])
                    for one in messages
                    if one['op'] == op
                )
                for op, traffic in TRAFFIC.items()
            }
            links = Links(
                ranks, ops, content['check_seconds'] / math.log2(ranks)
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f'--links {path} holds no messages of {", ".join(TRAFFIC)}; '
                'write it by benchmarks/link.py --out.'
            ) from error
        if place in found:
            raise ValueError(
                f'--links {path}: another file is of links {place} as well; '
                'give one of each kind.'
            )
        found[place] = links
    return found
