"""Which person is seen where, and the split files that say so."""

import io
from collections.abc import Callable, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np

from mmgl.protocols import sysu
from mmgl.protocols.llcm import FILE_WORDS as LLCM_WORDS
from mmgl.protocols.llcm import TEST_ID_NAME, camera_folder, list_name
from mmgl.protocols.regdb import FILE_WORDS, split_file_name

from .presets import LLCMPreset, RegDBPreset, SYSUPreset

_MAT_TEXT = b'MATLAB 5.0 MAT-file, written by the mmgl synthetic data set'


class Shot(NamedTuple):
    """Images ``1..count`` of one person under one camera."""

    pid: int
    camid: int
    count: int  # type: ignore[assignment]  # a tuple has a method count


def plan_sysu(
    preset: SYSUPreset, seed: int
) -> tuple[dict[str, list[int]], list[Shot]]:
    """List the pids of each split, drawn at random, and sorted shots."""
    rng = np.random.default_rng([seed, 1])
    order = iter((rng.permutation(preset.max_pid) + 1).tolist())
    pids = {s: list(islice(order, n)) for s, n in preset.ids.items()}
    shots = []
    for split, spans in preset.spans.items():
        for camid, start, stop, total in spans:
            number = stop - start
            for i in range(number):
                # Bresenham's rule spreads the total evenly over the ids.
                count = (i + 1) * total // number - i * total // number
                shots.append(Shot(pids[split][start + i], camid, count))
    return pids, sorted(shots)


def sysu_split_files(preset: SYSUPreset, seed: int) -> dict[str, bytes]:
    """Make the files of the ``exp`` folder: name -> content."""
    pids, shots = plan_sysu(preset, seed)
    pids = dict(pids, available=sum(pids.values(), []))
    files = {sysu.RAND_PERM_NAME: rand_perm_mat(shots, seed)}
    for split, values in pids.items():
        text = ','.join(str(v) for v in sorted(values)) + '\n'
        files[sysu.id_file_name(split)] = text.encode()
    return files


def rand_perm_mat(shots: Sequence[Shot], seed: int) -> bytes:
    """Make ``rand_perm_cam.mat``, cells (6, 1) of (ids, 1) of (10, n)."""
    from scipy.io import savemat

    height = max(shot.pid for shot in shots)
    cells = np.empty((len(sysu.ALL_CAMERAS), 1), object)
    for row in cells:
        row[0] = np.empty((height, 1), object)
        for cell in row[0]:
            cell[0] = np.zeros((0, 0), np.uint8)
    for pid, camid, count in shots:
        rng = np.random.default_rng([seed, 2, pid, camid])
        draws = [rng.permutation(count) + 1 for _ in range(sysu.TRIALS)]
        kind = np.uint8 if count < 256 else np.uint16
        cells[camid - 1, 0][pid - 1, 0] = np.stack(draws).astype(kind)
    buffer = io.BytesIO()
    savemat(buffer, {'rand_perm_cam': cells})
    content = bytearray(buffer.getvalue())
    content[:116] = _MAT_TEXT.ljust(116)
    return bytes(content)


def regdb_name(pid: int, modality: int, frame: int, heading: float) -> str:
    """Name the image of a frame from 1; a heading of 0 is a front view.

    >>> regdb_name(7, 0, 1, 0.0)
    'Visible/7/front_v_00061_7.jpg'
    """
    folder, letter = ('Thermal', 't') if modality else ('Visible', 'v')
    view = 'front' if abs(heading) < 1 else 'back'
    number = (pid - 1) * 10 + frame
    return f'{folder}/{pid}/{view}_{letter}_{number:05d}_{pid}.jpg'


def regdb_split_files(
    preset: RegDBPreset, seed: int, heading: Callable[[int], float]
) -> dict[str, bytes]:
    """Make the files of ``idx``, halved anew in every trial."""
    files, half = {}, preset.num_ids // 2
    for trial in range(1, preset.trials + 1):
        rng = np.random.default_rng([seed, 3, trial])
        order = (rng.permutation(preset.num_ids) + 1).tolist()
        for split, pids in (('train', order[:half]), ('test', order[half:])):
            for modality in FILE_WORDS:
                lines = [
                    f'{regdb_name(pid, modality, n, heading(pid))} {label}\n'
                    for label, pid in enumerate(pids)
                    for n in range(1, preset.frames + 1)
                ]
                name = split_file_name(split, modality, trial)
                files[name] = ''.join(lines).encode()
    return files


class LLCMShot(NamedTuple):
    """An image of a person, ``number`` from 1, where it belongs."""

    path: str
    pid: int
    modality: int
    camid: int
    number: int


def plan_llcm(
    preset: LLCMPreset, seed: int
) -> tuple[dict[str, list[int]], dict[str, list[LLCMShot]]]:
    """List the pids and the images of each half of a layout."""
    rng = np.random.default_rng([seed, 4])
    order = iter((rng.permutation(preset.max_pid) + 1).tolist())
    pids = {half: sorted(islice(order, n)) for half, n in preset.ids.items()}
    shots = {
        half: [
            LLCMShot(llcm_name(half, pid, m, camid, n), pid, m, camid, n)
            for m in LLCM_WORDS
            for place, pid in enumerate(people)
            for camid in preset.cameras_of(place)[m]
            for n in range(1, preset.images + 1)
        ]
        for half, people in pids.items()
    }
    return pids, shots


def llcm_name(
    half: str, pid: int, modality: int, camid: int, number: int
) -> str:
    """Name an image of 'train' or 'test'.

    >>> llcm_name('train', 7, 1, 4, 2)
    'nir/0007/0007_c04_s000000_f0002_nir.jpg'
    """
    word = LLCM_WORDS[modality]
    folder = f'{word}/{pid:04d}'
    if half == 'test':
        folder = camera_folder(modality, camid, pid)
    name = f'{pid:04d}_c{camid:02d}_s000000_f{number:04d}_{word}.jpg'
    return f'{folder}/{name}'


def llcm_split_files(preset: LLCMPreset, seed: int) -> dict[str, bytes]:
    """Make the files of the ``idx`` folder: name -> content."""
    pids, shots = plan_llcm(preset, seed)
    labels = {pid: label for label, pid in enumerate(pids['train'])}
    text = ','.join(map(str, pids['test'])) + '\n'
    files = {TEST_ID_NAME: text.encode()}
    for modality in LLCM_WORDS:
        lines = [
            f'{shot.path} {labels[shot.pid]}\n'
            for shot in shots['train']
            if shot.modality == modality
        ]
        files[list_name('train', modality)] = ''.join(lines).encode()
    return files
