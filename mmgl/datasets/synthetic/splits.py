"""Which person is seen where, and the split files that say so."""

import io
from typing import NamedTuple

import numpy as np

from mmgl.protocols.regdb import FILE_WORDS, split_file_name
from mmgl.protocols.sysu import (
    ALL_CAMERAS,
    RAND_PERM_NAME,
    TRIALS,
    id_file_name,
)

_MAT_TEXT = b'MATLAB 5.0 MAT-file, written by the mmgl synthetic data set'


class Shot(NamedTuple):
    """Images ``1..count`` of one person under one camera."""

    pid: int
    camid: int
    count: int


def draw_pids(preset, seed):
    """Assign raw person numbers to the splits of a SYSU layout.

    Numbers are drawn without replacement, so splits are disjoint and, as in
    the real set, neither contiguous nor in blocks.

    Args:
        preset (SYSUPreset): Number of ids per split.
        seed (int): Seed of the data set.

    Returns:
        dict[str, list[int]]: Person numbers of each split, in drawn order.
    """
    rng = np.random.default_rng([seed, 1])
    order = [int(v) for v in rng.permutation(preset.max_pid) + 1]
    pids, start = {}, 0
    for split, count in preset.ids.items():
        pids[split] = order[start : start + count]
        start += count
    return pids


def plan_sysu(preset, seed):
    """List the shots of a SYSU layout.

    Args:
        preset (SYSUPreset): Spans of every split.
        seed (int): Seed of the data set.

    Returns:
        tuple: dict split -> list of pids, and list[Shot] in ascending order.
    """
    pids = draw_pids(preset, seed)
    shots = []
    for split, spans in preset.spans.items():
        for camid, start, stop, total in spans:
            number = stop - start
            for i in range(number):
                # Bresenham's rule spreads the total evenly over the ids.
                count = (i + 1) * total // number - i * total // number
                shots.append(Shot(pids[split][start + i], camid, count))
    return pids, sorted(shots)


def sysu_split_files(preset, seed):
    """Make the files of the ``exp`` folder.

    Args:
        preset (SYSUPreset): The sizes.
        seed (int): Seed of the data set.

    Returns:
        dict[str, bytes]: File name below ``exp`` -> content.
    """
    pids, shots = plan_sysu(preset, seed)
    pids = dict(pids, available=sum(pids.values(), []))
    files = {
        id_file_name(split): (
            ','.join(str(v) for v in sorted(values)) + '\n'
        ).encode()
        for split, values in pids.items()
    }
    files[RAND_PERM_NAME] = rand_perm_mat(shots, seed)
    return files


def rand_perm_mat(shots, seed):
    """Make ``rand_perm_cam.mat``: ten orders of the images of every folder.

    The variable ``rand_perm_cam`` is a 6 x 1 cell of (number of ids) x 1
    cells of 10 x n permutations that count from 1, as in SYSU-MM01; a cell
    is empty where the camera did not see the person.

    Args:
        shots (list[Shot]): All folders and their image counts.
        seed (int): Seed of the data set.

    Returns:
        bytes: The file; the time stamp in its header is overwritten.
    """
    from scipy.io import savemat

    height = max(shot.pid for shot in shots)
    cells = np.empty((len(ALL_CAMERAS), 1), object)
    for row in range(len(ALL_CAMERAS)):
        cells[row, 0] = np.empty((height, 1), object)
        for pid in range(height):
            cells[row, 0][pid, 0] = np.zeros((0, 0), np.uint8)
    for pid, camid, count in shots:
        rng = np.random.default_rng([seed, 2, pid, camid])
        draws = [rng.permutation(count) + 1 for _ in range(TRIALS)]
        kind = np.uint8 if count < 256 else np.uint16
        cells[camid - 1, 0][pid - 1, 0] = np.stack(draws).astype(kind)
    buffer = io.BytesIO()
    savemat(buffer, {'rand_perm_cam': cells})
    content = bytearray(buffer.getvalue())
    content[:116] = _MAT_TEXT.ljust(116)
    return bytes(content)


def regdb_name(pid, modality, frame, heading):
    """Return the path of a RegDB image below the root.

    Args:
        pid (int): Person number.
        modality (int): 0 visible, 1 thermal.
        frame (int): 1-based frame number of the person.
        heading (float): 0 for a front, pi for a back view.

    Returns:
        str: For example ``Visible/7/front_v_00061_7.jpg``.
    """
    folder, letter = ('Thermal', 't') if modality else ('Visible', 'v')
    view = 'front' if abs(heading) < 1 else 'back'
    number = (pid - 1) * 10 + frame
    return f'{folder}/{pid}/{view}_{letter}_{number:05d}_{pid}.jpg'


def regdb_split_files(preset, seed, heading):
    """Make the files of the ``idx`` folder.

    Every trial halves the ids anew and numbers them in drawn order.

    Args:
        preset (RegDBPreset): The sizes.
        seed (int): Seed of the data set.
        heading (Callable[[int], float]): Heading of a person's sequence.

    Returns:
        dict[str, bytes]: File name below ``idx`` -> content.
    """
    files = {}
    for trial in range(1, preset.trials + 1):
        rng = np.random.default_rng([seed, 3, trial])
        order = [int(v) for v in rng.permutation(preset.num_ids) + 1]
        half = preset.num_ids // 2
        for split, pids in (('train', order[:half]), ('test', order[half:])):
            for modality in FILE_WORDS:
                lines = [
                    f'{regdb_name(pid, modality, frame, heading(pid))} '
                    f'{label}\n'
                    for label, pid in enumerate(pids)
                    for frame in range(1, preset.frames + 1)
                ]
                name = split_file_name(split, modality, trial)
                files[name] = ''.join(lines).encode()
    return files
