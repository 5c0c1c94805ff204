"""Bundles and checkpoints, run by torch."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from torch import Tensor
from torch.nn import functional as F

from mmgl.checkpoints.bundle import is_bundle, read_settings, write_settings
from mmgl.models.contributions import contributions
from mmgl.structures import ReIDDataSample
from mmgl.utils.errors import ConfigError

from .network import Features
from .sources import Picture
from .weights import open_weights

_TYPES = {'bf16': torch.bfloat16, 'fp16': torch.float16}


class TorchNetwork:
    """A model with both modalities, see :class:`.network.Network`."""

    modalities = (0, 1)
    explains = True

    def __init__(
        self,
        weights: str | Path,
        config: str | Path | Config | None,
        device: str,
        precision: str,
    ) -> None:
        if device == 'auto':
            device = 'cuda' if torch.cuda.is_available() else 'cpu'
        self.weights = open_weights(weights, config)
        self.source, self.sha256 = self.weights.source, self.weights.sha256
        self.info, self.seen = self.weights.info, self.weights.seen
        self._dtype = _TYPES.get(precision)
        self._model: Any = self.weights.build()
        self._model.requires_grad_(False)
        try:
            self._model.to(device)
        except (RuntimeError, AssertionError) as error:
            raise ConfigError(f'device {device!r}: {error}') from None
        self.prepare = self.weights.preparation()
        self.window = self.weights.window

    @torch.inference_mode()
    def run(self, pictures: Picture, modality: Sequence[int]) -> Features:
        """Compute unit features ``(n, D)`` of ``(n, H, W, 3)``, BGR."""
        data = self._batch(pictures, modality)
        device = data['inputs'].device.type
        with (
            torch.autocast(device, self._dtype)
            if self._dtype is not None
            else nullcontext()
        ):
            vectors: Tensor = self._model.embed(
                data['inputs'], data['targets']
            )
        unit: Features = F.normalize(vectors.float(), dim=1).cpu().numpy()
        return unit

    def explain(
        self, pictures: Picture, modality: Sequence[int]
    ) -> tuple[float, Features]:
        """Compute the cosine of two pictures, and ``(2, h, w)`` of places."""
        data = self._batch(pictures, modality)
        similarity, places = contributions(
            self._model, data['inputs'], data['targets']
        )
        return float(similarity), places.cpu().numpy()

    def _batch(self, pictures: Picture, modality: Sequence[int]) -> Any:
        stack = torch.from_numpy(pictures).permute(0, 3, 1, 2)
        samples = [ReIDDataSample(modality=number) for number in modality]
        return self._model.data_preprocessor(
            dict(inputs=stack, data_samples=samples)
        )

    def keep(self, calibration: Mapping[str, Any]) -> None:
        """Write a calibration to a bundle."""
        if is_bundle(self.source):
            settings = read_settings(self.source)
            write_settings(
                self.source, dict(settings, calibration=dict(calibration))
            )
