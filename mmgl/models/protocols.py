"""What the parts of a model promise one another."""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn


@runtime_checkable
class Head(Protocol):
    """What a model trains with; see :class:`~.reid_model.ReIDModel`."""

    def loss(
        self, features: dict[str, Tensor], targets: dict[str, Tensor]
    ) -> dict[str, Tensor]:
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
        self,
        features: dict[str, Tensor],
        targets: dict[str, Tensor],
        data_samples: Sequence[Any],
    ) -> None:
        """Set fields of the samples."""


@runtime_checkable
class HasAuxiliaryLosses(Protocol):
    """A backbone, or a plugin of one, with losses of its own."""

    def auxiliary_losses(self) -> dict[str, Tensor]:
        """Scalars on what the last training forward computed."""


@runtime_checkable
class Ramped(Protocol):
    """A loss or head scaled by a buffer that a hook sets."""

    ramp: Tensor


@runtime_checkable
class Averaged(Protocol):
    """A head with a moving average that a hook keeps up."""

    def update_average(self, rate: float) -> None:
        """Move the average by a share of 0 to 1."""


@runtime_checkable
class Ensemble(Protocol):
    """A backbone of several networks, each of which takes a checkpoint."""

    networks: nn.ModuleDict
