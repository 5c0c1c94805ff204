"""Which places of two images make them alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from mmgl.models.contributions import contributions
from mmgl.models.reid_model import ReIDModel
from mmgl.structures import ReIDDataSample
from mmgl.utils.errors import ConfigError

from .embedder import Embedder
from .sources import Images, Picture, expand

Places = npt.NDArray[np.float32]


class UnexplainedError(ConfigError):
    """A runtime that does not show its feature maps."""


@dataclass(frozen=True)
class Explanation:
    """The cosine of two images, and what each place adds to it.

    ``first`` and ``second`` are ``(h, w)``, spread over the whole image; a
    place below 0 makes the two less alike.
    """

    similarity: float
    first: Places
    second: Places


def can_explain(embedder: Embedder) -> bool:
    """Tell whether :func:`explain` works for an embedder."""
    return isinstance(getattr(embedder, '_model', None), ReIDModel)


def explain(
    embedder: Embedder, first: Images, second: Images, modality: Sequence[Any]
) -> Explanation:
    """Tell which places of two images, of any kind, make them alike.

    ``modality`` has two entries.

    Raises:
        UnexplainedError: If the embedder does not run a model of torch.
        ConfigError: If there are not two images.
    """
    sources = [
        source
        for image, kind in zip((first, second), modality, strict=True)
        for source in expand(image, kind)
    ]
    if len(sources) != 2:
        raise ConfigError(f'explain takes two images, got {len(sources)}')
    pictures = [embedder.prepare(source) for source in sources]
    numbers = [source.modality for source in sources]
    return explain_prepared(embedder, pictures, numbers)


def explain_prepared(
    embedder: Embedder, pictures: list[Picture], modality: list[int]
) -> Explanation:
    """Tell which places of two prepared pictures make them alike."""
    if not can_explain(embedder):
        raise UnexplainedError(
            'explanations need the feature maps of the torch model; use the '
            'bundle or checkpoint instead of an exported network'
        )
    model = embedder._model
    stack = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)
    samples = [ReIDDataSample(modality=number) for number in modality]
    data = model.data_preprocessor(dict(inputs=stack, data_samples=samples))
    similarity, places = contributions(model, data['inputs'], data['targets'])
    first, second = places.cpu().numpy()
    return Explanation(float(similarity), first, second)
