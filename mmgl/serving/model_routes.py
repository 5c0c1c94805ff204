"""Routes of the model: describe, embed, compare, explain, try."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response, UploadFile

from mmgl.version import __version__

from .access import READ, WRITE
from .answers import (
    RIGHTS,
    UPLOADS,
    Compared,
    Embedded,
    Explained,
    Model,
    Sample,
    errors,
)
from .requests import (
    IMAGE,
    Modality,
    allow,
    embed_uploads,
    only_known,
    uploads,
)
from .samples import SAMPLES, draw, listed

model_routes = APIRouter(
    prefix='/v1',
    tags=['model'],
    responses=RIGHTS,
    dependencies=[Depends(only_known)],
)

First = Annotated[UploadFile, IMAGE]
Second = Annotated[UploadFile, IMAGE]


@model_routes.get('/model')
def model(request: Request) -> Model:
    """Describe model, gallery and rights."""
    role = allow(request, READ)
    service = request.app.state.service
    known = service.embedder.calibration
    return Model(
        model=service.embedder.model_hash,
        dimensions=service.embedder.dimensions,
        calibration=known.to_dict() if known else None,
        gallery=service.gallery is not None,
        images=service.settings.images is not None,
        explains=service.embedder.network.explains,
        may_change=role == WRITE,
        version=__version__,
    )


@model_routes.post('/embed', responses=UPLOADS)
async def embed(
    request: Request,
    images: Annotated[list[UploadFile], IMAGE],
    modality: Modality,
) -> Embedded:
    """Compute the features of images of one modality."""
    allow(request, READ)
    rows = await embed_uploads(request, images, modality)
    model = request.app.state.service.embedder.model_hash
    return Embedded(model=model, features=rows.tolist())


@model_routes.post('/compare', responses=UPLOADS)
async def compare(
    request: Request,
    first: First,
    second: Second,
    first_modality: Modality,
    second_modality: Modality,
) -> Compared:
    """Tell how alike the persons of two images are."""
    allow(request, READ)
    a = await embed_uploads(request, [first], first_modality)
    b = await embed_uploads(request, [second], second_modality)
    score = float(a[0] @ b[0])
    known = request.app.state.service.embedder.calibration
    return Compared(
        similarity=score,
        probability=known.probability(score) if known else None,
        same=score >= known.threshold if known else None,
    )


@model_routes.post(
    '/explain',
    responses={**UPLOADS, **errors(s501='this runtime shows no places')},
)
async def explain(
    request: Request,
    first: First,
    second: Second,
    first_modality: Modality,
    second_modality: Modality,
) -> Explained:
    """Tell which places of two images make them alike."""
    allow(request, READ)
    pair = [first, second]
    async with uploads(request, pair) as files:
        found = await request.app.state.service.explain(
            files, [first_modality, second_modality]
        )
    return Explained(
        similarity=found.similarity,
        first=found.first.tolist(),
        second=found.second.tolist(),
    )


@model_routes.get('/samples')
def samples(request: Request) -> list[Sample]:
    """List drawn people to try the service with."""
    allow(request, READ)
    return listed()


@model_routes.get(
    '/samples/{number}',
    response_class=Response,
    responses={
        200: {'content': {'image/png': {}}},
        **errors(s422='there is no such sample'),
    },
)
def sample(
    request: Request,
    number: Annotated[
        int, Path(ge=0, lt=len(SAMPLES), description='of the list')
    ],
) -> Response:
    """Draw one of them."""
    allow(request, READ)
    return Response(draw(number), media_type='image/png')
