"""Searches of the size of the benchmarks, with made-up features."""

from dataclasses import dataclass

import numpy as np

from mmgl.protocols.galleries import group_images, official_gallery
from mmgl.protocols.split_files import load_rand_perm_cam, read_id_list
from mmgl.protocols.sysu import (
    GALLERY_CAMERAS,
    INFRARED_CAMERAS,
    find_split_files,
)

# Identities under each camera, and images in all, of the SYSU-MM01 test set.
PEOPLE = {1: 56, 2: 56, 3: 93, 4: 94, 5: 95, 6: 96}
POOL, QUERIES = 6775, 3803


@dataclass
class Search:
    """One gallery and its queries.

    Attributes:
        query (np.ndarray): Unit features, (n, d), float32.
        gallery (np.ndarray): Unit features, (m, d), float32.
        query_pids (np.ndarray): (n,).
        gallery_pids (np.ndarray): (m,).
        query_camids (np.ndarray, optional): (n,).
        gallery_camids (np.ndarray, optional): (m,).
        query_locations (np.ndarray, optional): (n,).
        gallery_locations (np.ndarray, optional): (m,).
    """

    query: np.ndarray
    gallery: np.ndarray
    query_pids: np.ndarray
    gallery_pids: np.ndarray
    query_camids: np.ndarray | None = None
    gallery_camids: np.ndarray | None = None
    query_locations: np.ndarray | None = None
    gallery_locations: np.ndarray | None = None


@dataclass
class SYSUCase:
    """Labels of all test images.

    Attributes:
        pids (np.ndarray): (n,).
        camids (np.ndarray): (n,).
        index (np.ndarray): (n,).
        modality (np.ndarray): (n,).
        rand_perm_cam (dict): See ``load_rand_perm_cam``.
    """

    pids: np.ndarray
    camids: np.ndarray
    index: np.ndarray
    modality: np.ndarray
    rand_perm_cam: dict

    def trial(self, shots, locations):
        """Build the all-search gallery of the first trial.

        Args:
            shots (int): 1 or 10.
            locations (Callable): Cameras to places.

        Returns:
            Search: With features of 2048 numbers.
        """
        images = group_images(
            self.pids.tolist(), self.camids.tolist(), self.index.tolist()
        )
        drawn = official_gallery(
            self.rand_perm_cam, images, GALLERY_CAMERAS['all'], shots, 0
        )
        infrared = self.modality == 1
        pids = np.concatenate([self.pids[infrared], drawn[:, 1]])
        camids = np.concatenate([self.camids[infrared], drawn[:, 0]])
        features = identity_features(pids, 2048, noise=4)
        places, n = locations(camids), int(infrared.sum())
        return Search(
            features[:n],
            features[n:],
            pids[:n],
            pids[n:],
            camids[:n],
            camids[n:],
            places[:n],
            places[n:],
        )


def identity_features(pids, dims, noise, seed=0):
    """Draw unit features around a random centre for each identity.

    Args:
        pids (np.ndarray): (n,).
        dims (int): Length of a feature.
        noise (float): Length of the noise over that of the centre.
        seed (int): Of the generator.

    Returns:
        np.ndarray: (n, dims), float32.
    """
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


def sysu_case(data_root=None, scale=1):
    """Build the labels of the SYSU-MM01 test images.

    Args:
        data_root (str, optional): The data set, or its ``exp``, for the
            true numbers of images; else they are spread evenly.
        scale (float): Share of the made-up number of identities.

    Returns:
        SYSUCase: The labels.
    """
    if data_root is not None:
        id_file, permutation_file = find_split_files(data_root)
        permutations = load_rand_perm_cam(permutation_file)
        ids = read_id_list(id_file)
        counts = {
            (camid, pid): permutations[camid][pid].shape[1]
            for camid in PEOPLE
            for pid in ids
            if pid in permutations.get(camid, {})
        }
    else:
        counts = _even_counts(scale)
        rng = np.random.default_rng(0)
        permutations = {camid: {} for camid in PEOPLE}
        for (camid, pid), count in counts.items():
            permutations[camid][pid] = np.stack(
                [rng.permutation(count) + 1 for _ in range(10)]
            )
    rows = np.array(
        [
            (camid, pid, number)
            for (camid, pid), count in counts.items()
            for number in range(1, count + 1)
        ]
    )
    camids, pids, index = rows.T
    return SYSUCase(
        pids,
        camids,
        index,
        np.isin(camids, INFRARED_CAMERAS).astype(np.int64),
        permutations,
    )


def _even_counts(scale):
    pairs = [
        (camid, pid)
        for camid, people in PEOPLE.items()
        for pid in range(1, max(2, round(people * scale)) + 1)
    ]
    counts = {}
    for infrared, total in ((False, POOL), (True, QUERIES)):
        own = [
            pair for pair in pairs if (pair[0] in INFRARED_CAMERAS) == infrared
        ]
        ends = np.linspace(0, round(total * scale), len(own) + 1).round()
        for pair, count in zip(own, np.diff(ends), strict=True):
            counts[pair] = max(10, int(count))
    return counts


def regdb_case(scale=1):
    """Build one direction of a RegDB split: 206 identities, 10 images each.

    Args:
        scale (float): Share of the number of identities.

    Returns:
        Search: With features of 2048 numbers.
    """
    pids = np.repeat(np.arange(max(2, round(206 * scale))), 10)
    features = identity_features(np.tile(pids, 2), 2048, noise=4)
    n = len(pids)
    cameras = np.ones(n, dtype=np.int64)
    return Search(features[:n], features[n:], pids, pids, cameras, cameras + 1)


def large_case(scale, noise):
    """Build a search of 5,000 queries among 20 images of 5,000 identities.

    Args:
        scale (float): Share of the number of identities.
        noise (float): See :func:`identity_features`.

    Returns:
        Search: With features of 512 numbers.
    """
    people = max(2, round(5000 * scale))
    rng = np.random.default_rng(1)
    gallery = rng.permutation(np.repeat(np.arange(people), 20))
    query = rng.permutation(people)
    features = identity_features(
        np.concatenate([query, gallery]), 512, noise, seed=2
    )
    return Search(features[:people], features[people:], query, gallery)
