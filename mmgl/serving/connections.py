"""Connections that may not be held without use."""

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

# Seconds to begin a request, counted from the opening or the last answer.
PATIENCE = 10.0


class PatientProtocol(H11Protocol):
    """HTTP/1.1 of uvicorn, which by itself waits for headers without end.

    A connection that has sent no whole request head in time is cut, and one
    that does not take its answer either: a client that sends or reads a byte
    now and then holds no place. Bodies have a limit of their own.
    """

    def connection_made(self, transport: Any) -> None:
        """Begin to count."""
        super().connection_made(transport)
        self._unsent = 0
        self._timer: asyncio.TimerHandle | None = None
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop counting."""
        self._stop()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """Count again; a request may have come already."""
        super().on_response_complete()
        self._wait()

    def _wait(self) -> None:
        self._stop()
        self._timer = self.loop.call_later(PATIENCE, self._look)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        """Cut the connection, unless it answers or is being read from."""
        if self.cycle is not None and not self.cycle.response_complete:
            return
        unsent = self.transport.get_write_buffer_size()
        if unsent and unsent != self._unsent:
            self._unsent = unsent
            self._wait()
            return
        self.transport.abort()
