"""What turns prepared pictures into features: torch or a runtime of ONNX."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from mmgl.utils.errors import ConfigError

from .sources import Picture, Window

Features: TypeAlias = npt.NDArray[np.float32]


class UnexplainedError(ConfigError):
    """A network that does not show its feature maps."""


class Network(Protocol):
    """A model with the way its pictures are prepared.

    ``sha256`` is that of the weights; ``info`` may hold a ``calibration``;
    ``explains`` says whether it shows what it looked at, ``window`` what it
    makes of images of 16 bits.
    """

    source: Path
    sha256: str
    explains: bool
    window: Window

    @property
    def info(self) -> Mapping[str, Any]:
        """Return what else the file says."""

    @property
    def modalities(self) -> Sequence[int]:
        """Return the numbers of the known modalities."""

    @property
    def seen(self) -> Sequence[Mapping[str, Any]]:
        """Return the data that the weights have seen in training."""

    def prepare(self, picture: Picture) -> Picture:
        """Bring a picture to the size of the model, as in testing; BGR."""

    def run(self, pictures: Picture, modality: Sequence[int]) -> Features:
        """Compute unit features ``(n, D)`` of ``(n, H, W, 3)``, BGR."""

    def explain(
        self, pictures: Picture, modality: Sequence[int]
    ) -> tuple[float, Features]:
        """Compute the cosine of two pictures, and ``(2, h, w)`` of places.

        Raises:
            UnexplainedError: If it does not know.
        """

    def keep(self, calibration: Mapping[str, Any]) -> None:
        """Write a calibration to the file, if it can hold one."""
