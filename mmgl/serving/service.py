"""What the service does, apart from HTTP."""

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from mmgl.apis.inference import Embedder
from mmgl.apis.inference.explanation import Explanation, explain_prepared
from mmgl.apis.inference.network import Features
from mmgl.apis.inference.sources import (
    SUFFIXES,
    Picture,
    Source,
    modality_number,
)
from mmgl.gallery.gallery import Gallery
from mmgl.utils.images import check_image

from .batching import Batcher
from .settings import Settings

LOG = logging.getLogger('mmgl.serving')
Files = Sequence[tuple[str, bytes]]
# Seconds until a gallery that does not answer is asked again.
_AGAIN = 5.0


class TakenError(Exception):
    """Names that the gallery has already."""


class Service:
    """An embedder, a gallery, and the threads between them."""

    def __init__(
        self, embedder: Embedder, gallery: Gallery | None, settings: Settings
    ) -> None:
        self.embedder, self.gallery = embedder, gallery
        self.settings = settings
        self.batcher = Batcher(embedder.run_prepared, settings)
        self._decoders = ThreadPoolExecutor(embedder.workers, 'decoder')
        # SQLite has one writer at a time; searches are short.
        self._gallery_threads = ThreadPoolExecutor(2, 'gallery')
        self._adding = asyncio.Lock()
        self._warming: asyncio.Task[None] | None = None
        self.ready = False

    def start(self) -> None:
        """Begin to work; ready when the vectors are in memory."""
        self.batcher.start()
        self._warming = asyncio.create_task(self._warm())

    async def _warm(self) -> None:
        """Search once: that reads all vectors."""
        anyone = np.ones((1, self.embedder.dimensions), np.float32)
        while not self.ready and self.gallery is not None:
            try:
                await self.ask('search', anyone, 1)
                break
            except Exception as error:
                LOG.warning('the gallery does not answer: %s', error)
                await asyncio.sleep(_AGAIN)
        self.ready = True

    async def stop(self) -> None:
        """Finish what was accepted."""
        self.ready = False
        if self._warming is not None:
            self._warming.cancel()
        await self.batcher.stop()
        for pool in (self._decoders, self._gallery_threads):
            pool.shutdown()
        if self.gallery is not None:
            self.gallery.close()

    async def embed(self, files: Files, modality: str) -> Features:
        """Compute the features of encoded images, whose places are taken.

        Raises:
            ImageError: For the first that cannot be read.
        """
        number = modality_number(modality)

        async def one(name: str, data: bytes) -> Any:
            picture = await self._prepare(name, data, number)
            return await self.batcher.submit(picture, number)

        return np.stack(await _all(one(*file) for file in files))

    async def explain(
        self, files: Files, modality: Sequence[str]
    ) -> Explanation:
        """Tell which places of two images, with places, make them alike.

        Raises:
            UnexplainedError: If the runtime does not know.
            ImageError: For an image that cannot be read.
        """
        numbers = [modality_number(one) for one in modality]
        pictures = await _all(
            self._prepare(*file, number)
            for file, number in zip(files, numbers, strict=True)
        )
        found: Explanation = await self.batcher.alone(
            explain_prepared, self.embedder, pictures, numbers
        )
        return found

    async def _prepare(self, name: str, data: bytes, modality: int) -> Any:
        def decode() -> Picture:
            check_image(data, name, self.settings.max_pixels)
            return self.embedder.prepare(Source(name, data, modality))

        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._decoders, decode)

    async def add(
        self, rows: Features, names: list[str], known: Any, replace: bool
    ) -> None:
        """Put images into the gallery.

        Raises:
            TakenError: If they would replace others, and may not.
        """
        async with self._adding:
            if not replace:
                await self.check_free(names)
            await self.ask('upsert', rows, names, [known] * len(names))

    async def check_free(self, names: list[str]) -> None:
        """Refuse names that the gallery has."""
        taken = await self.ask('find', names)
        if taken:
            more = f' and {len(taken) - 1} more' if len(taken) > 1 else ''
            raise TakenError(f'{taken[0].name!r:.80}{more}')

    async def ask(self, method: str, *arguments: Any) -> Any:
        """Call a method of the gallery in a thread."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._gallery_threads, getattr(self.gallery, method), *arguments
        )

    def image_of(self, name: str) -> Path | None:
        """Find the file of a name, if it may be shown."""
        root = self.settings.images
        if root is None:
            return None
        path = (root / name).resolve()
        inside = path.is_relative_to(root.resolve())
        # No page that would run in the name of the service.
        image = path.suffix.lower() in SUFFIXES
        try:
            return path if inside and image and path.is_file() else None
        except OSError:
            # A name of the gallery may be longer than one of a file.
            return None


async def _all(jobs: Any) -> list[Any]:
    """Wait for all, then raise the first error: nothing goes on behind it."""
    results = await asyncio.gather(*jobs, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results
