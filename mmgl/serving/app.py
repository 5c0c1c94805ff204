"""The HTTP interface: FastAPI over a :class:`Service`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import (
    APIRouter,
    Depends,
    FastAPI,
    HTTPException,
    Request,
    Response,
    UploadFile,
)
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse
from fastapi.staticfiles import StaticFiles
from prometheus_client import generate_latest

from mmgl.apis.inference import Embedder
from mmgl.gallery.gallery import Gallery
from mmgl.utils.errors import ConfigError
from mmgl.version import __version__

from .access import READ, WRITE, Access, Audit
from .batching import Overloaded
from .gallery_routes import gallery_routes
from .middleware import Guard, Meters
from .requests import Modality, allow, embed_uploads, only_known
from .service import Service
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
    audit, meters = Audit(settings), Meters()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service.start()
        yield
        await service.stop()
        audit.close()

    app = FastAPI(
        title='mmgl',
        version=__version__,
        description='Visible-infrared person re-identification.',
        lifespan=lifespan,
    )
    app.state.service, app.state.audit = service, audit
    app.state.access, app.state.meters = Access(settings), meters
    app.add_middleware(Guard, settings=settings, meters=meters)
    _add_errors(app)
    for router in (open_routes, routes, gallery_routes):
        app.include_router(router)
    app.mount('/static', StaticFiles(directory=PAGE), name='static')
    return app


def _add_errors(app: FastAPI) -> None:
    """One sentence for every mistake, as ``detail``."""

    @app.exception_handler(ConfigError)
    async def mistake(request: Request, error: ConfigError) -> Response:
        return JSONResponse(dict(detail=str(error)), 422)

    @app.exception_handler(RequestValidationError)
    async def unfit(request: Request, error: RequestValidationError) -> Any:
        text = '; '.join(f'{e["loc"][-1]}: {e["msg"]}' for e in error.errors())
        return JSONResponse(dict(detail=f'{text:.500}'), 422)

    @app.exception_handler(Overloaded)
    async def overloaded(request: Request, error: Overloaded) -> Response:
        text = 'too many images wait; try again'
        return JSONResponse(dict(detail=text), 503, {'Retry-After': '1'})


open_routes = APIRouter()
routes = APIRouter(prefix='/v1', dependencies=[Depends(only_known)])


@open_routes.get('/', include_in_schema=False)
def page() -> Response:
    """Show the page."""
    return FileResponse(
        PAGE / 'index.html', headers={'Content-Security-Policy': _POLICY}
    )


@open_routes.get('/health', tags=['operation'])
def health() -> dict[str, str]:
    """Tell that the process lives."""
    return dict(status='ok')


@open_routes.get('/ready', tags=['operation'])
def ready(request: Request) -> dict[str, str]:
    """Tell that requests are answered."""
    if not request.app.state.service.ready:
        raise HTTPException(503, 'not ready')
    return dict(status='ready')


@open_routes.get('/metrics', tags=['operation'])
def metrics(request: Request) -> Response:
    """Measurements for Prometheus."""
    allow(request, READ)
    text = generate_latest(request.app.state.meters.registry)
    return PlainTextResponse(text, media_type='text/plain; version=0.0.4')


@routes.get('/model', tags=['model'])
def model(request: Request) -> dict[str, Any]:
    """Describe model, gallery and rights."""
    role = allow(request, READ)
    service = request.app.state.service
    known = service.embedder.calibration
    return dict(
        model=service.embedder.model_hash,
        dimensions=service.embedder.dimensions,
        calibration=known.to_dict() if known else None,
        gallery=service.gallery is not None,
        images=service.settings.images is not None,
        may_change=role == WRITE,
        version=__version__,
    )


@routes.post('/embed', tags=['model'])
async def embed(
    request: Request, images: list[UploadFile], modality: Modality
) -> dict[str, Any]:
    """Compute the features of images of one modality."""
    allow(request, READ)
    rows = await embed_uploads(request, images, modality)
    model = request.app.state.service.embedder.model_hash
    return dict(model=model, features=rows.tolist())


@routes.post('/compare', tags=['model'])
async def compare(
    request: Request,
    first: UploadFile,
    second: UploadFile,
    first_modality: Modality,
    second_modality: Modality,
) -> dict[str, Any]:
    """Tell how alike the persons of two images are."""
    allow(request, READ)
    a = await embed_uploads(request, [first], first_modality)
    b = await embed_uploads(request, [second], second_modality)
    score = float(a[0] @ b[0])
    known = request.app.state.service.embedder.calibration
    return dict(
        similarity=score,
        probability=known.probability(score) if known else None,
        same=score >= known.threshold if known else None,
    )
