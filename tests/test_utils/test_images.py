"""Image files that are not what they seem."""

import io
import os
import socket
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from mmgl.utils import images
from mmgl.utils.errors import ConfigError
from mmgl.utils.images import (
    decode_image,
    read_file,
    read_image,
    read_whole_image,
)


def picture(seed=0, shape=(40, 20, 3)):
    rng = np.random.default_rng(seed)
    img = rng.integers(0, 256, shape, dtype=np.uint8)
    return cv2.GaussianBlur(img, (5, 5), 2)


def encoded(suffix, img=None):
    return cv2.imencode(suffix, picture() if img is None else img)[1].tobytes()


def by_pil(kind, mode='RGB', **options):
    file = io.BytesIO()
    img = Image.fromarray(picture()[..., ::-1]).convert(mode)
    img.save(file, kind, **options)
    return file.getvalue()


def png(width, height, depth=8, colour=2, rows=b''):
    """A PNG whose header may promise anything; its sums are right."""
    header = struct.pack('>IIBBBBB', width, height, depth, colour, 0, 0, 0)
    content = b'\x89PNG\r\n\x1a\n'
    for name, body in (
        (b'IHDR', header),
        (b'IDAT', zlib.compress(rows)),
        (b'IEND', b''),
    ):
        check = struct.pack('>I', zlib.crc32(name + body))
        content += struct.pack('>I', len(body)) + name + body + check
    return content


def refused(data, text):
    with pytest.raises(ConfigError, match=text) as info:
        decode_image(data, 'some.jpg')
    assert "'some.jpg'" in str(info.value) and '\n' not in str(info.value)


@pytest.mark.parametrize('suffix', ['.jpg', '.png', '.bmp'])
def test_sound_images_are_opencvs(tmp_path, suffix):
    data = encoded(suffix)
    expected = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    # The name does not matter, bytes behind the end neither.
    path = tmp_path / 'x.jpg'
    path.write_bytes(data)
    assert np.array_equal(read_image(path), expected)
    assert np.array_equal(decode_image(data + b'\0' * 9, 'x'), expected)
    grey = decode_image(data, 'x', grey=True)
    assert grey.shape == (40, 20) and grey.dtype == np.uint8


@pytest.mark.parametrize('suffix', ['.jpg', '.png', '.bmp'])
@pytest.mark.parametrize('share', [0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99])
def test_truncated_images(suffix, share):
    data = encoded(suffix)
    refused(data[: int(len(data) * share)], 'cannot be read')


@pytest.mark.parametrize('options', [dict(), dict(progressive=True)])
def test_truncated_behind_a_preview_that_has_an_end(options):
    data = by_pil('JPEG', **options)
    preview = encoded('.jpg', picture(1, (8, 8, 3)))
    # As cameras store it: in a segment of the header.
    segment = b'Exif\0\0' + preview
    segment = b'\xff\xe1' + struct.pack('>H', len(segment) + 2) + segment
    data = data[:2] + segment + data[2:]
    assert decode_image(data, 'x').shape == (40, 20, 3)
    for cut in (len(data) - 2, len(data) - 50):
        refused(data[:cut], 'its end is missing')


