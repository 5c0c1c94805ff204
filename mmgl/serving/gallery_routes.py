"""Routes of the gallery: search and keep people."""

from typing import Annotated, Any

from fastapi import (
    APIRouter,
    Depends,
    Form,
    HTTPException,
    Query,
    Request,
    Response,
    UploadFile,
)
from fastapi.responses import FileResponse

from mmgl.gallery.records import where_of
from mmgl.utils.errors import ConfigError

from .access import READ, WRITE
from .requests import Modality, allow, embed_uploads, only_known
from .service import Service

Texts = Annotated[list[str] | None, Form()]
Seconds = Annotated[float | None, Form(description='since 1970')]

gallery_routes = APIRouter(
    prefix='/v1', tags=['gallery'], dependencies=[Depends(only_known)]
)


@gallery_routes.post('/search')
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
    allow(request, READ)
    service = _gallery(request)
    where = where_of(
        start, end, camera=camera, person=person, modality=of_modality
    )
    rows = await embed_uploads(request, [image], modality)
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


@gallery_routes.get('/persons')
async def persons(
    request: Request,
    offset: Annotated[int, Query(ge=0)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    camera: Annotated[list[str] | None, Query()] = None,
    person: Annotated[list[str] | None, Query()] = None,
) -> dict[str, Any]:
    """List images of the gallery, sorted by name."""
    allow(request, READ)
    service = _gallery(request)
    where = where_of(camera=camera, person=person)
    names = await service.ask('names', where)
    records = await service.ask('find', names[offset : offset + limit])
    return dict(
        count=len(names),
        persons=[dict(name=r.name, metadata=r.metadata) for r in records],
    )


@gallery_routes.post('/persons')
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
    allow(request, WRITE)
    service = _gallery(request)
    if len(names) != len(images):
        raise ConfigError(f'{len(names)} names for {len(images)} images')
    rows = await embed_uploads(request, images, modality)
    known = dict(camera=camera, person=person, modality=modality, time=time)
    await service.ask('upsert', rows, names, [known] * len(names))
    request.app.state.audit.write(request, 'upsert', names=names)
    return dict(stored=len(names))


@gallery_routes.delete('/persons')
async def delete(
    request: Request,
    name: Annotated[list[str] | None, Query()] = None,
    person: Annotated[list[str] | None, Query()] = None,
    older_than: Annotated[float | None, Query()] = None,
) -> dict[str, Any]:
    """Delete by names, by person, or what is older than a time."""
    allow(request, WRITE)
    service = _gallery(request)
    where = where_of(end=older_than, person=person)
    if name and where:
        raise ConfigError('delete by name or by a filter, not by both')
    count = await service.ask('delete', name, None if name else where)
    request.app.state.audit.write(
        request, 'delete', names=name, where=where, count=count
    )
    return dict(deleted=count)


@gallery_routes.get('/image')
async def image(request: Request, name: str) -> Response:
    """Show an image of the gallery, if the service has its file."""
    allow(request, READ)
    service = _gallery(request)
    known = await service.ask('find', [name])
    path = service.image_of(name) if known else None
    if path is None:
        raise HTTPException(404, f'there is no image {name!r:.80}')
    return FileResponse(path)


def _gallery(request: Request) -> Service:
    service: Service = request.app.state.service
    if service.gallery is None:
        raise HTTPException(404, 'this service has no gallery')
    return service
