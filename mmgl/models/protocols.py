"""What the parts of a model promise one another."""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from torch import Tensor

Tensors = dict[str, Tensor]


@runtime_checkable
class Head(Protocol):
    """What a model trains with."""

    def loss(self, features: Tensors, targets: Tensors) -> Tensors:
        """Scalars by name; those with 'loss' in the name are summed.

        ``features`` are what the neck gives, ``targets`` what the data
        preprocessor makes of the samples.
        """


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
