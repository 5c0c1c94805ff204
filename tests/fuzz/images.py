"""Image files that are not what they seem."""

import functools
import os
import socket
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from .cases import Try, anything, attack, damaged, refused
from .splits import linked, verified

HEIGHT, WIDTH = 96, 48


def _picture() -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)


def _encoded(suffix: str) -> bytes:
    return cv2.imencode(suffix, _picture())[1].tobytes()


def _by_pil(mode: str, form: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        Image.fromarray(_picture()).convert(mode).save(path, form)

    return write


def _thermal(path: Path) -> None:
    rng = np.random.default_rng(0)
    counts = rng.integers(7000, 9041, (HEIGHT, WIDTH)).astype(np.uint16)
    path.write_bytes(cv2.imencode('.png', counts)[1].tobytes())


def _chunk(name: bytes, data: bytes) -> bytes:
    body = name + data
    return (
        struct.pack('>I', len(data))
        + body
        + struct.pack('>I', zlib.crc32(body))
    )


def _giant(path: Path) -> None:
    """A PNG of 60,000 x 60,000 pixels in a few bytes."""
    size = struct.pack('>IIBBBBB', 60000, 60000, 8, 0, 0, 0, 0)
    data = zlib.compress(bytes(1000))
    chunks = _chunk(b'IHDR', size), _chunk(b'IDAT', data), _chunk(b'IEND', b'')
    path.write_bytes(b'\x89PNG\r\n\x1a\n' + b''.join(chunks))


def _half(suffix: str) -> Callable[[Path], object]:
    def write(path: Path) -> None:
        data = _encoded(suffix)
        path.write_bytes(data[: len(data) // 2])

    return write


def _socket(path: Path) -> None:
    where = os.getcwd()
    os.chdir(path.parent)  # its path may be too long
    socket.socket(socket.AF_UNIX).bind(path.name)
    os.chdir(where)


def _content(data: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(data)


# May they be taken by a rule that is documented?
TAKEN: dict[str, Callable[[Path], object]] = {
    'grey': _by_pil('L', 'JPEG'),
    'palette': _by_pil('P', 'PNG'),
    'alpha': _by_pil('RGBA', 'PNG'),
    'CMYK': _by_pil('CMYK', 'JPEG'),
    'one bit': _by_pil('1', 'PNG'),
    'animated': _by_pil('P', 'GIF'),
}
WRONG: dict[str, Callable[[Path], object]] = {
    'thermal counts': _thermal,
    'giant': _giant,
    'half a JPEG': _half('.jpg'),
    'half a PNG': _half('.png'),
    'half a BMP': _half('.bmp'),
    'empty': _content(b''),
    'text': _content(b'no image'),
    'zeros': _content(bytes(1000)),
    'header only': _content(_encoded('.jpg')[:20]),
    'HTML': _content(b'<html>404</html>'),
    'folder': lambda path: path.mkdir(),
    'pipe': lambda path: os.mkfifo(path),
    'socket': _socket,
    'loop': lambda path: path.symlink_to(path),
    'dangling': lambda path: path.symlink_to('gone'),
    'device': lambda path: path.symlink_to('/dev/zero'),
}
KINDS = WRONG | TAKEN


def _loaded(root: Path) -> Callable[[], object]:
    def run() -> object:
        from mmgl.datasets import SYSUMM01

        data = SYSUMM01(str(root), 'train', [dict(type='LoadImageFromFile')])
        return data[0]['img'].shape

    return run


def _packing(root: Path, folder: Path) -> Callable[[], object]:
    def run() -> object:
        from mmgl.datasets import SYSUMM01
        from mmgl.datasets.pack_writer import write_pack

        data = SYSUMM01(str(root), 'train')
        path = data.get_data_info(0)['img_path']
        write_pack(str(root), [path], str(folder / 'pack'), HEIGHT, WIDTH)
        return 'packed'

    return run


def _decoded(root: Path) -> Callable[[], object]:
    return verified('sysu', root, '--decode')


ENTRANCES = {'loaded': _loaded, 'verify-dataset': _decoded}


@functools.cache
def _first_image(source: Path) -> Path:
    """Find the file of the first training image."""
    from mmgl.datasets import SYSUMM01

    data = SYSUMM01(str(source), 'train')
    return Path(data.get_data_info(0)['img_path'])


@attack('image', short=44, long=300, seconds=20)
def image(
    base: Path, folder: Path, number: int, rng: np.random.Generator
) -> Try:
    """The first image of the training set, replaced or damaged."""
    source = base / 'sysu'
    root = linked(source, folder, 'exp')
    path = root / _first_image(source).relative_to(source)
    # All folders above it are this input's own, what they hold is not.
    for folder_of in (path.parent.parent, path.parent):
        folder_of.unlink()
        folder_of.mkdir()
        for one in (source / folder_of.relative_to(root)).iterdir():
            (folder_of / one.name).symlink_to(one)
    path.unlink()
    names = [*ENTRANCES, 'packed']
    if number < len(KINDS) * len(names):
        name = names[number // len(KINDS)]
        kind = list(KINDS)[number % len(KINDS)]
        KINDS[kind](path)
        fine = anything if kind in TAKEN else refused
    else:
        name = names[number % len(names)]
        kind, data = damaged(_encoded('.png'), rng)
        path.write_bytes(data)
        # Its sums find damage; behind its end there may be anything.
        fine = anything
    run = _packing(root, folder) if name == 'packed' else ENTRANCES[name](root)
    return Try(f'{name}, {kind}', run, fine)
