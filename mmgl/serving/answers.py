"""What the service answers; the words of the interface's description."""

from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel, Field

Similarity = Annotated[float, Field(description='cosine, -1 to 1')]
Probability = Annotated[
    float | None,
    Field(
        description='that both images show one person, if half of the pairs '
        'do; null if the model is not calibrated'
    ),
]
Metadata = Annotated[
    dict[str, Any],
    Field(
        description='what was given with the image: person, camera, '
        'modality, time (seconds since 1970)'
    ),
]
Name = Annotated[str, Field(description='name of the image, unique')]
Places = Annotated[
    list[list[float]],
    Field(
        description='rows, from the top, of what each place of the image '
        'adds to the similarity; places are spread over the whole image'
    ),
]


class Mistake(BaseModel):
    """Why a request was refused."""

    detail: str = Field(description='one sentence')


Errors: TypeAlias = dict[int | str, dict[str, Any]]


def errors(**texts: str) -> Errors:
    """Describe the errors of routes, by ``sNUMBER``."""
    return {
        int(status[1:]): dict(model=Mistake, description=text)
        for status, text in texts.items()
    }


RIGHTS = errors(
    s401='the token is missing or unknown',
    s403='the token, or the page that asks, has not the right',
)
UPLOADS = errors(
    s400='the form is damaged',
    s408='the upload took too long',
    s413='too many bytes or images in one request',
    s422='a field or an image is not as described',
    s503='too many images wait; try again after Retry-After seconds',
)
GALLERY = errors(
    s404='the service has no gallery', s422='a field is not as described'
)


class State(BaseModel):
    """Of the service."""

    status: str = Field(description='ok or ready')


class Model(BaseModel):
    """Model, gallery and rights."""

    model: str = Field(description='SHA-256 of the weights')
    dimensions: int = Field(description='numbers in a feature')
    calibration: dict[str, Any] | None = Field(
        description='threshold, error rates, numbers of pairs'
    )
    gallery: bool = Field(description='whether there is one')
    images: bool = Field(description='whether images of it are shown')
    explains: bool = Field(description='whether /v1/explain works')
    may_change: bool = Field(description='whether this token may write')
    version: str = Field(description='of mmgl')


class Embedded(BaseModel):
    """Features of images."""

    model: str = Field(description='SHA-256 of the weights')
    features: list[list[float]] = Field(
        description='unit vectors, in the order of the images'
    )


class Compared(BaseModel):
    """How alike two images are."""

    similarity: Similarity
    probability: Probability
    same: bool | None = Field(
        description='whether the threshold of the calibration is reached'
    )


class Explained(BaseModel):
    """How alike two images are, and where."""

    similarity: Similarity
    first: Places
    second: Places


class Sample(BaseModel):
    """A drawn person to try the service with."""

    number: int = Field(description='for /v1/samples/{number}')
    person: int = Field(description='who it is')
    modality: str = Field(description='visible or infrared')


class Match(BaseModel):
    """An image of the gallery."""

    name: Name
    score: Similarity
    probability: Probability
    metadata: Metadata


class Found(BaseModel):
    """The best matches."""

    matches: list[Match] = Field(description='the best first')


class Person(BaseModel):
    """An image of the gallery."""

    name: Name
    metadata: Metadata


class Listed(BaseModel):
    """A part of the gallery."""

    count: int = Field(description='images that fit, on all pages')
    persons: list[Person] = Field(description='those of this page, by name')


class Stored(BaseModel):
    """What was added or replaced."""

    stored: int = Field(description='images, safe on the disk')


class Deleted(BaseModel):
    """What was deleted."""

    deleted: int = Field(description='images')
