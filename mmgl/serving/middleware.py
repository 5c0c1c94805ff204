"""Around every request: a number, rights, limits, a log line, measures."""

import logging
import time
import uuid
from typing import Any

import anyio
from fastapi import HTTPException, Request
from fastapi.responses import JSONResponse
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from .access import READ, Access
from .settings import Settings

LOG = logging.getLogger('mmgl.serving')
RETRY = {'Retry-After': '1'}
# As nginx has it: whoever asked does not wait for the answer.
_GONE = 499


class Meters:
    """Prometheus metrics of one service."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            'mmgl_requests',
            'Requests answered.',
            ['path', 'status'],
            registry=self.registry,
        )
        self.seconds = Histogram(
            'mmgl_request_seconds',
            'Time to answer a request.',
            ['path'],
            registry=self.registry,
        )
        self.images = Counter(
            'mmgl_images', 'Images embedded.', registry=self.registry
        )
        self.waiting = Gauge(
            'mmgl_waiting_images', 'Images waiting.', registry=self.registry
        )


class Guard:
    """ASGI middleware: limits the body, numbers, logs and measures.

    A body is counted while it comes in, since its announced length may lie,
    and only from those who may use the service at all.
    """

    def __init__(
        self, app: Any, settings: Settings, access: Access, meters: Meters
    ) -> None:
        self.app, self.settings = app, settings
        self.access, self.meters = access, meters
        self._held = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass a request on."""
        if scope['type'] != 'http':
            await self.app(scope, receive, send)
            return
        scope.setdefault('state', {})['id'] = uuid.uuid4().hex[:16]
        call = _Call(self.settings, scope, receive, send, self._add)
        start = time.perf_counter()
        try:
            try:
                if scope['path'].startswith('/v1/'):
                    self.access.require(Request(scope), READ)
                await self.app(scope, call.receive, call.send)
            except HTTPException as error:
                await call.refuse(
                    error.status_code, error.detail, error.headers
                )
            except Exception:
                LOG.exception('request %s failed', scope['state']['id'])
                await call.refuse(500, 'something went wrong; see the log')
        finally:
            self._held -= call.count
            self._note(scope, call, time.perf_counter() - start)

    def _add(self, count: int) -> None:
        """Count bytes of all requests."""
        self._held += count
        if self._held > self.settings.max_held:
            raise HTTPException(
                503, 'too many uploads at a time; try again', RETRY
            )

    def _note(self, scope: Any, call: '_Call', seconds: float) -> None:
        path = getattr(scope.get('route'), 'path', 'other')
        status = call.status or _GONE
        self.meters.requests.labels(path, str(status)).inc()
        self.meters.seconds.labels(path).observe(seconds)
        facts = dict(
            request=scope['state']['id'],
            method=scope['method'],
            path=path,
            status=status,
            bytes=call.count,
            ms=round(1e3 * seconds, 1),
        )
        LOG.info('request', extra=dict(facts=facts))


class _Call:
    """A request on its way in and its answer on its way out."""

    def __init__(
        self, settings: Settings, scope: Any, receive: Any, send: Any, add: Any
    ) -> None:
        self.settings, self.scope, self.add = settings, scope, add
        self._receive, self._send = receive, send
        self._end = anyio.current_time() + settings.upload_wait
        self._whole = False
        self.count, self.status = 0, 0

    async def receive(self) -> Any:
        """Take a piece of the body, while time and limits last."""
        if self._whole:
            return await self._receive()
        try:
            with anyio.fail_after(self._end - anyio.current_time()):
                message = await self._receive()
        except TimeoutError:
            raise HTTPException(
                408,
                f'the upload took more than {self.settings.upload_wait:.0f} '
                'seconds',
            ) from None
        self._whole = not message.get('more_body', False)
        size = len(message.get('body', b''))
        self.count += size
        limit = self.settings.max_upload
        if self.count > limit:
            raise HTTPException(413, f'more than {limit} bytes in one request')
        self.add(size)
        return message

    async def send(self, message: Any) -> None:
        """Note the status, and add the headers that every answer has."""
        if message['type'] == 'http.response.start':
            self.status = message['status']
            number = self.scope['state']['id'].encode()
            headers = [
                (b'x-request-id', number),
                (b'x-content-type-options', b'nosniff'),
                (b'referrer-policy', b'no-referrer'),
                (b'x-frame-options', b'DENY'),
            ]
            message.setdefault('headers', []).extend(headers)
        with anyio.fail_after(self.settings.upload_wait):
            await self._send(message)

    async def refuse(
        self, status: int, detail: str, headers: Any = None
    ) -> None:
        """Answer in one sentence, if there is no answer yet."""
        if not self.status:
            answer = JSONResponse(dict(detail=detail), status, headers)
            await answer(self.scope, self._receive, self.send)
