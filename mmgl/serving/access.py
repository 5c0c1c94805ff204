"""Who may do what, and a record of who did."""

import hashlib
import hmac
import json
import threading
import time
from typing import Any
from urllib.parse import SplitResult, urlsplit

from fastapi import HTTPException, Request

from .settings import Settings, is_loopback

READ, WRITE = 'read', 'write'


class Access:
    """Checks tokens and where a request comes from.

    Without tokens any web page that a user of this machine visits could call
    the service: requests from other origins, or under another name than this
    machine's (DNS rebinding), are refused.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def role(self, request: Request) -> str | None:
        """Return the highest role of a request, None without one."""
        if not self.settings.protected:
            return WRITE
        scheme, _, token = request.headers.get('authorization', '').partition(
            ' '
        )
        if scheme.lower() != 'bearer':
            return None
        given = token.strip().encode()
        role = None
        # Both are compared, in constant time, whatever comes out.
        for name, known in (
            (READ, self.settings.read_token),
            (WRITE, self.settings.write_token),
        ):
            if known and hmac.compare_digest(given, known.encode()):
                role = name
        return role

    def require(self, request: Request, needed: str) -> str:
        """Return the role; refuse a request that has not the needed one."""
        self._check_origin(request)
        role = self.role(request)
        if role is None:
            raise HTTPException(
                401,
                'a token is needed: Authorization: Bearer TOKEN',
                {'WWW-Authenticate': 'Bearer'},
            )
        if needed == WRITE and role != WRITE:
            raise HTTPException(403, 'this token may not change the gallery')
        return role

    def _check_origin(self, request: Request) -> None:
        host = request.headers.get('host', '')
        origin = request.headers.get('origin')
        if origin and _parts(origin).netloc != host:
            raise HTTPException(
                403, f'requests from {origin!r:.80} are refused'
            )
        name = _parts(f'//{host}').hostname or ''
        if not self.settings.protected and not is_loopback(name):
            raise HTTPException(
                403, 'without a token the service answers this machine only'
            )


def _parts(url: str) -> SplitResult:
    """Take an address apart; what is none has no parts."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit('')


class Audit:
    """A line of JSON for each search and each change; no images.

    Without a file nothing is written. Tokens appear as a short hash.
    """

    def __init__(self, settings: Settings) -> None:
        self._lock = threading.Lock()
        self._file = (
            None
            if settings.audit is None
            else open(settings.audit, 'a', encoding='utf-8')
        )

    def write(self, request: Request, action: str, **facts: Any) -> None:
        """Note who did what."""
        if self._file is None:
            return
        token = request.headers.get('authorization', '')
        digest = hashlib.sha256(token.encode()).hexdigest()[:12]
        line = json.dumps(
            dict(
                time=time.time(),
                request=request.state.id,
                client=request.client.host if request.client else None,
                token=digest if token else None,
                action=action,
                **facts,
            )
        )
        with self._lock:
            self._file.write(line + '\n')
            self._file.flush()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
