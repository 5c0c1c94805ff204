"""Features of photographs from a checkpoint, a bundle or exported files."""

import warnings
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from mmgl.utils.errors import ConfigError, missing_packages, understood

from .calibration import Calibration, calibrate
from .glance import Glance
from .network import Features, Network
from .onnx_network import OnnxNetwork, exported_files
from .sources import ImageError, Images, Modality, Picture, Source, expand

PRECISIONS = ('fp32', 'bf16', 'fp16')
ON_ERROR = ('raise', 'report')


def open_network(
    weights: Sequence[str | Path], config: Any, device: str, precision: str
) -> Network:
    """Open weights for torch, or exported networks without it."""
    if files := exported_files(weights):
        if config is not None:
            raise ConfigError('exported networks need no config; leave it out')
        return OnnxNetwork(files, device, precision)
    if len(weights) > 1:
        raise ConfigError(
            f'weights are one bundle or checkpoint, or .onnx files, got '
            f'{", ".join(map(str, weights))}'
        )
    with missing_packages(f'{weights[0]} is not exported (.onnx): it', 'mmgl'):
        from .torch_network import TorchNetwork
    return TorchNetwork(weights[0], config, device, precision)


class Embedder:
    """Turn person images into features whose cosine says who is who.

    Args:
        weights: A bundle (``mmgl publish``), a checkpoint of this package,
            or the name of a bundle on the Hugging Face hub. No code in it
            is run. Or what ``mmgl export`` wrote: the folder, or one or two
            ``.onnx`` files, which need no torch.
        more: The second ``.onnx`` file.
        config: For a checkpoint that does not carry its config.
        device: 'auto' takes the GPU if there is one; files of ``mmgl export``
            need onnxruntime-gpu for that, and run by OpenVINO on 'openvino'.
        precision: 'fp32', 'bf16' or 'fp16'; 'auto' is fp32, whose features do
            not depend on the batch.
        batch_size: Images that go through the network at a time.
        workers: Threads that decode and resize.

    Raises:
        ConfigError: If weights, config or an argument cannot be used.

    Example:
        >>> embedder = mmgl.Embedder('bundle')  # doctest: +SKIP
        >>> query = embedder.embed('night.png', 'infrared')  # doctest: +SKIP
        >>> people = embedder.embed('day/', 'visible')  # doctest: +SKIP
        >>> (query @ people.T).argmax()  # doctest: +SKIP
        4
    """

    def __init__(
        self,
        weights: str | Path,
        *more: str | Path,
        config: Any = None,
        device: str = 'auto',
        precision: str = 'auto',
        batch_size: int = 64,
        workers: int = 4,
    ) -> None:
        if precision not in ('auto', *PRECISIONS):
            raise ConfigError(
                f'precision must be auto, {", ".join(PRECISIONS)}, got '
                f'{precision!r}'
            )
        for name, value in (('batch_size', batch_size), ('workers', workers)):
            if not isinstance(value, int) or not 1 <= value <= 4096:
                raise ConfigError(
                    f'{name} must be a whole number from 1 to 4096, got '
                    f'{value!r}'
                )
        self.batch_size, self.workers = batch_size, workers
        self.network = open_network(
            (weights, *more), config, device, precision
        )
        stored = self.network.info.get('calibration')
        known = self.network.modalities
        with understood(str(self.network.source)):
            self.calibration = Calibration(**stored) if stored else None
            # Finds out the size, and whether the model works at all.
            blank = self.network.prepare(np.zeros((64, 32, 3), np.uint8))
            vectors = self.run_prepared([blank] * len(known), known)
        self.dimensions = vectors.shape[1]

    @property
    def model_hash(self) -> str:
        """SHA-256 of the weights; features of other models do not compare."""
        return self.network.sha256

    def embed(
        self,
        images: Images,
        modality: Modality,
        boxes: Iterable[Any] | None = None,
        on_error: str = 'raise',
        progress: bool = False,
    ) -> Features:
        """Compute the features ``(n, D)`` of images, in their order.

        Features have length 1. ``images`` are paths, folders, patterns,
        bytes, PIL images, uint8 arrays (RGB, ``(H, W, 3)``), or any iterable
        of them; generators are read as they are needed. ``modality`` is
        'visible' or 'infrared', or one for each image; ``boxes`` has for
        each image a list of boxes (x1, y1, x2, y2 in pixels), each a row of
        the result, which may have none. ``on_error`` 'raise' stops at the
        first image that cannot be read; 'report' gives it a row of NaN and
        names all in one warning.

        Raises:
            ImageError: For an image that cannot be read.
            ConfigError: If there are no images, or arguments do not fit.
        """
        if on_error not in ON_ERROR:
            raise ConfigError(
                f'on_error must be {" or ".join(ON_ERROR)}, got {on_error!r}'
            )
        rows, broken = [], []
        for _, result in self.stream(images, modality, boxes, progress):
            if isinstance(result, ImageError):
                if on_error == 'raise':
                    raise result
                broken.append(str(result))
                result = np.full(self.dimensions, np.nan, np.float32)
            rows.append(result)
        if not rows and boxes is not None:
            return np.empty((0, self.dimensions), np.float32)
        if not rows:
            raise ConfigError('there are no images to embed')
        if broken:
            warnings.warn(
                f'{len(broken)} of {len(rows)} images could not be read: '
                + '; '.join(broken),
                stacklevel=2,
            )
        return np.stack(rows)

    def stream(
        self,
        images: Images,
        modality: Modality,
        boxes: Iterable[Any] | None = None,
        progress: bool = False,
    ) -> Iterator[tuple[Source, Features | ImageError]]:
        """Yield every image with its feature, or with what is wrong with it.

        See :meth:`embed`. A few batches are decoded ahead, never all.
        """
        sources: Iterable[Source] = expand(images, modality, boxes)
        if progress:
            from rich.progress import track

            sources = track(list(sources), description='embedding')
        glance = Glance()
        for batch in self._batches(iter(sources)):
            good = [(s, image) for s, image in batch if not _is_error(image)]
            for source, image in good:
                glance.check(source, image)
            vectors = iter(
                self.run_prepared(
                    [i for _, i in good], [s.modality for s, _ in good]
                )
                if good
                else ()
            )
            for source, image in batch:
                yield source, image if _is_error(image) else next(vectors)

    def compare(
        self, first: Images, second: Images, modality: Sequence[Any]
    ) -> Features:
        """Compute the cosine similarity of images, pair by pair: ``(n,)``.

        ``modality`` has two entries, that of the first and of the second
        images.
        """
        if isinstance(modality, str) or len(modality) != 2:
            raise ConfigError(
                'compare needs two modalities, of the first and of the '
                f'second images, got {modality!r}'
            )
        a, b = (
            self.embed(images, kind)
            for images, kind in zip((first, second), modality, strict=True)
        )
        if len(a) != len(b):
            raise ConfigError(
                f'{len(a)} images cannot be paired with {len(b)}'
            )
        similarity: Features = np.einsum('ij,ij->i', a, b)
        return similarity

    def calibrate(
        self,
        first: Images,
        second: Images,
        modality: Sequence[Any],
        same: Sequence[bool],
        false_match_rate: float = 1e-3,
    ) -> Calibration:
        """Find the similarity from which on two images are of one person.

        ``same`` says it of each pair; see :func:`calibrate`. Pairs must be of
        persons that the model was not trained on. A bundle keeps the result,
        and so does what is exported from it later.
        """
        scores = self.compare(first, second, modality)
        self.calibration = calibrate(scores, same, false_match_rate)
        self.network.keep(self.calibration.to_dict())
        return self.calibration

    def _batches(
        self, sources: Iterator[Source]
    ) -> Iterator[list[tuple[Source, Any]]]:
        """Decode and resize ahead, and group."""
        with ThreadPoolExecutor(self.workers) as pool:
            waiting: deque[tuple[Source, Future[Any]]] = deque()

            def ask(count: int) -> None:
                for source in islice(sources, count):
                    waiting.append((source, pool.submit(self._load, source)))

            ask(2 * self.batch_size)
            try:
                while waiting:
                    size = min(self.batch_size, len(waiting))
                    pairs = [waiting.popleft() for _ in range(size)]
                    yield [(source, job.result()) for source, job in pairs]
                    ask(size)
            finally:
                pool.shutdown(cancel_futures=True)

    def _load(self, source: Source) -> Picture | ImageError:
        try:
            return self.prepare(source)
        except ImageError as error:
            return error

    def prepare(self, source: Source) -> Picture:
        """Decode, and bring to the size of the model as in testing.

        Raises:
            ImageError: If it cannot be decoded.
        """
        return self.network.prepare(source.load(self.network.window))

    def run_prepared(
        self, images: list[Picture], modality: Sequence[int]
    ) -> Features:
        """Compute the features of prepared pictures."""
        unit = self.network.run(np.stack(images), modality)
        lengths = np.linalg.norm(unit, axis=1)
        if not np.abs(lengths - 1).max() < 1e-3:
            raise ConfigError(
                f'{self.network.source} gives features that are not finite '
                'or zero; its weights are damaged'
            )
        return unit


def _is_error(image: Any) -> bool:
    return isinstance(image, ImageError)
