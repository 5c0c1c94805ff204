"""Around every request: a number, a limit, a log line, a measurement."""

import json
import logging
import time
import uuid
from typing import Any

from fastapi import HTTPException
from prometheus_client import CollectorRegistry, Counter, Histogram

from .settings import Settings

LOG = logging.getLogger('mmgl.serving')


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


class Guard:
    """ASGI middleware: limits the body, numbers, logs and measures.

    A body is counted while it comes in, since its announced length may lie.
    """

    def __init__(self, app: Any, settings: Settings, meters: Meters) -> None:
        self.app, self.settings, self.meters = app, settings, meters

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass a request on."""
        if scope['type'] != 'http':
            await self.app(scope, receive, send)
            return
        number = uuid.uuid4().hex[:16]
        scope.setdefault('state', {})['id'] = number
        start, count, status = time.perf_counter(), 0, 500

        async def counted() -> Any:
            nonlocal count
            message = await receive()
            count += len(message.get('body', b''))
            limit = self.settings.max_upload
            if count > limit:
                raise HTTPException(
                    413, f'more than {limit} bytes in one request'
                )
            return message

        async def noted(message: Any) -> None:
            nonlocal status
            if message['type'] == 'http.response.start':
                status = message['status']
                message.setdefault('headers', []).extend(_headers(number))
            await send(message)

        try:
            await self.app(scope, counted, noted)
        finally:
            seconds = time.perf_counter() - start
            route = scope.get('route')
            path = getattr(route, 'path', 'other')
            self.meters.requests.labels(path, str(status)).inc()
            self.meters.seconds.labels(path).observe(seconds)
            LOG.info(
                json.dumps(
                    dict(
                        request=number,
                        method=scope['method'],
                        path=path,
                        status=status,
                        bytes=count,
                        ms=round(1e3 * seconds, 1),
                    )
                )
            )


def _headers(number: str) -> list[tuple[bytes, bytes]]:
    return [
        (b'x-request-id', number.encode()),
        (b'x-content-type-options', b'nosniff'),
        (b'referrer-policy', b'no-referrer'),
        (b'x-frame-options', b'DENY'),
    ]
