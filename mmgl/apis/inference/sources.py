"""Whatever a user calls images, as a stream of named decoded pictures."""

import glob
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from mmgl.protocols.modality import MODALITY_NAMES
from mmgl.utils.errors import ConfigError, one_line
from mmgl.utils.images import (
    check_size,
    convert_image,
    decode_image,
    eight_bits,
    read_image,
)

# File, folder, pattern, encoded bytes, PIL image, RGB array, or many of them.
Images: TypeAlias = Any
Picture: TypeAlias = npt.NDArray[np.uint8]
# A name, a number (0 visible, 1 infrared), or one for each image.
Modality: TypeAlias = str | int | Sequence[str | int]
# Percentiles that become 0 and 255 where images have 16 bits.
Window: TypeAlias = tuple[float, float] | None

SUFFIXES = ('.bmp', '.jpeg', '.jpg', '.png')
# Side of the pictures that weights may ask for.
LARGEST = 4096
_DEEPEST = 8  # of lists in lists


class ImageError(ConfigError):
    """An image that cannot be read, or is none."""


@dataclass(frozen=True)
class Source:
    """One person image: a box of a picture, or all of it."""

    name: str
    picture: Any
    modality: int
    box: Sequence[float] | None = None

    def load(self, window: Window = None) -> Picture:
        """Decode and crop: uint8, BGR, ``(H, W, 3)``.

        Raises:
            ImageError: If it cannot be decoded, or the box leaves nothing.
        """
        try:
            image = _decode(self.picture, self.name, window)
        except Exception as error:  # decoders raise what they like
            text = one_line(error)
            named = text if self.name in text else f'{self.name}: {text}'
            raise ImageError(named) from None
        return image if self.box is None else self._crop(image)

    def _crop(self, image: Picture) -> Picture:
        try:
            edges = np.asarray(self.box, dtype=np.float64)
        except (TypeError, ValueError):
            edges = np.full(0, np.nan)
        if edges.shape != (4,) or not np.isfinite(edges).all():
            raise ImageError(
                f'{self.name}: a box has four finite numbers x1, y1, x2, y2, '
                f'got {self.box!r:.80}'
            )
        height, width = image.shape[:2]
        x1, y1 = np.floor(edges[:2]).clip(0, (width, height)).astype(int)
        x2, y2 = np.ceil(edges[2:]).clip(0, (width, height)).astype(int)
        if x1 >= x2 or y1 >= y2:
            raise ImageError(
                f'{self.name}: box {edges.tolist()} leaves nothing of an '
                f'image of {width} x {height} pixels; boxes are x1, y1, x2, '
                'y2 in pixels'
            )
        return image[y1:y2, x1:x2]


def window_of(pipeline: Sequence[Mapping[str, Any]]) -> Window:
    """Find the window of the step of a test pipeline that reads images.

    Raises:
        ValueError: If it is none.
    """
    (step,) = (p for p in pipeline if p['type'].startswith('LoadImage'))
    if step.get('window') is None:
        return None
    low, high = map(float, step['window'])
    if not 0 <= low < high <= 100:
        raise ValueError(f'window {low}, {high} are no two percentiles')
    return low, high


def _decode(picture: Any, name: str, window: Window) -> Picture:
    """Turn one picture of any kind into BGR."""
    if isinstance(picture, Path):
        return read_image(picture, window)
    if isinstance(picture, bytes | bytearray | memoryview):
        return decode_image(bytes(picture), name, window)
    if isinstance(picture, Image.Image):
        if window is None or not picture.mode.startswith('I;16'):
            return convert_image(picture)
        picture = np.asarray(picture)
    if not isinstance(picture, np.ndarray):
        raise ValueError(
            f'a {type(picture).__name__} is no image; give a path, bytes, a '
            'PIL image or a uint8 array (H, W, 3) in RGB'
        )
    if picture.ndim > 1:
        check_size(picture.shape[1], picture.shape[0])
    if picture.ndim == 2:
        picture = np.repeat(picture[..., None], 3, axis=2)
    if picture.dtype == np.uint16 and window is not None:
        picture = eight_bits(picture, window)
    if picture.dtype != np.uint8 or picture.shape[2:] != (3,):
        raise ValueError(
            'an array must be uint8 (H, W, 3) in RGB or (H, W) in grey, got '
            f'{picture.dtype} {picture.shape}'
        )
    bgr: Picture = np.ascontiguousarray(picture[..., ::-1])
    return bgr


