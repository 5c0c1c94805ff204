"""What the routes share: rights, and features of uploads."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import File, Form, HTTPException, Request, UploadFile

from .access import Access
from .service import Service

Modality = Annotated[str, Form(description='visible or infrared')]
IMAGE = File(description='JPEG, PNG or BMP of one person')


def allow(request: Request, needed: str) -> str:
    """Return the role of a request that has the needed one."""
    access: Access = request.app.state.access
    return access.require(request, needed)


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
