"""``mmgl serve``: run the service."""

import argparse
import os
import socket
from collections.abc import Sequence
from pathlib import Path

from mmgl.apis.embedding import add_embedder_options, build_embedder
from mmgl.gallery.gallery import Gallery
from mmgl.utils.arguments import positive, whole_number
from mmgl.utils.errors import ConfigError, missing_packages, report_errors

from .logs import log_as_json
from .settings import Settings


def serve_parser() -> argparse.ArgumentParser:
    """Return the parser of ``mmgl serve``."""
    parser = argparse.ArgumentParser(
        description='Serve a model over HTTP, with a page at / and the API '
        'at /docs. MMGL_READ_TOKEN and MMGL_WRITE_TOKEN in the environment '
        'are asked for where they are set, and must be for any address that '
        'others reach.'
    )
    add = parser.add_argument
    add('--gallery', help='file of a gallery, or address of a Milvus server')
    add('--host', default=Settings.host)
    add('--port', type=whole_number(1, 65535), default=Settings.port)
    add('--images', type=Path, help='folder with the images of the gallery')
    add('--audit', type=Path, help='file for a line each search and change')
    add(
        '--queue',
        type=positive,
        default=Settings.queue,
        help='images that wait',
    )
    add_embedder_options(parser)
    return parser


def run_serve(arguments: Sequence[str] | None = None) -> None:
    """Serve by command line arguments, until SIGTERM or SIGINT."""
    options = serve_parser().parse_args(arguments)
    with report_errors():
        with missing_packages('mmgl serve', '"mmgl[serve]"'):
            import uvicorn

            from .app import create_app
            from .connections import PatientProtocol
        settings = Settings(
            host=options.host,
            port=options.port,
            read_token=os.environ.get('MMGL_READ_TOKEN') or None,
            write_token=os.environ.get('MMGL_WRITE_TOKEN') or None,
            images=options.images,
            audit=options.audit,
            queue=options.queue,
            batch_size=options.batch_size,
        )
        settings.check()
        check_address(settings)
        embedder = build_embedder(options)
        gallery = None
        if options.gallery:
            gallery = Gallery.open(options.gallery, embedder.model_hash)
        app = create_app(embedder, gallery, settings)
    log_as_json()
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.port,
        http=PatientProtocol,
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=settings.connections,
        timeout_graceful_shutdown=int(settings.stop_wait),
    )


def check_address(settings: Settings) -> None:
    """Refuse an address that is in use, before the model is loaded."""
    place = (settings.host, settings.port)
    family = socket.AF_INET6 if ':' in settings.host else socket.AF_INET
    try:
        socket.create_server(place, family=family).close()
    except OSError as error:
        raise ConfigError(
            f'--host {settings.host} --port {settings.port}: cannot listen '
            f'there ({error.strerror or error}); choose another port'
        ) from None
