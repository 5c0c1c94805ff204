"""What the routes share: rights, and features of uploads."""

from collections.abc import Iterable
from typing import Annotated, Any

from fastapi import Form, HTTPException, Request, UploadFile

from mmgl.utils.errors import ConfigError, nearest

from .access import Access
from .service import Service

Modality = Annotated[str, Form(description='visible or infrared')]


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


async def embed_uploads(
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
