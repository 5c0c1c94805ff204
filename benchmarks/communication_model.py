"""How long a step takes on several GPUs: the model of communication.py."""

import argparse
import json
import math
from dataclasses import dataclass
from pathlib import Path

from communication_count import KINDS, Message
from communication_links import PLACES, TRAFFIC, Link, Links
from step_cases import METHODS

# Of a step, as step.py measures them apart on a processor.
PARTS = ('backbone', 'behind', 'optimizer')


@dataclass
class Count:
    """What a rank sends and computes in a step.

    Attributes:
        images: Images that the model sees in a step.
        messages: All messages, those of SyncBN included.
        flops: Operations on 1, 2, 3, ... ranks.
    """

    images: int
    messages: list[Message]
    flops: list[int]

    def total(self, kind: str) -> int:
        """Bytes of one kind."""
        return sum(one.size for one in self.messages if one.kind == kind)

    def number(self, kind: str) -> int:
        """Messages of one kind."""
        return sum(one.kind == kind for one in self.messages)

    def growth(self, world: int) -> float:
        """Operations on so many ranks beyond those on one, in their share.

        They are a polynomial in the number of ranks, given by its values at
        1, 2, 3, ...
        """
        places = range(1, len(self.flops) + 1)
        value = 0.0
        for own in places:
            weights = (
                (world - other) / (own - other)
                for other in places
                if other != own
            )
            value += self.flops[own - 1] * math.prod(weights)
        return value / self.flops[0] - 1


def links_of(
    world: int, options: argparse.Namespace, measured: dict[str, Links]
) -> Links:
    """Choose the links that so many GPUs use.

    Args:
        world: Number of GPUs.
        options: Rates and latencies that are assumed.
        measured: Those that are not, by place.

    Returns:
        The links, of the slower kind as soon as there are several machines.
    """
    place = PLACES[world > options.gpus_per_node]
    if place in measured:
        return measured[place]
    rate = options.intra_gb_s
    if place != PLACES[0]:
        rate = min(rate, options.link_gb_s)
    link = Link(rate * 1e9, options.latency_us * 1e-6)
    return Links(world, dict.fromkeys(TRAFFIC, link), options.host_us * 1e-6)


def message_seconds(
    messages: list[Message], world: int, links: Links
) -> float:
    """Time of messages one after another.

    Args:
        messages: Messages over the devices.
        world: Number of GPUs.
        links: What they go over.

    Returns:
        Seconds; 0 on one GPU.
    """
    if world == 1:
        return 0.0
    return sum(links.ops[one.op].seconds(one.sent(world)) for one in messages)


def model_step(
    count: Count,
    world: int,
    step: float,
    options: argparse.Namespace,
    measured: dict[str, Links],
) -> dict[str, float]:
    """Model a step on several GPUs.

    Args:
        count: Of the method.
        world: Number of GPUs.
        step: Seconds of a step on one GPU.
        options: The assumptions.
        measured: Links that are not assumed, by place.

    Returns:
        Seconds waited for ``gradients``, ``gathers`` and ``checks``, seconds
        of larger ``losses``, all of them as ``step``, and the ``efficiency``
        (1 on one GPU).
    """
    kinds = {
        kind: [one for one in count.messages if one.kind == kind]
        for kind in KINDS
    }
    links = links_of(world, options, measured)
    sent = message_seconds(kinds['gradients'], world, links)
    last = message_seconds(kinds['gradients'][-1:], world, links)
    waited = kinds['gathers'] + kinds['gathers, backward'] + kinds['other']
    if options.sync_bn:
        waited += kinds['SyncBN']
    parts = dict(
        gradients=max(last, sent - options.backward_share * step),
        gathers=message_seconds(waited, world, links),
        checks=len(kinds['shape checks']) * math.log2(world) * links.check,
        losses=step * options.loss_slowness * count.growth(world),
    )
    total = step + sum(parts.values())
    return dict(parts, step=total, efficiency=step / total)


def read_steps(path: str | None, mode: str) -> dict[str, float]:
    """Read how long a step takes.

    Args:
        path: JSON of step.py, or None.
        mode: Which of its modes, if it was written on a GPU.

    Returns:
        Seconds of a step by method, as far as the file names it.

    Raises:
        ValueError: If the file holds no step of any method.
    """
    if path is None:
        return {}
    content = json.loads(Path(path).read_text()).get('seconds', {})
    measured = {}
    for name in METHODS:
        if f'{name}, {mode}' in content:  # on a GPU, milliseconds
            measured[name] = content[f'{name}, {mode}'] / 1e3
        elif name in content:
            measured[name] = sum(content[name][part] for part in PARTS)
    if not measured:
        raise ValueError(
            f'--step {path}: no step of {", ".join(METHODS)} in the mode '
            f'{mode!r}, only {list(content)}; write it by '
            'benchmarks/step.py --out, or choose another --mode'
        )
    return measured


def step_alone(
    name: str,
    count: Count,
    measured: dict[str, float],
    options: argparse.Namespace,
) -> tuple[float, str]:
    """Choose the seconds of a step on one GPU.

    Args:
        name: Of the method.
        count: Its operations.
        measured: From :func:`read_steps`.
        options: The assumptions.

    Returns:
        Seconds, and where they come from.
    """
    if name in measured:
        return measured[name], 'measured'
    if options.step_seconds is not None:
        return options.step_seconds, 'given'
    return (
        count.flops[0] / (options.tflop_s * 1e12),
        f'assumed, {options.tflop_s:g} TFLOP/s',
    )
