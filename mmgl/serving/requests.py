"""What the routes share: rights, and features of uploads."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import File, Form, HTTPException, Request, UploadFile

from mmgl.utils.errors import ConfigError, nearest

from .access import Access
from .service import Service

Modality = Annotated[str, Form(description='visible or infrared')]
IMAGE = File(description='JPEG, PNG or BMP of one person')


def allow(request: Request, needed: str) -> str:
    """Return the role of a request that has the needed one."""
    access: Access = request.app.state.access
    return access.require(request, needed)


async def only_known(request: Request) -> None:
    """Refuse parameters that a route has not, such as a misspelt filter.

    Raises:
        ConfigError: Naming one, and the nearest that there is.
    """
    route = request.scope['route'].dependant
    given: list[tuple[str, Iterable[str], Any]] = [
        ('parameter', request.query_params, route.query_params)
    ]
    if route.body_params:
        form = await request.form()
        given.append(('field', form, route.body_params))
    for word, values, fields in given:
        known = [field.alias for field in fields]
        for name in values:
            if name not in known:
                raise ConfigError(
                    f'there is no {word} {name!r:.80}{nearest(name, known)}'
                )


@asynccontextmanager
async def uploads(
    request: Request, images: Sequence[UploadFile]
) -> AsyncIterator[list[tuple[str, bytes]]]:
    """Take places for uploads, and read them.

    They stay on the disk until there is place for them.
    """
    service: Service = request.app.state.service
    limit = service.settings.max_images
    if len(images) > limit:
        raise HTTPException(413, f'more than {limit} images in one request')
    with service.batcher.places(len(images)):
        yield [
            (image.filename or f'image {i}', await image.read())
            for i, image in enumerate(images)
        ]
    request.app.state.meters.images.inc(len(images))


async def embed_uploads(
    request: Request, images: Sequence[UploadFile], modality: str
) -> Any:
    """Compute features of uploads."""
    async with uploads(request, images) as files:
        return await request.app.state.service.embed(files, modality)
