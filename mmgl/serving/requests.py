"""What the routes share: rights, and features of uploads."""

from typing import Annotated, Any

from fastapi import Form, HTTPException, Request, UploadFile

from .access import Access
from .service import Service

Modality = Annotated[str, Form(description='visible or infrared')]


def allow(request: Request, needed: str) -> str:
    """Return the role of a request that has the needed one."""
    access: Access = request.app.state.access
    return access.require(request, needed)


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
