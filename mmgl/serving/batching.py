"""Pictures of many requests through the network together."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from .settings import Settings


class Overloaded(Exception):
    """More pictures wait than the service takes."""


@dataclass
class _Job:
    picture: Any
    modality: int
    answer: 'asyncio.Future[Any]'


class Batcher:
    """Collects pictures for a few milliseconds and runs them as one batch.

    ``run(pictures, modalities)`` is called in one thread of its own, as a
    network does not gain from several at a time. At most ``queue`` pictures
    wait.
    """

    def __init__(
        self,
        run: Callable[[list[Any], list[int]], Iterable[Any]],
        settings: Settings,
    ) -> None:
        self._run, self._settings = run, settings
        self._jobs: asyncio.Queue[_Job] = asyncio.Queue()
        self._waiting = 0
        self._thread = ThreadPoolExecutor(1, 'network')
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to work; needs a running event loop."""
        self._task = asyncio.create_task(self._work())

    async def stop(self) -> None:
        """Finish what was accepted, then end."""
        while self._waiting:
            await asyncio.sleep(0.01)
        if self._task is not None:
            self._task.cancel()
        self._thread.shutdown()

    @property
    def waiting(self) -> int:
        """Places that are taken."""
        return self._waiting

    @contextmanager
    def places(self, count: int) -> Iterator[None]:
        """Take so many places in the queue, or refuse.

        Raises:
            Overloaded: If there are not as many.
        """
        if self._waiting + count > self._settings.queue:
            raise Overloaded
        self._waiting += count
        try:
            yield
        finally:
            self._waiting -= count

    async def alone(self, function: Callable[..., Any], *given: Any) -> Any:
        """Call something else in the thread of the network."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, function, *given)

    async def submit(self, picture: Any, modality: int) -> Any:
        """Return the feature of a prepared picture; its place is reserved."""
        loop = asyncio.get_running_loop()
        job = _Job(picture, modality, loop.create_future())
        self._jobs.put_nowait(job)
        return await job.answer

    async def _work(self) -> None:
        while True:
            batch = await self._collect()
            try:
                rows = await self.alone(
                    self._run,
                    [job.picture for job in batch],
                    [job.modality for job in batch],
                )
            except Exception as error:
                for job in batch:
                    if not job.answer.done():
                        job.answer.set_exception(error)
                continue
            for job, row in zip(batch, rows, strict=True):
                # Done already if the client has gone.
                if not job.answer.done():
                    job.answer.set_result(row)

    async def _collect(self) -> list[_Job]:
        """Wait for a first picture, and a little for others, if any come."""
        batch = [await self._jobs.get()]
        end = asyncio.get_running_loop().time() + self._settings.batch_wait
        while len(batch) < min(self._settings.batch_size, self._waiting):
            left = end - asyncio.get_running_loop().time()
            try:
                batch.append(
                    self._jobs.get_nowait()
                    if left <= 0
                    else await asyncio.wait_for(self._jobs.get(), left)
                )
            except (asyncio.QueueEmpty, asyncio.TimeoutError):
                break
        return batch
