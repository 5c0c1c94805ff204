"""Reading image files that may be anything.

Rules, by content and not by name: one JPEG, PNG or BMP picture, complete, of
at most ``MAX_PIXELS``, in grey, RGB or palette colours. Alpha must be opaque
and is dropped. 16 bits become eight by a window of percentiles, if given.
"""

import hashlib
import io
import os
import stat
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from .errors import ConfigError, one_line

Pixels: TypeAlias = npt.NDArray[Any]

FORMATS = ('JPEG', 'PNG', 'BMP')
MAX_PIXELS = 2**26
MAX_BYTES = 2**28
END_OF_JPEG = b'\xff\xd9'
SCAN_OF_JPEG = b'\xff\xda'
# A scan of a few bytes goes over all pixels; cameras write one, or ten.
MAX_SCANS = 1000
_COMPLAINT = 'Corrupt JPEG data'  # of libjpeg
# Digests of files that follow the rules, and whether they have 16 bits.
_PASSED: dict[bytes, bool] = {}
_MOST_PASSED = 2**16


def as_contiguous(img: Pixels) -> Pixels:
    """Return an image itself if it is in plain memory order, or a copy.

    What numpy does for a mirrored view, as ``RandomFlip`` leaves it behind,
    takes twenty times as long as mirroring by OpenCV.
    """
    if img.strides[1] < 0 < img.strides[0]:
        img = cv2.flip(img[:, ::-1], 1)
    return np.ascontiguousarray(img)


def read_file(path: str | os.PathLike[str]) -> bytes:
    """Read a regular file; others, which may never end, are a ConfigError."""
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            raise ConfigError(f'image {path} is no regular file; restore it')
        if status.st_size > MAX_BYTES:
            raise ConfigError(f'image {path} is larger than {MAX_BYTES} bytes')
        with open(path, 'rb') as file:
            return file.read()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ConfigError(
            f'image {path} cannot be read: {error.strerror}; restore it'
        ) from error


def check_image(data: bytes, name: str, max_pixels: int = MAX_PIXELS) -> bool:
    """Apply the rules of this module without decoding; tell if it is deep.

    A deep image has 16 bits. What the rules exclude is a ConfigError, in one
    sentence with ``name``; a damage inside may be left for the decoder.
    """
    with _named(name):
        return _check(data, max_pixels)


def decode_image(
    data: bytes,
    name: str,
    window: Sequence[float] | None = None,
    grey: bool = False,
) -> Pixels:
    """Decode the bytes of an image file to uint8, BGR ``(H, W, 3)``.

    With ``grey`` it is ``(H, W)``. ``window`` are two percentiles of a 16-bit
    image, which become 0 and 255; eight bits stay as they are. For errors see
    :func:`check_image`.
    """
    flags = cv2.IMREAD_GRAYSCALE if grey else cv2.IMREAD_COLOR
    with _named(name):
        deep = _check_once(data)
        if deep and window is None:
            raise ValueError(
                'it has 16 bits; set the argument window of '
                'LoadImageFromFile or LoadImageFromBytes (pack-dataset '
                '--window) to two percentiles, such as 1 and 99, or save eight'
            )
        if deep:
            flags |= cv2.IMREAD_ANYDEPTH
        img = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
        if img is None:
            raise ValueError('it is damaged')
    return img if window is None or not deep else eight_bits(img, window)


def read_image(
    path: str | os.PathLike[str], window: Sequence[float] | None = None
) -> Pixels:
    """Read an image file; see :func:`decode_image`."""
    return decode_image(read_file(path), str(path), window)


def read_whole_image(path: str | os.PathLike[str]) -> Pixels:
    """Read an image file as :func:`read_image` does, less patiently.

    Where bytes of a JPEG are lost or too many, its decoder goes on and says
    so on stderr only; here that is a ConfigError. It sees a fifth of
    single bits and most cuts: a JPEG has no check sums. For
    one thread: what others write to stderr meanwhile is lost.
    """
    with tempfile.TemporaryFile() as said:
        stderr = os.dup(2)
        os.dup2(said.fileno(), 2)
        try:
            image = read_image(path)
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
        said.seek(0)
        text = said.read().decode(errors='replace')
    with _named(str(path)):
        if _COMPLAINT in text:
            raise ValueError(' '.join(text.split()))
    return image


