"""MATLAB files, sound and damaged, read without trusting them."""

import os
import struct
import zlib

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from mmgl.protocols.matfile import HEADER_BYTES, load_mat


def variables():
    rng = np.random.default_rng(0)
    cell = np.empty((5, 1), dtype=object)
    for row in range(5):
        cell[row, 0] = rng.random((row, 3)).astype(np.float32)
    outer = np.empty((1, 2), dtype=object)
    outer[0, 0], outer[0, 1] = cell, np.zeros((0, 0))
    return dict(
        ids=np.arange(12).reshape(3, 4),
        small=np.array([[7]], dtype=np.uint8),
        cube=rng.random((2, 3, 4)),
        cell=outer,
        empty=np.zeros((0, 0)),
        complex=np.array([[1 + 2j]]),
    )


def same(one, other):
    assert one.dtype == other.dtype and one.shape == other.shape
    if one.dtype == object:
        for a, b in zip(one.ravel(), other.ravel(), strict=True):
            same(a, b)
    else:
        assert np.array_equal(one, other)


@pytest.fixture(params=[False, True], ids=['plain', 'compressed'])
def path(tmp_path, request):
    path = tmp_path / 'some.mat'
    others = dict(text='hello', record=dict(x=1))
    savemat(path, variables() | others, do_compression=request.param)
    return path


def test_equals_scipy(path):
    ours, theirs = load_mat(path), loadmat(path)
    # Text and records are left out.
    assert set(ours) == set(variables())
    for name, values in ours.items():
        same(values, theirs[name])
        assert values.dtype == object or np.isfinite(values).all()


def test_big_endian(tmp_path):
    path = tmp_path / 'big.mat'
    parts = [(6, struct.pack('>II', 6, 0)), (5, struct.pack('>ii', 1, 3))]
    parts += [(1, b'id'), (9, struct.pack('>3d', 4, 5, 7))]
    body = b''.join(
        struct.pack('>II', kind, len(data)) + data + b'\0' * (-len(data) % 8)
        for kind, data in parts
    )
    header = b'MATLAB 5.0'.ljust(124) + b'\1\0MI'
    path.write_bytes(header + struct.pack('>II', 14, len(body)) + body)
    assert load_mat(path)['id'].tolist() == [[4, 5, 7]]
    assert loadmat(path)['id'].tolist() == [[4, 5, 7]]


def test_damaged_files_end_in_one_sentence(path):
    sound = path.read_bytes()
    rng = np.random.default_rng(3)
    refused = 0
    for number in range(1500):
        data = bytearray(sound)
        for place in rng.integers(HEADER_BYTES, len(data), 3):
            data[place] = rng.choice([0, 1, 127, 255])
        if number % 3 == 0:
            del data[rng.integers(len(data)) :]
        path.write_bytes(data)
        try:
            load_mat(path)
        except ValueError as error:
            refused += 1
            assert str(path) in str(error) and '\n' not in str(error)
    assert refused > 500


@pytest.mark.parametrize(
    'content',
    [b'', b'no mat file', b'MATLAB 5.0'.ljust(124), b'\x80\x04N.' * 90],
)
def test_other_files(tmp_path, content):
    path = tmp_path / 'other.mat'
    path.write_bytes(content)
    words = 'other.mat cannot be read as a MATLAB'
    with pytest.raises(ValueError, match=words):
        load_mat(path)


def test_a_header_alone_holds_nothing(path):
    path.write_bytes(path.read_bytes()[:HEADER_BYTES])
    assert load_mat(path) == {}


def test_no_bomb_is_unpacked(path):
    bomb = zlib.compress(struct.pack('<II', 14, 2**31 + 8) * 1000)
    head = path.read_bytes()[:HEADER_BYTES]
    path.write_bytes(head + struct.pack('<II', 15, len(bomb)) + bomb)
    with pytest.raises(ValueError, match='bytes promised'):
        load_mat(path)
    # A cell that claims 10^12 entries.
    parts = struct.pack('<IIII', 6, 8, 1, 0)
    parts += struct.pack('<IIii', 5, 8, 10**6, 10**6)
    parts += struct.pack('<II', 1, 0)
    path.write_bytes(head + struct.pack('<II', 14, len(parts)) + parts)
    with pytest.raises(ValueError, match='cell of 1000000000000 entries'):
        load_mat(path)


def test_what_is_no_file_or_of_another_version(path, tmp_path):
    os.mkfifo(tmp_path / 'pipe.mat')
    for name in ('pipe.mat', 'gone.mat', '.'):
        with pytest.raises(FileNotFoundError, match='there is no file'):
            load_mat(tmp_path / name)
    data = bytearray(path.read_bytes())
    data[124:126] = b'\0\2'
    path.write_bytes(data)
    with pytest.raises(NotImplementedError, match='7.3'):
        load_mat(path)
