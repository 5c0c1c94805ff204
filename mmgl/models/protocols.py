"""What the parts of a model promise one another."""

from collections.abc import Sequence
from typing import Any, Protocol, TypeGuard, runtime_checkable

from torch import Tensor, nn

Tensors = dict[str, Tensor]


@runtime_checkable
class Head(Protocol):
    """What a model trains with."""

    def loss(self, features: Tensors, targets: Tensors) -> Tensors:
        """Scalars by name; those with 'loss' in the name are summed."""


@runtime_checkable
class Classifier(Head, Protocol):
    """A head that has a class for each identity it is trained on."""

    num_classes: int


@runtime_checkable
class PredictingHead(Head, Protocol):
    """A head that adds to the samples what validation asks for."""

    def predict(
        self, features: Tensors, targets: Tensors, data_samples: Sequence[Any]
    ) -> None:
        """Set fields of the samples."""


@runtime_checkable
class HasAuxiliaryLosses(Protocol):
    """A backbone, or a plugin, with losses of its own."""

    def auxiliary_losses(self) -> Tensors:
        """Scalars on what the last training forward computed."""


class Ramped(Protocol):
    """A part that multiplies its loss by a buffer ``ramp``, set by a hook.

    A tensor, so that compiled steps need no recompilation when it changes.
    """

    ramp: Tensor


def is_ramped(part: object) -> TypeGuard[Ramped]:
    """Tell a part with a ramp."""
    # isinstance would not see buffers from Python 3.12 on.
    return isinstance(part, nn.Module) and 'ramp' in dict(
        part.named_buffers(recurse=False)
    )


@runtime_checkable
class AveragesClassifiers(Protocol):
    """A part with moving averages of its classifiers."""

    def update_average(self, rate: float) -> None:
        """Move the averages towards the classifiers by a share of 0 to 1."""


def averages_classifiers(part: object) -> TypeGuard[AveragesClassifiers]:
    """Tell a part with averages."""
    return isinstance(part, AveragesClassifiers)
