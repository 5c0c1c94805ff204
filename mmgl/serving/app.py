"""The HTTP interface: FastAPI over a :class:`Service`."""

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

from fastapi import (
    APIRouter,
    FastAPI,
    Form,
    HTTPException,
    Query,
    Request,
    Response,
    UploadFile,
)
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse
from fastapi.staticfiles import StaticFiles
from prometheus_client import generate_latest

from mmgl.apis.inference import Embedder
from mmgl.gallery.gallery import Gallery
from mmgl.utils.errors import ConfigError
from mmgl.version import __version__

from .access import READ, WRITE, Access, Audit
from .batching import Overloaded
from .middleware import Guard, Meters
from .service import Service
from .settings import Settings

PAGE = Path(__file__).with_name('page')
# The page runs its own scripts and styles only, and shows what it is given.
_POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
Modality = Annotated[str, Form(description='visible or infrared')]
Texts = Annotated[list[str] | None, Form()]
Seconds = Annotated[float | None, Form(description='since 1970')]


def create_app(
    embedder: Embedder, gallery: Gallery | None, settings: Settings
) -> FastAPI:
    """Make the application; :func:`mmgl.apis.serving.serve` runs it.

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
    for router in (open_routes, routes):
        app.include_router(router)
    app.mount('/static', StaticFiles(directory=PAGE), name='static')
    return app


def _add_errors(app: FastAPI) -> None:
    """One sentence for every mistake, as ``detail``."""

    @app.exception_handler(ConfigError)
    async def mistake(request: Request, error: ConfigError) -> Response:
        return JSONResponse(dict(detail=str(error)), 422)

    @app.exception_handler(Overloaded)
    async def overloaded(request: Request, error: Overloaded) -> Response:
        text = 'too many images wait; try again'
        return JSONResponse(dict(detail=text), 503, {'Retry-After': '1'})


open_routes = APIRouter()
routes = APIRouter(prefix='/v1')


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
    _allow(request, READ)
    text = generate_latest(request.app.state.meters.registry)
    return PlainTextResponse(text, media_type='text/plain; version=0.0.4')


@routes.get('/model', tags=['model'])
def model(request: Request) -> dict[str, Any]:
    """Describe model, gallery and rights."""
    role = _allow(request, READ)
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
    _allow(request, READ)
    rows = await _embed(request, images, modality)
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
    _allow(request, READ)
    a = await _embed(request, [first], first_modality)
    b = await _embed(request, [second], second_modality)
    score = float(a[0] @ b[0])
    known = request.app.state.service.embedder.calibration
    return dict(
        similarity=score,
        probability=known.probability(score) if known else None,
        same=score >= known.threshold if known else None,
    )


@routes.post('/search', tags=['gallery'])
async def search(
    request: Request,
    image: UploadFile,
    modality: Modality,
    top: Annotated[int, Form(ge=1, le=1000)] = 10,
    camera: Texts = None,
    person: Texts = None,
    of_modality: Texts = None,
    start: Seconds = None,
    end: Seconds = None,
) -> dict[str, Any]:
    """Find who looks most like the person of an image."""
    _allow(request, READ)
    service = _gallery(request)
    where = _where(camera, person, of_modality, start, end)
    rows = await _embed(request, [image], modality)
    (found,) = await service.ask('search', rows, top, where)
    request.app.state.audit.write(
        request, 'search', where=where, found=[m.name for m in found]
    )
    known = service.embedder.calibration
    return dict(
        matches=[
            dict(
                name=match.name,
                score=match.score,
                probability=known.probability(match.score) if known else None,
                metadata=match.metadata,
            )
            for match in found
        ]
    )


@routes.get('/persons', tags=['gallery'])
async def persons(
    request: Request,
    offset: Annotated[int, Query(ge=0)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    camera: Annotated[list[str] | None, Query()] = None,
    person: Annotated[list[str] | None, Query()] = None,
) -> dict[str, Any]:
    """List images of the gallery, sorted by name."""
    _allow(request, READ)
    service = _gallery(request)
    where = _where(camera, person, None, None, None)
    names = await service.ask('names', where)
    records = await service.ask('find', names[offset : offset + limit])
    return dict(
        count=len(names),
        persons=[dict(name=r.name, metadata=r.metadata) for r in records],
    )


@routes.post('/persons', tags=['gallery'])
async def upsert(
    request: Request,
    images: list[UploadFile],
    names: Annotated[list[str], Form()],
    modality: Modality,
    camera: Annotated[str | None, Form()] = None,
    person: Annotated[str | None, Form()] = None,
    time: Seconds = None,
) -> dict[str, Any]:
    """Add images to the gallery, or replace those of the same names."""
    _allow(request, WRITE)
    service = _gallery(request)
    if len(names) != len(images):
        raise ConfigError(f'{len(names)} names for {len(images)} images')
    rows = await _embed(request, images, modality)
    known = dict(camera=camera, person=person, modality=modality, time=time)
    await service.ask('upsert', rows, names, [known] * len(names))
    request.app.state.audit.write(request, 'upsert', names=names)
    return dict(stored=len(names))


@routes.delete('/persons', tags=['gallery'])
async def delete(
    request: Request,
    name: Annotated[list[str] | None, Query()] = None,
    person: Annotated[list[str] | None, Query()] = None,
    older_than: Annotated[float | None, Query()] = None,
) -> dict[str, Any]:
    """Delete by names, by person, or what is older than a time."""
    _allow(request, WRITE)
    service = _gallery(request)
    where = _where(None, person, None, None, older_than)
    if name and where:
        raise ConfigError('delete by name or by a filter, not by both')
    count = await service.ask('delete', name, None if name else where)
    request.app.state.audit.write(
        request, 'delete', names=name, where=where, count=count
    )
    return dict(deleted=count)


@routes.get('/image', tags=['gallery'])
async def image(request: Request, name: str) -> Response:
    """Show an image of the gallery, if the service has its file."""
    _allow(request, READ)
    service = _gallery(request)
    known = await service.ask('find', [name])
    path = service.image_of(name) if known else None
    if path is None:
        raise HTTPException(404, f'there is no image {name!r:.80}')
    return FileResponse(path)


def _allow(request: Request, needed: str) -> str:
    access: Access = request.app.state.access
    return access.require(request, needed)


def _gallery(request: Request) -> Service:
    service: Service = request.app.state.service
    if service.gallery is None:
        raise HTTPException(404, 'this service has no gallery')
    return service


def _where(
    camera: list[str] | None,
    person: list[str] | None,
    modality: list[str] | None,
    start: float | None,
    end: float | None,
) -> dict[str, Any]:
    where: dict[str, Any] = dict(
        camera=camera, person=person, modality=modality
    )
    for number in (start, end):
        if number is not None and not math.isfinite(number):
            raise ConfigError(f'a time must be finite, got {number}')
    if start is not None or end is not None:
        where['time'] = (start, end)
    return {key: value for key, value in where.items() if value}


async def _embed(
    request: Request, images: list[UploadFile], modality: str
) -> Any:
    """Compute features of uploads."""
    service: Service = request.app.state.service
    limit = service.settings.max_images
    if len(images) > limit:
        raise HTTPException(413, f'more than {limit} images in one request')
    files = [
        (image.filename or f'image {i}', await image.read())
        for i, image in enumerate(images)
    ]
    rows = await service.embed(files, modality)
    request.app.state.meters.images.inc(len(files))
    return rows