def convert_image(image: Image.Image) -> Pixels:
    """Turn an image of PIL into what :func:`decode_image` gives.

    Raises:
        ValueError: If the rules of this module exclude it.
    """
    check_size(*image.size)
    if image.mode not in ('1', 'L', 'LA', 'P', 'PA', 'RGB', 'RGBA', 'CMYK'):
        raise ValueError(
            f'it has the mode {image.mode}; convert it to RGB with eight bits'
        )
    _check_kind(image, lambda: image)
    # As a decoder turns what a camera was held to.
    rgb = np.asarray(ImageOps.exif_transpose(image).convert('RGB'))
    return np.ascontiguousarray(rgb[..., ::-1])


def check_size(width: int, height: int, most: int = MAX_PIXELS) -> None:
    """Refuse more pixels than ``most``, and none, by a ValueError."""
    if width * height > most:
        raise ValueError(f'it has more than {most} pixels')
    if not width * height:
        raise ValueError('it has no pixels')


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Turn errors about an image into a ConfigError with its name."""
    try:
        yield
    except Exception as error:  # decoders raise what they like
        raise ConfigError(
            f'image {name!r} cannot be read: it cannot be decoded '
            f'({one_line(error)}); restore the file'
        ) from error


def _check_once(data: bytes) -> bool:
    """Apply the rules, which take as long as decoding a small image.

    Trainings read the same files again and again. What is remembered is what
    a file holds, not its name; only files that pass are.
    """
    key = hashlib.sha256(data).digest()
    deep = _PASSED.get(key)
    if deep is None:
        deep = _check(data)
        if len(_PASSED) >= _MOST_PASSED:
            _PASSED.clear()
        _PASSED[key] = deep
    return deep


def _check(data: bytes, max_pixels: int = MAX_PIXELS) -> bool:
    """Apply the rules to an image file; tell whether it has 16 bits."""
    if not data:
        raise ValueError('it is empty')
    stream = io.BytesIO(data)
    try:
        with warnings.catch_warnings():
            # PIL's limit is higher.
            warnings.simplefilter('ignore', Image.DecompressionBombWarning)
            image = Image.open(stream, formats=FORMATS)
    except Image.DecompressionBombError:
        raise ValueError(f'it has more than {MAX_PIXELS} pixels') from None
    except UnidentifiedImageError:
        raise ValueError(f'it is none of {", ".join(FORMATS)}') from None
    check_size(*image.size, max_pixels)
    # Decoded apart: image has to be fresh for what follows.
    _check_kind(image, lambda: Image.open(io.BytesIO(data)))
    if image.format == 'PNG':
        image.verify()
    elif image.format == 'BMP':
        image.load()
    # Behind the header: a preview in there has an end of its own.
    elif data.find(END_OF_JPEG, stream.tell()) < 0:
        raise ValueError('its end is missing')
    elif data.count(SCAN_OF_JPEG) > MAX_SCANS:
        raise ValueError(f'it has more than {MAX_SCANS} scans')
    # The depth of PNG's header, which PIL's mode does not tell.
    return image.format == 'PNG' and data[24] == 16


def _check_kind(image: Image.Image, copied: Callable[[], Image.Image]) -> None:
    """Refuse several pictures in one file, inks, and what shines through."""
    frames = getattr(image, 'n_frames', 1)
    if frames > 1:
        raise ValueError(f'it holds {frames} pictures')
    if image.mode == 'CMYK':
        raise ValueError('it has the inks CMYK, save it as RGB')
    if image.has_transparency_data:
        alpha = copied().convert('RGBA').getchannel('A')
        if alpha.getextrema() != (255, 255):
            raise ValueError('it is transparent, save it without alpha')


def eight_bits(img: Pixels, window: Sequence[float]) -> Pixels:
    """Spread the levels between two percentiles over 0 to 255: uint8."""
    low, high = np.percentile(img, window)
    scaled = (img - low) * (255 / max(high - low, 1))
    levels: Pixels = np.rint(scaled).clip(0, 255).astype(np.uint8)
    return levels
