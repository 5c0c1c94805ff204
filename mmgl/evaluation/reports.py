"""Whole reports: every mode, shot number and trial from one set of arrays.

A report is a list of trials, each with all figures as fractions under their
public names, such as 'all_single/rank1' or 'visible_to_infrared/mAP'.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from statistics import stdev
from typing import Any, TypeAlias

import numpy as np

from mmgl.protocols import cross, galleries, sysu
from mmgl.protocols.completeness import (
    check_regdb_images,
    check_sysu_images,
    count_images,
)
from mmgl.protocols.modality import INFRARED, MODALITY_NAMES
from mmgl.version import __version__

from .details import RERANKED, Details, Searches
from .features_io import NPZ_FIELDS
from .labels import Labels, check_labels
from .ranking import Share, Values, check_features, check_where_it_is
from .sysu_searches import pool_of, sysu_galleries

Trials: TypeAlias = list[dict[str, float]]

_MOST = 1e150  # whose squares are numbers
SHOT_NAMES = {1: 'single', 10: 'multi'}


def shot_name(shots: int) -> str:
    """Name the gallery images of each person and camera in a search."""
    return f'_{SHOT_NAMES.get(shots, f"{shots}shot")}' if shots else ''


def mean_over_trials(trials: Trials) -> dict[str, float]:
    """Average the figures of trials, such as RegDB's ten splits."""
    if not trials:
        raise ValueError('there is no report of a trial to average.')
    return {
        key: float(np.mean([trial[key] for trial in trials]))
        for key in trials[0]
    }


def document_key(search: str) -> str:
    """Name a search as files do: 'all_single' is 'all_search_1shot'."""
    name, suffix, _ = search.partition(RERANKED)
    mode, _, shots = name.partition('_')
    if mode in sysu.GALLERY_CAMERAS:
        numbers = {name: f'{n}shot' for n, name in SHOT_NAMES.items()}
        name = f'{mode}_search_{numbers.get(shots, shots)}'
    return name + suffix


