"""Routes of the gallery: search and keep people."""

from typing import Annotated

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
from .answers import (
    GALLERY,
    RIGHTS,
    UPLOADS,
    Deleted,
    Found,
    Listed,
    Match,
    Person,
    Stored,
    errors,
)
from .requests import IMAGE, Modality, allow, embed_uploads, only_known
from .service import Service

_CAMERA, _PERSON = 'only of these cameras', 'only of these persons'
_MODALITY = 'only visible or only infrared ones'
_FROM, _TO = 'only from this time on', 'only up to this time'
_SINCE = '; seconds since 1970'
Texts = list[str] | None

gallery_routes = APIRouter(
    prefix='/v1',
    tags=['gallery'],
    responses={**RIGHTS, **GALLERY},
    dependencies=[Depends(only_known)],
)


@gallery_routes.post('/search', responses=UPLOADS)
async def search(
    request: Request,
    image: Annotated[UploadFile, IMAGE],
    modality: Modality,
    top: Annotated[
        int, Form(ge=1, le=1000, description='how many matches')
    ] = 10,
    camera: Annotated[Texts, Form(description=_CAMERA)] = None,
    person: Annotated[Texts, Form(description=_PERSON)] = None,
    of_modality: Annotated[Texts, Form(description=_MODALITY)] = None,
    start: Annotated[float | None, Form(description=_FROM + _SINCE)] = None,
    end: Annotated[float | None, Form(description=_TO + _SINCE)] = None,
) -> Found:
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
    return Found(
        matches=[
            Match(
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
    offset: Annotated[
        int, Query(ge=0, le=2**53, description='images to leave out')
    ] = 0,
    limit: Annotated[
        int, Query(ge=1, le=1000, description='images to list')
    ] = 100,
    camera: Annotated[Texts, Query(description=_CAMERA)] = None,
    person: Annotated[Texts, Query(description=_PERSON)] = None,
    of_modality: Annotated[Texts, Query(description=_MODALITY)] = None,
    start: Annotated[float | None, Query(description=_FROM + _SINCE)] = None,
    end: Annotated[float | None, Query(description=_TO + _SINCE)] = None,
) -> Listed:
    """List images of the gallery, sorted by name."""
    allow(request, READ)
    service = _gallery(request)
    where = where_of(
        start, end, camera=camera, person=person, modality=of_modality
    )
    names = await service.ask('names', where)
    records = await service.ask('find', names[offset : offset + limit])
    return Listed(
        count=len(names),
        persons=[Person(name=r.name, metadata=r.metadata) for r in records],
    )


@gallery_routes.post(
    '/persons',
    responses={**UPLOADS, **errors(s409='names are taken, see replace')},
)
async def upsert(
    request: Request,
    images: Annotated[list[UploadFile], IMAGE],
    names: Annotated[
        list[str], Form(description='one for each image, each once')
    ],
    modality: Modality,
    camera: Annotated[
        str | None, Form(description='that took the images')
    ] = None,
    person: Annotated[
        str | None, Form(description='who is on all of them')
    ] = None,
    time: Annotated[
        float | None, Form(description='when they were taken' + _SINCE)
    ] = None,
    replace: Annotated[
        bool,
        Form(description='false refuses names that the gallery has (409)'),
    ] = True,
) -> Stored:
    """Add images to the gallery, or replace those of the same names.

    Their features are kept, the images are not.
    """
    allow(request, WRITE)
    service = _gallery(request)
    if len(names) != len(images):
        raise ConfigError(f'{len(names)} names for {len(images)} images')
    if not replace:
        await service.check_free(names)
    rows = await embed_uploads(request, images, modality)
    known = dict(camera=camera, person=person, modality=modality, time=time)
    await service.add(rows, names, known, replace)
    request.app.state.audit.write(request, 'upsert', names=names)
    return Stored(stored=len(names))


@gallery_routes.delete('/persons')
async def delete(
    request: Request,
    name: Annotated[Texts, Query(description='these images')] = None,
    person: Annotated[
        Texts, Query(description='all images of these persons')
    ] = None,
    older_than: Annotated[
        float | None, Query(description='up to this time' + _SINCE)
    ] = None,
) -> Deleted:
    """Delete by names, or by person and age: what fits both."""
    allow(request, WRITE)
    service = _gallery(request)
    where = where_of(end=older_than, person=person)
    if name and where:
        raise ConfigError('delete by name or by a filter, not by both')
    count = await service.ask('delete', name, None if name else where)
    request.app.state.audit.write(
        request, 'delete', names=name, where=where, count=count
    )
    return Deleted(deleted=count)


@gallery_routes.get(
    '/image',
    response_class=FileResponse,
    responses={
        200: {'content': {'image/*': {}}},
        **errors(s404='there is no gallery, or no file of this name'),
    },
)
async def image(
    request: Request, name: Annotated[str, Query(description='of the image')]
) -> Response:
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
