"""Searches of the size of the benchmarks, with made-up features."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mmgl.evaluation.ranking import RankingScores, score_galleries
from mmgl.protocols import sysu
from mmgl.protocols.galleries import group_images, official_gallery
from mmgl.protocols.split_files import load_rand_perm_cam, read_id_list
from mmgl.utils.benchmark import Figure, alternate

# Identities under each camera, and images in all, of the SYSU-MM01 test set.
PEOPLE = {1: 56, 2: 56, 3: 93, 4: 94, 5: 95, 6: 96}
POOL, QUERIES = 6775, 3803

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


@dataclass
class Search:
    """One gallery and its queries: unit features (n, d), labels (n,)."""

    query: Floats
    gallery: Floats
    query_pids: Ints
    gallery_pids: Ints
    # Cameras of SYSU-MM01, of queries and gallery.
    camids: tuple[Ints, Ints] | None = None

    def score(self, distances: Any) -> RankingScores:
        """Score distances (n, m) by the rules of the data set."""
        places, cmc = (None, None), 'standard'
        if self.camids is not None:
            places = tuple(map(sysu.sysu_locations, self.camids))
            cmc = 'unique_identity'
        pids = self.query_pids, self.gallery_pids
        return score_galleries(distances, *pids, None, *places, cmc)[0]


@dataclass
class SYSUCase:
    """Labels of all test images, (n,), and the official permutations."""

    pids: Ints
    camids: Ints
    index: Ints
    rand_perm_cam: dict

    @property
    def infrared(self) -> npt.NDArray[np.bool_]:
        """Which images are infrared."""
        return np.isin(self.camids, sysu.INFRARED_CAMERAS)

    def trial(self, shots: int) -> Search:
        """Build the all-search gallery of the first trial, 2048-d."""
        labels = self.pids.tolist(), self.camids.tolist(), self.index.tolist()
        images, cameras = group_images(*labels), sysu.GALLERY_CAMERAS['all']
        permutations = self.rand_perm_cam
        drawn = official_gallery(permutations, images, cameras, shots, 0)
        pids, camids = self.pids[self.infrared], self.camids[self.infrared]
        n, everyone = len(pids), np.concatenate([pids, drawn[:, 1]])
        both = identity_features(everyone, 2048, noise=4)
        places = camids, drawn[:, 0]
        return Search(both[:n], both[n:], pids, drawn[:, 1], places)


def against_limit(
    name: str,
    limit: Callable[[], object],
    ours: Callable[[], object],
    target: float,
    note: str,
    repeats: int,
    *clock: Callable[[], float],
) -> Figure:
    """Time a function over its limit, whose seconds end the note."""
    found = alternate(dict(limit=limit, ours=ours), repeats, *clock)
    note = f'{note}, {found["limit"]:.3f} s'
    return Figure(name, found['ours'] / found['limit'], target, note=note)


def identity_features(
    pids: Ints, dims: int, noise: float, seed: int = 0
) -> Floats:
    """Draw unit features around centres, ``noise`` times as long."""
    rng = np.random.default_rng(seed)
    people, person = np.unique(pids, return_inverse=True)
    centres = rng.standard_normal((len(people), dims), dtype=np.float32)
    features = np.empty((len(pids), dims), dtype=np.float32)
    for start in range(0, len(pids), 4096):  # little memory on the way
        part = features[start : start + 4096]
        rng.standard_normal(out=part, dtype=np.float32)
        part *= np.float32(noise)
        part += centres[person[start : start + 4096]]
        part /= np.linalg.norm(part, axis=1, keepdims=True)
    return features


def sysu_case(
    data_root: str | Path | None = None, scale: float = 1
) -> SYSUCase:
    """Build SYSU-MM01 test labels: true with data, else spread evenly."""
    if data_root is None:
        counts = _even_counts(scale)
        rng = np.random.default_rng(0)
        permutations = {camid: {} for camid in PEOPLE}
        for (camid, pid), count in counts.items():
            drawn = [rng.permutation(count) + 1 for _ in range(10)]
            permutations[camid][pid] = np.stack(drawn)
    else:
        id_file, permutation_file = sysu.find_split_files(data_root)
        permutations = load_rand_perm_cam(permutation_file)
        ids = read_id_list(id_file)
        counts = {
            (camid, pid): permutations[camid][pid].shape[1]
            for camid in PEOPLE
            for pid in ids
            if pid in permutations.get(camid, {})
        }
    images = np.repeat(list(counts), list(counts.values()), axis=0)
    index = np.concatenate([np.arange(n) + 1 for n in counts.values()])
    return SYSUCase(images[:, 1], images[:, 0], index, permutations)


def _even_counts(scale: float) -> dict[tuple[int, int], int]:
    """Images of each camera and identity."""
    pairs = [
        (camid, pid)
        for camid, people in PEOPLE.items()
        for pid in range(1, max(2, round(people * scale)) + 1)
    ]
    counts = {}
    for infrared, total in ((False, POOL), (True, QUERIES)):
        own = [p for p in pairs if (p[0] in sysu.INFRARED_CAMERAS) == infrared]
        ends = np.linspace(0, round(total * scale), len(own) + 1).round()
        for pair, count in zip(own, np.diff(ends), strict=True):
            counts[pair] = max(10, int(count))
    return counts


def regdb_case(scale: float = 1) -> Search:
    """Build one direction of a RegDB split: 206 identities, 10 images each."""
    pids = np.repeat(np.arange(max(2, round(206 * scale))), 10)
    features = identity_features(np.tile(pids, 2), 2048, noise=4)
    n = len(pids)
    return Search(features[:n], features[n:], pids, pids)


def large_case(scale: float, noise: float) -> Search:
    """Build 5,000 queries among 20 images of 5,000 identities, 512-d."""
    people = max(2, round(5000 * scale))
    rng = np.random.default_rng(1)
    gallery = rng.permutation(np.repeat(np.arange(people), 20))
    query = rng.permutation(people)
    everyone = np.concatenate([query, gallery])
    features = identity_features(everyone, 512, noise, seed=2)
    return Search(features[:people], features[people:], query, gallery)