def test_flipped_bits_of_png():
    data = encoded('.png')
    for place in range(20, len(data), len(data) // 20):
        broken = bytearray(data)
        broken[place] ^= 16
        refused(bytes(broken), 'cannot be read')


@pytest.mark.parametrize(
    'data, text',
    [
        (b'', 'is empty'),
        (b'no image', 'none of JPEG, PNG, BMP'),
        (b'\0' * 500, 'none of JPEG'),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', 'none of JPEG'),
        (b'\xff\xd8\xff\xd9', 'cannot be read'),
        (by_pil('GIF', 'P'), 'none of JPEG'),
        (by_pil('TIFF'), 'none of JPEG'),
        (by_pil('JPEG', 'CMYK'), 'inks CMYK'),
        (by_pil('PNG', 'RGB', save_all=True, append_images=[
            Image.fromarray(picture(1))]), 'holds 2 pictures'),
        (by_pil('MPO', 'RGB', save_all=True, append_images=[
            Image.fromarray(picture(1))]), 'holds 2 pictures'),
        (png(30_000, 30_000), 'more than 67108864 pixels'),
        (png(2**31 - 1, 2**31 - 1), 'cannot be read'),
        (png(10, 10, rows=b'\0' * 31 * 5), 'cannot be read'),
        (png(0, 10), 'cannot be read'),
    ],
)  # fmt: skip
def test_what_is_no_picture(data, text):
    refused(data, text)


def test_large_images_are_refused_from_their_header(recwarn):
    refused(png(8193, 8192), 'more than 67108864 pixels')
    refused(png(12_000, 9_000), 'more than 67108864 pixels')
    assert not recwarn.list


def test_scans_without_end_are_refused():
    """Of 30 bytes each, they keep a decoder busy for minutes."""
    data = by_pil('JPEG', progressive=True)
    start = data.rfind(b'\xff\xda')
    scan = data[start:-2]
    refused(data[:start] + 1000 * scan + data[start:], 'more than 1000 scans')
    few = decode_image(data[:start] + 10 * scan + data[start:], 'some.jpg')
    np.testing.assert_array_equal(few.shape, (40, 20, 3))


def test_alpha_must_be_opaque():
    img = np.dstack([picture(), np.full((40, 20), 255, np.uint8)])
    opaque = decode_image(encoded('.png', img), 'x')
    assert np.array_equal(opaque, img[..., :3])
    img[3, 4, 3] = 254
    refused(encoded('.png', img), 'is transparent')
    # An entry of the palette that the first pixel has.
    entry = Image.fromarray(picture()[..., ::-1]).convert('P').getpixel((0, 0))
    refused(by_pil('PNG', 'P', transparency=entry), 'is transparent')
    grey = Image.fromarray(img[..., 0]).convert('LA')
    grey.putpixel((0, 0), (7, 0))
    file = io.BytesIO()
    grey.save(file, 'PNG')
    refused(file.getvalue(), 'is transparent')


@pytest.mark.parametrize('mode', ['P', 'L', '1'])
def test_palettes_and_grey_become_their_colours(mode):
    data = by_pil('PNG', mode)
    with Image.open(io.BytesIO(data)) as image:
        expected = np.asarray(image.convert('RGB'))[..., ::-1]
    assert np.array_equal(decode_image(data, 'x'), expected)


# ---- sixteen bits ----------------------------------------------------------


def thermal(shape=(40, 20)):
    """Counts of a thermal camera: 7,000 to 9,040."""
    return np.linspace(7000, 9040, np.prod(shape)).reshape(shape).round()


def test_sixteen_bits_need_a_window():
    data = encoded('.png', thermal().astype(np.uint16))
    refused(data, '16 bits; set the argument window of LoadImageFromFile')
    whole = decode_image(data, 'x', window=(0, 100))
    assert whole.dtype == np.uint8 and whole.shape == (40, 20, 3)
    expected = np.rint((thermal() - 7000) * 255 / 2040)
    assert np.array_equal(whole, np.repeat(expected[..., None], 3, 2))
    assert len(np.unique(whole)) == 256
    inner = decode_image(data, 'x', window=(10, 90), grey=True)
    assert inner.shape == (40, 20)
    assert (inner == 0).mean() == pytest.approx(0.1, abs=0.01)
    assert (inner == 255).mean() == pytest.approx(0.1, abs=0.01)


def test_sixteen_bits_of_colour_and_of_one_level():
    img = np.dstack([thermal()] * 3).astype(np.uint16)
    refused(encoded('.png', img), '16 bits')
    assert decode_image(encoded('.png', img), 'x', (0, 100)).max() == 255
    flat = np.full((8, 4), 5000, np.uint16)
    assert not decode_image(encoded('.png', flat), 'x', (1, 99)).any()


@pytest.mark.parametrize('suffix', ['.jpg', '.png', '.bmp'])
def test_a_window_leaves_eight_bits_alone(suffix):
    data = encoded(suffix)
    assert np.array_equal(
        decode_image(data, 'x', window=(1, 99)), decode_image(data, 'x')
    )


# ---- files -----------------------------------------------------------------


def test_what_is_no_file_does_not_hang(tmp_path):
    pipe, address = tmp_path / 'a.jpg', tmp_path / 'b.jpg'
    os.mkfifo(pipe)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(address))
        for path in (pipe, address, tmp_path, '/dev/zero', '/dev/null'):
            with pytest.raises(ConfigError, match='no regular file'):
                read_image(path)
    with pytest.raises(FileNotFoundError):
        read_file(tmp_path / 'gone.jpg')
    large = tmp_path / 'large.jpg'
    with large.open('wb') as file:
        file.truncate(2**40)
    with pytest.raises(ConfigError, match='larger than'):
        read_file(large)


def test_what_follows_the_rules_is_checked_once(monkeypatch):
    checked, check = [], images._check
    monkeypatch.setattr(images, '_PASSED', {})
    monkeypatch.setattr(images, '_MOST_PASSED', 3)
    monkeypatch.setattr(
        images, '_check', lambda data: [checked.append(data), check(data)][1]
    )
    good = [encoded('.png', picture(seed)) for seed in range(5)]
    bad = good[0][:-20]
    for _ in range(3):
        assert np.array_equal(decode_image(good[0], 'a'), picture(0))
        refused(bad, 'cannot be decoded')
    assert checked == [good[0], bad, bad, bad]
    for data in good:
        decode_image(data, 'a')
        assert len(images._PASSED) <= 3
    deep = png(1, 1, depth=16, colour=0, rows=b'\0\1\2')
    for _ in range(2):
        refused(deep, 'window')


def test_what_a_decoder_says_of_a_cut_jpeg_is_heard(tmp_path, capfd):
    rng = np.random.default_rng(0)
    image = cv2.resize(rng.integers(0, 256, (12, 6, 3), np.uint8), (144, 288))
    path, told = tmp_path / 'a.jpg', 0
    data = cv2.imencode('.jpg', image)[1].tobytes()
    path.write_bytes(data)
    assert np.array_equal(read_whole_image(path), read_image(path))
    start = data.index(b'\xff\xda') + 14
    for place in np.linspace(start, len(data) - 120, 30, dtype=int):
        path.write_bytes(data[:place] + data[place + 100 :])
        assert read_image(path).shape == image.shape
        try:
            read_whole_image(path)
        except ConfigError as error:
            told += 1
            assert 'Corrupt JPEG data' in str(error) and 'a.jpg' in str(error)
    if not capfd.readouterr().err:
        pytest.skip('this decoder says nothing')
    assert told >= 10
