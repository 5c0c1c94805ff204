"""What the service does, apart from HTTP."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from mmgl.apis.inference import Embedder
from mmgl.apis.inference.embedder import Features
from mmgl.apis.inference.sources import SUFFIXES, Source, modality_number
from mmgl.gallery.gallery import Gallery

from .batching import Batcher
from .settings import Settings


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
        self.ready = False

    def start(self) -> None:
        """Begin to work."""
        self.batcher.start()
        self.ready = True

    async def stop(self) -> None:
        """Finish what was accepted."""
        self.ready = False
        await self.batcher.stop()
        for pool in (self._decoders, self._gallery_threads):
            pool.shutdown()
        if self.gallery is not None:
            self.gallery.close()

    async def embed(
        self, files: Sequence[tuple[str, bytes]], modality: str
    ) -> Features:
        """Compute the features of encoded images.

        Raises:
            Overloaded: If too many images wait.
            ImageError: For the first that cannot be read.
        """
        number = modality_number(modality)
        self.batcher.reserve(len(files))
        try:
            rows = await asyncio.gather(
                *(self._one(name, data, number) for name, data in files),
                return_exceptions=True,
            )
        finally:
            self.batcher.release(len(files))
        features = []
        for row in rows:
            if isinstance(row, BaseException):
                raise row
            features.append(row)
        return np.stack(features)

    async def _one(self, name: str, data: bytes, modality: int) -> Any:
        source = Source(name, data, modality)
        loop = asyncio.get_running_loop()
        picture = await loop.run_in_executor(
            self._decoders, self.embedder.prepare, source
        )
        return await self.batcher.submit(picture, modality)

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
        except OSError:  # such as a name that no file can have
            return None