def modality_number(modality: Any) -> int:
    """Turn 'visible', 'infrared', 0 or 1 into the number."""
    if isinstance(modality, str) and modality in MODALITY_NAMES:
        return MODALITY_NAMES.index(modality)
    number = isinstance(modality, int | np.integer)
    if number and not isinstance(modality, bool) and modality in (0, 1):
        return int(modality)
    raise ConfigError(
        f'modality must be {" or ".join(map(repr, MODALITY_NAMES))}, got '
        f'{modality!r:.80}'
    )


def expand(
    images: Images, modality: Modality, boxes: Iterable[Any] | None = None
) -> Iterator[Source]:
    """Yield the sources of images, one after the other.

    Folders are searched through, sorted by path; ``boxes`` has for each image
    a list of boxes, which may be empty. Modalities and boxes count the images
    of folders and patterns too.

    Raises:
        ConfigError: If there is nothing at a path, or modalities or boxes
            are more or fewer than images.
    """
    many = isinstance(modality, Iterable) and not isinstance(modality, str)
    modalities = iter(modality) if many else None  # type: ignore[arg-type]
    number = -1 if many else modality_number(modality)
    all_boxes = None if boxes is None else _iterator(boxes, 'image')
    for name, picture in _walk(images):
        if modalities is not None:
            number = modality_number(_next(modalities, 'modality', name))
        if all_boxes is None:
            yield Source(name, picture, number)
            continue
        these = _iterator(_next(all_boxes, 'boxes', name), 'box')
        for i, box in enumerate(these):
            yield Source(f'{name} box {i}', picture, number, box)
    for word, rest in (('modality', modalities), ('boxes', all_boxes)):
        if rest is not None and next(rest, None) is not None:
            raise ConfigError(f'{word} has more entries than there are images')


def _iterator(boxes: Any, what: str) -> Iterator[Any]:
    if isinstance(boxes, Iterable):
        return iter(boxes)
    raise ConfigError(
        f'boxes has for each image a list of boxes, got {boxes!r:.80} where '
        f'an entry for each {what} should be'
    )


def _next(values: Iterator[Any], word: str, name: str) -> Any:
    try:
        return next(values)
    except StopIteration:
        raise ConfigError(f'{word} has no entry for {name}') from None


def _walk(
    images: Images, place: str = 'image 0', depth: int = 0
) -> Iterator[tuple[str, Any]]:
    """Name every single picture."""
    if depth > _DEEPEST:
        raise ConfigError(f'images: lists lie more than {_DEEPEST} deep')
    if isinstance(images, str | Path):
        for path in _files(images):
            yield str(path), path
    elif _is_one(images):
        yield getattr(images, 'filename', '') or place, images
    elif isinstance(images, Iterable):
        for i, picture in enumerate(images):
            yield from _walk(picture, f'image {i}', depth + 1)
    else:
        yield place, images


def _is_one(images: Any) -> bool:
    if isinstance(images, np.ndarray):
        return images.ndim < 4 and images.dtype.kind != 'U'  # are paths
    # A tensor is none, which decoding says.
    return hasattr(images, '__dlpack__') or isinstance(
        images, bytes | bytearray | memoryview | Image.Image | Mapping
    )


def _files(path: str | Path) -> list[Path]:
    """List the image files of a path, folder or pattern."""
    try:
        return _found(path)
    except OSError as error:  # such as a name that is too long
        raise ConfigError(
            f'there is no image {str(path)!r:.80} ({error.strerror})'
        ) from None


def _found(path: str | Path) -> list[Path]:
    found = Path(path).expanduser()
    if found.is_file():  # most are: asked for first
        return [found]
    if found.is_dir():
        # Names that begin with a dot are of systems, not of people.
        inside = sorted(
            file
            for file in found.rglob('*')
            if file.suffix.lower() in Image.registered_extensions()
            and not any(n[0] == '.' for n in file.relative_to(found).parts)
            and file.is_file()
        )
        files = [f for f in inside if f.suffix.lower() in SUFFIXES]
        if files and len(files) < len(inside):
            other = next(f for f in inside if f not in files)
            warnings.warn(
                f'folder {found}: {len(inside) - len(files)} of '
                f'{len(inside)} pictures left out, which are none of '
                f'{", ".join(SUFFIXES)}, such as {other}',
                stacklevel=2,
            )
        if not files:
            raise ConfigError(
                f'folder {found} holds no image ({", ".join(SUFFIXES)})'
            )
        return files
    if not found.exists() and any(sign in str(path) for sign in '*?['):
        files = [Path(name) for name in sorted(glob.glob(str(found)))]
        if not files:
            raise ConfigError(f'no file matches {str(path)!r}')
        return files
    if not found.exists():
        raise ConfigError(f'there is no image {str(path)!r}')
    return [found]