def report_document(
    trials: Trials, settings: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Lay a report out as it is written to files.

    'all_search_1shot' -> ``mean`` (r1, ..., mINP), ``std`` (over the trials,
    0 for one) and ``trials`` of such; the ``settings``, if given, come with
    the version of the package.
    """
    document: dict[str, Any] = {}
    for key, mean in mean_over_trials(trials).items():
        search, measure = key.split('/')
        part = document.setdefault(
            document_key(search),
            dict(mean={}, std={}, trials=[{} for _ in trials]),
        )
        measure = measure.replace('rank', 'r')
        part['mean'][measure] = mean
        values = [trial[key] for trial in trials]
        part['std'][measure] = stdev(values) if len(values) > 1 else 0.0
        for row, trial in zip(part['trials'], trials, strict=True):
            row[measure] = trial[key]
    if settings:
        document['settings'] = dict(settings, version=__version__)
    return document


def checked_features(
    features: Values, distance: str, images: Callable[[int], str]
) -> Any:
    """Check features; by cosine those on a device are ranked there."""
    if distance == 'cosine':
        return check_where_it_is(features, images=images)
    matrix = check_features(features, images=images)
    large = np.abs(matrix).max(axis=1).astype(np.float64) > _MOST
    if large.any():
        raise ValueError(
            f'features are beyond {_MOST} in {large.sum()} of {len(large)} '
            f'rows (first: {images(int(large.argmax()))}), too large for '
            'euclidean distances.'
        )
    return matrix


def _sysu_images(
    features: Values, distance: str, *labels: Values
) -> tuple[Any, Labels, Labels, Labels, Labels]:
    """Check features and labels; image numbers from 1, rows of the queries."""
    people, cameras, kinds, numbers = check_labels(
        features, **dict(zip(NPZ_FIELDS[1:], labels, strict=True))
    )

    def image(row: int) -> str:
        place = f'camera {cameras[row]}, identity {people[row]}'
        return f'{row}: {place}, image {numbers[row]}'

    matrix = checked_features(features, distance, image)
    sysu.sysu_locations(cameras)  # knows the cameras
    wrong = np.flatnonzero(kinds != sysu.sysu_modality(cameras))
    if wrong.size:
        row = int(wrong[0])
        raise ValueError(
            f'modality disagrees with the camera in {wrong.size} rows; first '
            f'row {row}: camera {cameras[row]}, modality {kinds[row]}. '
            'Cameras 3 and 6 are infrared (1), the others visible (0).'
        )
    queries = np.flatnonzero(kinds == INFRARED)
    if not len(queries):
        raise ValueError('there is no query: no image of cameras 3 and 6.')
    numbers = galleries.one_based_index(people, cameras, numbers)
    return matrix, people, cameras, numbers, queries


def evaluate_sysu(
    features: Values,
    pids: Values,
    camids: Values,
    modality: Values,
    index: Values,
    rand_perm_cam: galleries.Permutations | None = None,
    modes: Sequence[str] = ('all', 'indoor'),
    shots: Sequence[int] = (1, 10),
    trials: int = sysu.TRIALS,
    draw: str = 'official',
    distance: str = 'cosine',
    ties: str = 'expected',
    share: Share | None = None,
    identities: Collection[int] | None = None,
    partial: bool = False,
    details: Details | None = None,
) -> Trials:
    """Score features of SYSU-MM01 test images in all modes, shots, trials.

    Queries are all images of cameras 3 and 6. Give the features of every
    image of the evaluated identities, in any order. Cosine distances of
    tensors on an accelerator are computed and ranked there.

    Args:
        features: (n, d); all labels are (n,).
        pids: Identities of the data set.
        camids: Cameras 1 to 6.
        modality: 0 visible, 1 infrared.
        index: Image number within (identity, camera), from 1 (or from 0).
        rand_perm_cam: Of ``load_rand_perm_cam``, for the official draw. The
            images that it names must be there.
        modes: Of 'all', 'indoor'.
        shots: Gallery images of each identity and camera.
        trials: Number of gallery draws.
        draw: 'official' or 'random_seeded'.
        distance: 'cosine' or 'euclidean'.
        ties: See ``score_galleries``.
        share: See ``score_galleries``; every process gives all features.
        identities: Those that must be there, by default those of ``pids``.
        partial: Score what is there, be it complete or not.
        details: What else to find out.

    Raises:
        TypeError: For features that are not real numbers.
        ValueError: For inconsistent arrays or options, NaN or Inf, missing
            images, or a gallery that cannot be drawn.
    """
    matrix, people, cameras, numbers, queries = _sysu_images(
        features, distance, pids, camids, modality, index
    )
    if rand_perm_cam is not None and not partial:
        images = galleries.group_images(people, cameras, numbers)
        wanted = set(people.tolist()).union(identities or ())
        check_sysu_images(images, rand_perm_cam, wanted)
    drawn = sysu_galleries(
        people, cameras, numbers, rand_perm_cam, modes, shots, trials, draw
    )
    pool, members = pool_of(drawn.values(), people, cameras, numbers, draw)
    places = sysu.sysu_locations(cameras)
    searches = Searches(
        [f'{mode}{shot_name(shot)}' for mode, shot, _ in drawn],
        (matrix[queries], matrix[pool]),
        (people[queries], people[pool]),
        members,
        (places[queries], places[pool]),
    )
    report: Trials = [{} for _ in range(trials)]
    scores = searches.score(distance, ties, share, details)
    for (_, _, trial), figures in zip(drawn, scores, strict=True):
        report[trial].update(figures)
    return report


def evaluate_regdb(
    features: Values,
    pids: Values,
    modality: Values,
    distance: str = 'cosine',
    ties: str = 'expected',
    share: Share | None = None,
    labels: int | None = None,
    details: Details | None = None,
) -> Trials:
    """Score features of one RegDB test split in both directions, one trial.

    Every image of one modality is a query, every image of the other is in
    the gallery, no camera rule, standard CMC. Labels of RegDB test splits
    count anew in each split, so score one split at a time and join the
    lists. Arguments and errors are those of :func:`evaluate_sysu`;
    ``labels``, if given, is how many must be there, with all their images.
    """
    people, kinds = check_labels(features, pids=pids, modality=modality)
    if labels is not None:
        check_regdb_images(count_images(kinds, people), labels)

    def image(row: int) -> str:
        kind = MODALITY_NAMES[kinds[row]]
        return f'{row}: {kind} image of identity {people[row]}'

    matrix = checked_features(features, distance, image)
    report: dict[str, float] = {}
    sides = cross.sides(cross.CROSS_MODAL, kinds, np.zeros_like(kinds))
    for name, (queries, gallery) in sides.items():
        searches = Searches(
            [name],
            (matrix[queries], matrix[gallery]),
            (people[queries], people[gallery]),
            cmc='standard',
        )
        (figures,) = searches.score(distance, ties, share, details)
        report.update(figures)
    return [report]
