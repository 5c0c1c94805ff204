"""Features of photographs from a checkpoint or a bundle."""

import warnings
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from mmengine.config import Config
from rich.progress import track
from torch import Tensor
from torch.nn import functional as F

from mmgl.checkpoints.bundle import is_bundle, read_settings, write_settings
from mmgl.config.inert import understood
from mmgl.structures import INFRARED, MODALITY_NAMES, ReIDDataSample
from mmgl.utils.errors import ConfigError

from .calibration import Calibration, calibrate
from .sources import ImageError, Images, Modality, Picture, Source, expand
from .weights import open_weights

Features = npt.NDArray[np.float32]

PRECISIONS = {'fp32': None, 'bf16': torch.bfloat16, 'fp16': torch.float16}
ON_ERROR = ('raise', 'report')
# Mean difference of the channels, in grey levels, of an image with colours.
_COLOURED = 8.0


class Embedder:
    """Turn person images into features whose cosine says who is who.

    Args:
        weights: A bundle (``mmgl publish``), a checkpoint of this package,
            or the name of a bundle on the Hugging Face hub. No code in it
            is run.
        config: For a checkpoint that does not carry its config.
        device: 'auto' takes the GPU if there is one.
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
        config: str | Path | Config | None = None,
        device: str = 'auto',
        precision: str = 'auto',
        batch_size: int = 64,
        workers: int = 4,
    ) -> None:
        if device == 'auto':
            device = 'cuda' if torch.cuda.is_available() else 'cpu'
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
        self.weights = open_weights(weights, config)
        self.batch_size, self.workers = batch_size, workers
        self._dtype = PRECISIONS.get(precision)
        self._model: Any = self.weights.build()
        self._model.requires_grad_(False)
        try:
            self._model.to(device)
        except (RuntimeError, AssertionError) as error:
            raise ConfigError(f'device {device!r}: {error}') from None
        self._prepare = self.weights.preparation()
        stored = self.weights.info.get('calibration')
        blank = Source('', np.zeros((64, 32, 3), np.uint8), 0)
        with understood(str(self.weights.source)):
            self.calibration = Calibration(**stored) if stored else None
            # Finds out the size, and whether the model works at all.
            pair = [self.prepare(blank)] * 2
            self.dimensions = self.run_prepared(pair, [0, 1]).shape[1]

    @property
    def model_hash(self) -> str:
        """SHA-256 of the weights; features of other models do not compare."""
        return self.weights.sha256

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
        the result. ``on_error`` 'raise' stops at the first image that cannot
        be read; 'report' gives it a row of NaN and names all in one warning.

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
            sources = track(list(sources), description='embedding')
        glance = _Glance()
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
        persons that the model was not trained on. A bundle keeps the result.
        """
        scores = self.compare(first, second, modality)
        self.calibration = calibrate(scores, same, false_match_rate)
        if is_bundle(self.weights.source):
            settings = read_settings(self.weights.source)
            settings['calibration'] = self.calibration.to_dict()
            write_settings(self.weights.source, settings)
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
        return self._prepare(source.load())

    @torch.inference_mode()
    def run_prepared(
        self, images: list[Picture], modality: list[int]
    ) -> Features:
        """Compute the features of prepared pictures."""
        stack = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)
        samples = [ReIDDataSample(modality=number) for number in modality]
        data = self._model.data_preprocessor(
            dict(inputs=stack, data_samples=samples)
        )
        device = data['inputs'].device.type
        with (
            torch.autocast(device, self._dtype)
            if self._dtype is not None
            else nullcontext()
        ):
            vectors: Tensor = self._model.embed(
                data['inputs'], data['targets']
            )
        unit = F.normalize(vectors.float(), dim=1).cpu()
        if not bool((unit.norm(dim=1) - 1).abs().max() < 1e-3):
            raise ConfigError(
                f'{self.weights.source} gives features that are not finite '
                'or zero; its weights are damaged'
            )
        return unit.numpy()


def _is_error(image: Any) -> bool:
    return isinstance(image, ImageError)


class _Glance:
    """Warns once for each modality that looks like the other one."""

    def __init__(self) -> None:
        self.warned: set[int] = set()

    def check(self, source: Source, image: Picture) -> None:
        """Look at the colours of a prepared picture."""
        if source.modality in self.warned:
            return
        channels = image.reshape(-1, 3).astype(np.int16)
        difference = np.abs(channels - channels[:, [1, 2, 0]])
        grey = not difference.any()
        coloured = difference.mean() > _COLOURED
        wrong = coloured if source.modality == INFRARED else grey
        if wrong:
            self.warned.add(source.modality)
            what = 'has colours' if coloured else 'has no colour'
            warnings.warn(
                f'{source.name} was given as {MODALITY_NAMES[source.modality]}'
                f' but {what}; features are only right with the modality of '
                'the camera',
                stacklevel=2,
            )
