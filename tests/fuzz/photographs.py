"""What a program may give an Embedder for images, boxes and modalities."""

import functools
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from .cases import Try, anything, attack, damaged, refused, same
from .images import TAKEN, WRONG

GREY = np.zeros((60, 30), np.uint8)


@functools.cache
def opened(base: Path) -> object:
    """Open the good bundle once a process."""
    import mmgl

    return mmgl.Embedder(base / 'bundle', batch_size=4, workers=1)


def _embedded(base: Path, images: object, **how: object) -> Callable:
    def run() -> object:
        given = images() if callable(images) else images
        rows = opened(base).embed(given, **dict(dict(modality=0), **how))
        norms = np.linalg.norm(rows, axis=1)
        if not np.allclose(norms, 1, atol=1e-4):
            return f'lengths {norms}'
        return rows.round(6).tolist()

    return run


def _itself() -> list:
    images: list = []
    images.append(images)
    return images


def _lazy(data: bytes) -> Callable[[], object]:
    """An image of PIL that is decoded late."""
    return lambda: Image.open(io.BytesIO(data))


def _png(array: np.ndarray, mode: str | None = None) -> bytes:
    image, file = Image.fromarray(array), io.BytesIO()
    (image.convert(mode) if mode else image).save(file, 'PNG')
    return file.getvalue()


class Fake:
    """Has a method of PIL's name."""

    def convert(self, mode: str) -> object:
        return [1, 2, 3]


CLEAR = np.zeros((60, 30, 4), np.uint8)
DEEP = np.linspace(0, 65535, 1800).reshape(60, 30).astype(np.uint16)
CUT = _png(np.random.default_rng(0).integers(0, 255, (60, 30), np.uint8))
OBJECTS: dict[str, object] = {
    'None': None,
    'number': 7,
    'truth': True,
    'dict': {'a': 1},
    'nothing': [],
    'empty text': '',
    'missing file': 'gone.png',
    'pattern of nothing': 'gone/*.png',
    'NUL in a path': 'a\0b.png',
    'surrogate in a path': '\udce9.png',
    'long path': 'a' * 5000,
    'URL': 'http://127.0.0.1:9/a.png',
    'other file': '/etc/passwd',
    'folder without images': '/proc/self/attr',
    'list in itself': _itself,
    'no image in a list': [GREY, None],
    'bytes': b'abc',
    'no bytes': b'',
    'text in a list': ['gone.png'],
    'floats': GREY / 255,
    '16 bits': DEEP,
    'truths': GREY.astype(bool),
    'objects': GREY.astype(object),
    'four channels': CLEAR,
    'two channels': CLEAR[..., :2],
    'one row of numbers': GREY[0],
    'scalar': np.uint8(3),
    'no pixels': GREY[:0],
    'no width': np.zeros((9, 0, 3), np.uint8),
    'channels first': np.zeros((3, 60, 30), np.uint8),
    'batch of floats': np.zeros((2, 60, 30, 3)),
    'five dimensions': np.zeros((1, 1, 60, 30, 4), np.uint8),
    'huge array': lambda: np.broadcast_to(np.uint8(0), (10**5, 10**5, 3)),
    'PIL, 16 bits': Image.fromarray(DEEP),
    'PIL, floats': Image.fromarray(GREY.astype(np.float32)),
    'PIL, transparent': Image.fromarray(CLEAR),
    'PIL, transparent palette': _lazy(_png(CLEAR, 'P')),
    'PIL, inks': Image.fromarray(CLEAR).convert('CMYK'),
    'PIL, cut': _lazy(CUT[:-40]),
    'PIL, damaged': _lazy(CUT[:60] + b'\xff' * 9 + CUT[69:]),
    'PIL, closed': lambda: _closed(),
    'PIL, no pixels': Image.new('RGB', (0, 5)),
    'fake': Fake(),
}


def _closed() -> Image.Image:
    image = Image.open(io.BytesIO(CUT))
    image.close()
    return image


BOXES: dict[str, object] = {
    'none': [],
    'too many': [[[0, 0, 9, 9]]] * 2,
    'flat': [0, 0, 9, 9],
    'text': ['abcd'],
    'number': 3,
    'three numbers': [[[0, 0, 9]]],
    'ragged': [[[0, [1], 9, 9]]],
    'words': [[['a', 'b', 'c', 'd']]],
    'NaN': [[[0, float('nan'), 9, 9]]],
    'infinite': [[[0, 0, float('inf'), 9]]],
    'huge': [[[0, 0, 1e300, 1e300]]],
    'far away': [[[1e300, 1e300, 1.1e300, 1.1e300]]],
    'far before': [[[-1.1e300, 0, -1e300, 9]]],
    'complex': [[[0, 0, 9j, 9]]],
    'None': [[[None] * 4]],
    'backwards': [[[9, 9, 0, 0]]],
    'empty': [[[5, 5, 5, 5]]],
    'outside': [[[500, 500, 600, 600]]],
    'text for a box': [['0099']],
    'dict': [{'x': 1}],
}
MODALITIES = (
    *(None, 2, -1, True, 1.0, 'Visible', '', b'visible', [], {}, [0, 1]),
    *([None], [[0]], object(), float('nan'), 10**30, ['gone']),
)
# To the last pixel, and no further: that is how boxes are cut.
CUTS = ('huge',)
FIXED = [
    *(('images', kind) for kind in OBJECTS),
    *(('boxes', kind) for kind in BOXES),
    *(('modality', number) for number in range(len(MODALITIES))),
    *(('file', kind) for kind in WRONG | TAKEN),
    *(('bytes', kind) for kind in WRONG | TAKEN),
    *(('strip', number) for number in range(6)),
]


@attack('photograph', short=60, long=len(FIXED) + 120, seconds=20)
def photograph(
    base: Path, folder: Path, number: int, rng: np.random.Generator
) -> Try:
    """Objects, boxes, modalities, files and bytes that are no images."""
    good = (base / 'person.png').read_bytes()
    if number >= len(FIXED):
        kind, data = damaged(good, rng)
        whole = _embedded(base, good)()
        return Try(f'bytes, {kind}', _embedded(base, data), same(whole))
    # Steps that share no factor with their number visit all.
    place, kind = FIXED[number * 101 % len(FIXED)]
    if place == 'images':
        run = _embedded(base, OBJECTS[kind])
    elif place == 'boxes':
        run = _embedded(base, good, boxes=BOXES[kind])
        if kind in CUTS:
            whole = _embedded(base, good)()
            return Try(f'boxes, {kind}', run, same(whole))
    elif place == 'modality':
        given = MODALITIES[kind]
        run, kind = _embedded(base, good, modality=given), repr(given)[:20]
    elif place == 'strip':
        # However long and narrow, a picture is resized.
        height, width = ((1, 1), (1, 10**5), (10**5, 1))[kind % 3]
        array = np.full((height, width, 3), 99, np.uint8)
        given = array if kind < 3 else _png(array)
        return Try(f'{height} x {width}', _embedded(base, given), anything)
    else:
        path = folder / 'a.png'
        (WRONG | TAKEN)[kind](path)
        if place == 'bytes' and not path.is_file():
            kind, given = 'a byte', b'a'
        else:
            given = path.read_bytes() if place == 'bytes' else path
        fine = anything if kind in TAKEN else refused
        return Try(f'{place}, {kind}', _embedded(base, given), fine)
    return Try(f'{place}, {kind}', run)
