"""What turns prepared pictures into features: torch or ONNX Runtime."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from .sources import Picture

Features: TypeAlias = npt.NDArray[np.float32]


class Network(Protocol):
    """A model with the way its pictures are prepared.

    ``sha256`` is that of the weights; ``info`` may hold a ``calibration``.
    """

    source: Path
    sha256: str

    @property
    def info(self) -> Mapping[str, Any]:
        """Return what else the file says."""

    @property
    def modalities(self) -> Sequence[int]:
        """Return the numbers of the known modalities."""

    def prepare(self, picture: Picture) -> Picture:
        """Bring a picture to the size of the model, as in testing; BGR."""

    def run(self, pictures: Picture, modality: Sequence[int]) -> Features:
        """Compute unit features ``(n, D)`` of ``(n, H, W, 3)``, BGR."""

    def keep(self, calibration: Mapping[str, Any]) -> None:
        """Write a calibration to the file, if it can hold one."""
