"""What a service is told at its start."""

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

from mmgl.utils.errors import ConfigError

MIN_TOKEN = 16


@dataclass(frozen=True)
class Settings:
    """Limits and rights of a service.

    ``read_token`` may embed, compare and search, ``write_token`` also change
    the gallery; without tokens everybody on this machine may do all.
    ``images`` is a folder whose files are shown if the gallery has their
    path in it as a name. Sizes are bytes, times seconds. ``upload_wait``
    is what a client has to send its request, or to take a piece of an answer;
    ``max_held`` counts the uploads of all.
    """

    host: str = '127.0.0.1'
    port: int = 8000
    read_token: str | None = field(default=None, repr=False)
    write_token: str | None = field(default=None, repr=False)
    images: Path | None = None
    audit: Path | None = None
    max_upload: int = 32 << 20
    max_held: int = 512 << 20
    upload_wait: float = 60.0
    connections: int = 512
    max_images: int = 64
    max_pixels: int = 1 << 24
    queue: int = 256
    batch_size: int = 32
    batch_wait: float = 0.005
    stop_wait: float = 30.0

    def check(self) -> None:
        """Refuse a service that would be open to others, or cannot work.

        Raises:
            ConfigError: If the address is not of this machine only and
                there is no token, or a token is easily guessed.
        """
        for name in ('read_token', 'write_token'):
            token = getattr(self, name)
            if token is not None and len(token) < MIN_TOKEN:
                raise ConfigError(
                    f'MMGL_{name.upper()} has {len(token)} characters; '
                    f'use at least {MIN_TOKEN} random ones'
                )
        if self.read_token and self.read_token == self.write_token:
            raise ConfigError(
                'MMGL_READ_TOKEN and MMGL_WRITE_TOKEN are equal; a reader '
                'could change the gallery'
            )
        if not self.protected and not is_loopback(self.host):
            raise ConfigError(
                f'--host {self.host} lets others in; set MMGL_WRITE_TOKEN '
                '(and MMGL_READ_TOKEN), or listen at 127.0.0.1'
            )
        if self.images is not None and not self.images.is_dir():
            raise ConfigError(f'--images {self.images} is no folder')
        if self.read_token and not self.write_token:
            raise ConfigError(
                'MMGL_READ_TOKEN without MMGL_WRITE_TOKEN: nobody could '
                'change the gallery; set both'
            )

    @property
    def protected(self) -> bool:
        """Whether a token is asked for."""
        return bool(self.read_token or self.write_token)


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches an address."""
    if host == 'localhost':
        return True
    try:
        return ipaddress.ip_address(host.strip('[]')).is_loopback
    except ValueError:
        return False
