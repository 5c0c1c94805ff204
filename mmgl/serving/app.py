"""The HTTP interface: FastAPI over a :class:`Service`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import APIRouter, FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from prometheus_client import generate_latest

from mmgl.apis.inference import Embedder
from mmgl.apis.inference.network import UnexplainedError
from mmgl.gallery.gallery import Gallery
from mmgl.utils.errors import ConfigError
from mmgl.version import __version__

from .access import READ, Access, Audit
from .answers import RIGHTS, State, errors
from .batching import Overloaded
from .gallery_routes import gallery_routes
from .middleware import RETRY, Guard, Meters
from .model_routes import model_routes
from .requests import allow
from .service import Service, TakenError
from .settings import Settings

PAGE = Path(__file__).with_name('page')
# The page runs its own scripts and styles only, and shows what it is given.
_POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


def create_app(
    embedder: Embedder, gallery: Gallery | None, settings: Settings
) -> FastAPI:
    """Make the application that ``mmgl serve`` runs.

    Raises:
        ConfigError: If the settings would leave it open to others.
    """
    settings.check()
    service = Service(embedder, gallery, settings)
    access, audit, meters = Access(settings), Audit(settings), Meters()
    meters.waiting.set_function(lambda: service.batcher.waiting)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service.start()
        yield
        await service.stop()
        audit.close()

    app = FastAPI(
        title='mmgl',
        version=__version__,
        description='Visible-infrared person re-identification. Every answer '
        'has the number of its request in X-Request-ID, as the log has.',
        lifespan=lifespan,
        # Their pages run scripts of other hosts, with the rights of ours.
        docs_url=None,
        redoc_url=None,
    )
    app.state.service, app.state.audit = service, audit
    app.state.access, app.state.meters = access, meters
    app.add_middleware(Guard, settings=settings, access=access, meters=meters)
    _add_errors(app)
    for router in (open_routes, model_routes, gallery_routes):
        app.include_router(router)
    app.mount('/static', StaticFiles(directory=PAGE), name='static')
    return app


def _add_errors(app: FastAPI) -> None:
    """One sentence for every mistake, as ``detail``."""

    def answer(status: int, text: str) -> Response:
        return JSONResponse(dict(detail=text), status)

    @app.exception_handler(ConfigError)
    async def mistake(request: Request, error: ConfigError) -> Response:
        return answer(422, str(error))

    @app.exception_handler(UnexplainedError)
    async def unexplained(request: Request, error: Exception) -> Response:
        return answer(501, str(error))

    @app.exception_handler(TakenError)
    async def taken(request: Request, error: Exception) -> Response:
        return answer(409, f'the gallery has {error} already')

    @app.exception_handler(RequestValidationError)
    async def invalid(
        request: Request, error: RequestValidationError
    ) -> Response:
        # What was sent is not sent back.
        texts = (f'{one["loc"][-1]}: {one["msg"]}' for one in error.errors())
        return answer(422, '; '.join(texts)[:1000])

    @app.exception_handler(Overloaded)
    async def overloaded(request: Request, error: Overloaded) -> Response:
        text = 'too many images wait; try again'
        return JSONResponse(dict(detail=text), 503, RETRY)


open_routes = APIRouter(tags=['operation'])


def _show(name: str) -> Response:
    headers = {'Content-Security-Policy': _POLICY}
    return FileResponse(PAGE / name, headers=headers)


@open_routes.get('/', include_in_schema=False)
def page() -> Response:
    """Show the page."""
    return _show('index.html')


@open_routes.get('/docs', include_in_schema=False)
def docs() -> Response:
    """Show the description of the interface."""
    return _show('docs.html')


@open_routes.get('/health')
def health() -> State:
    """Tell that the process lives."""
    return State(status='ok')


@open_routes.get(
    '/ready', responses=errors(s503='the gallery is not read yet')
)
def ready(request: Request) -> State:
    """Tell that requests are answered without delay."""
    if not request.app.state.service.ready:
        raise HTTPException(503, 'not ready')
    return State(status='ready')


@open_routes.get(
    '/metrics',
    response_class=Response,
    responses={200: {'content': {'text/plain': {}}}, **RIGHTS},
)
def metrics(request: Request) -> Response:
    """Measurements for Prometheus."""
    allow(request, READ)
    text = generate_latest(request.app.state.meters.registry)
    return Response(text, media_type='text/plain; version=0.0.4')
