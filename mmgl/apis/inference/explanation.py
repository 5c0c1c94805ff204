"""Which places of two images make them alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mmgl.utils.errors import ConfigError

from .embedder import Embedder
from .network import Features
from .sources import Images, Picture, expand


@dataclass(frozen=True)
class Explanation:
    """The cosine of two images, and what each place adds to it.

    ``first`` and ``second`` are ``(h, w)``, spread over the whole image; a
    place below 0 makes the two less alike.
    """

    similarity: float
    first: Features
    second: Features


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
    stack = np.stack(pictures)
    similarity, (first, second) = embedder.network.explain(stack, modality)
    return Explanation(similarity, first, second)
