"""A slow, literal evaluation to compare with, written as nested loops.

It follows the wording of the official protocol: build the gallery of a
trial camera by camera, sort each query's distances with a stable sort, drop
the query's own place, drop repeated identities for the CMC only.
"""

import math

import numpy as np
from scipy.io import savemat

PLACE = {1: 1, 2: 2, 3: 2, 4: 4, 5: 5, 6: 6}
CAMERAS = {'all': [1, 2, 4, 5], 'indoor': [1, 2]}


def plain_distance(a, b):
    total = 0.0
    for x, y in zip(a.tolist(), b.tolist(), strict=True):
        total += (x - y) * (x - y)
    return math.sqrt(total)


def rank_query(distances, gallery):
    """Gallery entries (pid, place) from near to far, ties as they come."""
    order = sorted(range(len(gallery)), key=lambda i: distances[i])
    return [gallery[i] for i in order]


def score_query(ranking, pid, place, max_rank, unique):
    """None without a match, else (cmc hit list, AP, INP)."""
    kept = [entry for entry in ranking if entry[1] != place]
    places_of_hits = [
        r for r, entry in enumerate(kept, start=1) if entry[0] == pid
    ]
    if not places_of_hits:
        return None
    precision = [k / r for k, r in enumerate(places_of_hits, start=1)]
    walk = []
    for entry in kept:
        if not unique or entry[0] not in walk:
            walk.append(entry[0])
    first = walk.index(pid) + 1
    cmc = [1.0 if first <= r else 0.0 for r in range(1, max_rank + 1)]
    return (
        cmc,
        sum(precision) / len(precision),
        len(places_of_hits) / places_of_hits[-1],
    )


def score(matrix, queries, gallery, max_rank=20, unique=True):
    """Mean CMC, AP, INP; queries and gallery are lists of (pid, place)."""
    found = []
    for row, (pid, place) in zip(matrix, queries, strict=True):
        one = score_query(
            rank_query(row, gallery), pid, place, max_rank, unique
        )
        if one is not None:
            found.append(one)
    if not found:
        return None
    return tuple(np.mean([one[i] for one in found], axis=0) for i in range(3))


def official(cells, permutations, test_ids, mode, shots, trial):
    """Figures of one trial; cells[cam][pid] is an (n, d) matrix.

    permutations[cam][pid] is (10, n); cameras and ids without images have no
    entry.
    """
    gallery, gallery_rows, queries, query_rows = [], [], [], []
    for cam in CAMERAS[mode]:
        for pid in sorted(test_ids):
            if pid not in permutations[cam]:
                continue
            for number in permutations[cam][pid][trial][:shots]:
                gallery.append((pid, PLACE[cam]))
                gallery_rows.append(cells[cam][pid][number - 1])
    for cam in [3, 6]:
        for pid in sorted(test_ids):
            if pid in permutations[cam]:
                for row in cells[cam][pid]:
                    queries.append((pid, PLACE[cam]))
                    query_rows.append(row)
    matrix = [[plain_distance(q, g) for g in gallery_rows] for q in query_rows]
    result = score(matrix, queries, gallery)
    if result is None:
        return None
    cmc, ap, inp = result
    return dict(
        r1=cmc[0], r5=cmc[4], r10=cmc[9], r20=cmc[19], mAP=ap, mINP=inp
    )


def random_cells(
    rng,
    ids=8,
    dims=3,
    most=5,
    least=1,
    levels=None,
    absent=0.2,
    number_of_ids=None,
):
    """Made-up features and permutations: cells, permutations, test ids."""
    number_of_ids = number_of_ids or ids + 3
    test_ids = sorted((rng.permutation(number_of_ids)[:ids] + 1).tolist())
    cells, permutations = {}, {}
    for cam in range(1, 7):
        cells[cam], permutations[cam] = {}, {}
        for pid in range(1, number_of_ids + 1):
            if rng.random() < absent:
                continue
            count = int(rng.integers(least, most + 1))
            rows = rng.normal(size=(count, dims))
            if levels:
                rows = np.round(rows * levels) / levels
            cells[cam][pid] = rows
            permutations[cam][pid] = np.stack(
                [rng.permutation(count) + 1 for _ in range(10)]
            )
    return cells, permutations, test_ids


def as_arrays(cells, pids):
    """features, pids, camids, modality, index of some identities."""
    columns = [[], [], [], [], []]
    for cam, entries in cells.items():
        for pid, rows in entries.items():
            if pid not in pids:
                continue
            for number, row in enumerate(rows, start=1):
                entry = (row, pid, cam, int(cam in (3, 6)), number)
                for column, value in zip(columns, entry, strict=True):
                    column.append(value)
    return tuple(np.array(column) for column in columns)


def write_cameras(folder, cells, number_of_ids, name='feat_net'):
    """Write the official layout: one cell of matrices for each camera."""
    for cam, entries in cells.items():
        cell = np.empty((number_of_ids, 1), dtype=object)
        for pid in range(1, number_of_ids + 1):
            cell[pid - 1, 0] = entries.get(pid, np.zeros((0, 0)))
        savemat(folder / f'{name}_cam{cam}.mat', dict(feature=cell))


def write_cells(path, cells):
    outer = np.empty((len(cells), 1), dtype=object)
    for i, row in enumerate(cells):
        inner = np.empty((len(row), 1), dtype=object)
        for j, entry in enumerate(row):
            inner[j, 0] = entry
        outer[i, 0] = inner
    savemat(path, dict(rand_perm_cam=outer))


def write_split(root, permutations, test_ids, number_of_ids):
    """Write the split files of a small SYSU-MM01."""
    (root / 'exp').mkdir(parents=True)
    empty = np.zeros((10, 0))
    write_cells(
        root / 'exp' / 'rand_perm_cam.mat',
        [
            [
                permutations[cam].get(pid, empty)
                for pid in range(1, number_of_ids + 1)
            ]
            for cam in range(1, 7)
        ],
    )
    savemat(root / 'exp' / 'test_id.mat', dict(id=np.array([test_ids])))
