"""Rules that translate the tensors of a state dict, both ways.

A rule takes what it knows out of the tensors that are left and puts it under
the other name; forward is from released names to those of this package.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:  # whoever lists the rules needs no torch
    from torch import Tensor

Tensors: TypeAlias = 'dict[str, Tensor]'
# From the tensors translated so far and a prefix: what to put under it.
Fill: TypeAlias = 'Callable[[Tensors, str], Tensors]'


@dataclass
class Work:
    """A translation that is going on, in reverse to released names.

    ``left`` has the tensors that no rule has taken yet, ``done`` the
    translated ones; ``dropped`` and ``filled`` say why tensors are not needed,
    or made because the source does not have them.
    """

    reverse: bool
    left: Tensors
    done: Tensors = field(default_factory=dict)
    dropped: dict[str, str] = field(default_factory=dict)
    filled: dict[str, str] = field(default_factory=dict)

    def take(self, prefix: str) -> Tensors:
        """Remove a name, or all that begin with a prefix ending in a dot.

        Returns the rest of each name, '' for an exact match, and the tensor.
        """
        names = [
            name
            for name in self.left
            if name == prefix
            or prefix.endswith('.')
            and name.startswith(prefix)
        ]
        return {
            name.removeprefix(prefix): self.left.pop(name) for name in names
        }


class Rule(Protocol):
    """What a rule does."""

    def apply(self, work: Work) -> None:
        """Move tensors in ``work``."""


@dataclass(frozen=True)
class Rename:
    """Another name for a tensor, or for all under a prefix ending in a dot.

    ``pointwise``: the release has 1x1 convolutions ``(M, C, 1, 1)`` where
    this package has linear layers ``(M, C)``.
    """

    official: str
    ours: str
    pointwise: bool = False

    def apply(self, work: Work) -> None:
        """Move the tensors under the prefix."""
        source, target = self.official, self.ours
        if work.reverse:
            source, target = target, source
        for rest, value in work.take(source).items():
            if self.pointwise and rest.endswith('weight'):
                value = value.flatten(1)
                if work.reverse:
                    value = value[:, :, None, None]
            work.done[target + rest] = value


@dataclass(frozen=True)
class Stack:
    """Released tensors, one a head, which are one tensor (head, ...) here.

    ``official`` has ``{}`` for the number of the head, from 0; without it
    there is one head. Both shapes are of a head, with -1 for one length.
    """

    official: str
    ours: str
    shape: tuple[int, ...] | None = None
    official_shape: tuple[int, ...] | None = None

    def apply(self, work: Work) -> None:
        """Stack, or take apart."""
        import torch

        if work.reverse:
            for stacked in work.take(self.ours).values():
                for i, head in enumerate(stacked):
                    work.done[self.official.format(i)] = _reshape(
                        head, self.official_shape
                    )
            return
        heads: list[Tensor] = []
        while (name := self.official.format(len(heads))) in work.left:
            heads.append(_reshape(work.left.pop(name), self.shape))
        if heads:
            work.done[self.ours] = torch.stack(heads)


def _reshape(value: Tensor, shape: tuple[int, ...] | None) -> Tensor:
    return (value if shape is None else value.reshape(shape)).clone()


@dataclass(frozen=True)
class OneSided:
    """Tensors that only the release (``official``) or this package has.

    ``why`` the other side needs none of them is reported; ``fill`` makes them
    in the other direction, None leaves them out.
    """

    prefix: str
    why: str
    fill: Fill | None = None
    official: bool = True

    def apply(self, work: Work) -> None:
        """Drop the tensors, or make them."""
        if self.official != work.reverse:
            for rest in work.take(self.prefix):
                work.dropped[self.prefix + rest] = self.why
        elif self.fill is not None:
            made = self.fill(work.done, self.prefix)
            work.done.update(made)
            work.filled.update(dict.fromkeys(made, self.why))


def copies_of(prefix: str) -> Fill:
    """Fill with the tensors under another prefix of the same side."""

    def fill(done: Tensors, target: str) -> Tensors:
        return {
            target + name.removeprefix(prefix): value
            for name, value in done.items()
            if name.startswith(prefix)
        }

    return fill


def zeros_like(name: str) -> Fill:
    """Fill one tensor with zeros of the shape of another, if that is there."""

    def fill(done: Tensors, target: str) -> Tensors:
        found = done.get(name)
        return {} if found is None else {target: found.new_zeros(found.shape)}

    return fill


def imagenet_classifier(norm: str) -> Fill:
    """Fill an unused classifier of 1000 classes, as wide as ``norm``."""

    def fill(done: Tensors, target: str) -> Tensors:
        if norm not in done:
            return {}
        return {
            f'{target}weight': done[norm].new_zeros(1000, len(done[norm])),
            f'{target}bias': done[norm].new_zeros(1000),
        }

    return fill


def scalar_one(done: Tensors, target: str) -> Tensors:
    """Fill one tensor with the number one."""
    import torch

    return {target: torch.ones(())}


def translate(
    state: Mapping[str, Tensor], rules: tuple[Rule, ...], reverse: bool = False
) -> Work:
    """Apply rules in order until nothing is left.

    The first rule that knows a tensor takes it; ValueError for a tensor that
    none knows. Counters of batch norms, unused with a fixed momentum, start
    from 0 where the source has none: files from before PyTorch 0.4.1.
    """
    import torch

    from mmgl.checkpoints.compare import some_names

    work = Work(reverse, dict(state))
    for rule in rules:
        rule.apply(work)
    if work.left:
        raise ValueError(f'no rule for {some_names(work.left)}')
    for name in [n for n in work.done if n.endswith('.running_var')]:
        counter = name.removesuffix('running_var') + 'num_batches_tracked'
        if counter not in work.done:
            work.done[counter] = torch.zeros((), dtype=torch.long)
            work.filled[counter] = 'counter of a batch norm'
    return work


def check_tensors(
    state: Mapping[str, Tensor], expected: Mapping[str, Tensor]
) -> None:
    """Compare names and shapes with those of tensors on any device.

    ValueError names what is missing, has another shape, or has no place.
    """
    from mmgl.checkpoints.compare import misfit

    if problems := misfit(state, expected):
        raise ValueError(problems)
