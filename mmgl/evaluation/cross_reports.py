"""Reports of searches of one's own, and of LLCM, which is one of them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mmgl.protocols import cross
from mmgl.protocols.llcm import PUBLISHED_REVERSE, SEARCH
from mmgl.protocols.modality import MODALITY_NAMES
from mmgl.protocols.sysu import TRIALS

from .details import Details, Searches
from .features_io import NPZ_FIELDS
from .labels import Labels, check_labels
from .ranking import Share, Values, check_choice
from .ranking.options import CMC_KINDS
from .reports import Trials, checked_features, shot_name


def evaluate_cross(
    features: Values,
    pids: Values,
    camids: Values,
    modality: Values,
    index: Values,
    directions: Sequence[str] | None = None,
    same_camera: str = 'ignore_person',
    shots: Sequence[int] = (0,),
    trials: int = TRIALS,
    cmc: str = 'standard',
    distance: str = 'cosine',
    ties: str = 'expected',
    share: Share | None = None,
    role: npt.ArrayLike | None = None,
    partial: bool = False,
    details: Details | None = None,
) -> Trials:
    """Score features of any persons and cameras, in any direction.

    Figures are called 'infrared_to_visible/rank1' where the gallery is all
    images, with '_single', '_multi' or '_5shot' behind the direction where it
    is drawn. Cosine distances of tensors on an accelerator are ranked there.

    Args:
        features: (n, d); all labels are (n,).
        pids: Identities.
        camids: Cameras, from 0.
        modality: 0 visible, 1 infrared.
        index: Image number within (identity, camera, modality), from 1 or 0.
        directions: Of ``mmgl.protocols.cross.DIRECTIONS``; by default both
            between the modalities, as far as there are queries and gallery.
        same_camera: 'ignore_person': a query does not see the images of its
            own person under its own camera; 'ignore_all': none of its own
            camera; 'keep': it sees all.
        shots: Images of each person and camera that are drawn, all where
            there are fewer; 0 is all images of the gallery, in one trial.
        trials: Number of draws, seeded by their number from 0.
        cmc: 'standard' counts images, 'unique_identity' people.
        distance: 'cosine' or 'euclidean'.
        ties: See ``score_galleries``.
        share: See ``score_galleries``; every process gives all features.
        role: 0, or 1 for what is only a query, 2 only in the gallery.
        partial: Score what is there, be it complete or not.
        details: What else to find out.

    Raises:
        TypeError: For features that are not real numbers.
        ValueError: For inconsistent arrays or options, NaN or Inf, gaps in
            ``index``, or a direction without queries or true matches.
    """
    cross.check_search(directions, same_camera, shots, trials)
    check_choice('cmc', cmc, CMC_KINDS)
    images = _images(
        features, distance, partial, pids, camids, modality, index
    )
    (roles,) = check_labels(
        features,
        role=np.full(len(images.kinds), cross.BOTH) if role is None else role,
    )
    sides = cross.sides(directions, images.kinds, roles)
    how = distance, ties, share, details
    return _search(images, sides, same_camera, shots, trials, cmc, *how)


class _Images(NamedTuple):
    """Checked features and labels; image numbers from 1."""

    matrix: Any
    people: Labels
    cameras: Labels
    kinds: Labels
    numbers: Labels


def _search(
    images: _Images,
    sides: Mapping[str, tuple[Any, Any]],
    same_camera: str,
    shots: Sequence[int],
    trials: int,
    cmc: str,
    *how: Any,
) -> Trials:
    """Search in each direction, whose queries and gallery are ``sides``."""
    matrix, people, cameras, _, numbers = images
    report: Trials = [{} for _ in range(trials if any(shots) else 1)]
    for direction, (queries, gallery) in sides.items():
        labels = people[gallery], cameras[gallery], numbers[gallery]
        for shot in shots:
            members = cross.draw_galleries(*labels, shot, trials)
            pool = members.any(axis=0)
            rows = gallery[pool]
            searches = Searches(
                [f'{direction}{shot_name(shot)}'] * len(members),
                (matrix[queries], matrix[rows]),
                (people[queries], people[rows]),
                members[:, pool],
                cmc=cmc,
                **_ignored(same_camera, cameras, queries, rows),
            )
            scores = searches.score(*how)
            # A search without a draw is the same in each trial.
            for number, trial in enumerate(report):
                trial.update(scores[number % len(scores)])
    return report


def _ignored(
    same_camera: str, cameras: Labels, queries: Any, gallery: Any
) -> dict[str, Any]:
    """Say which images of the gallery the queries do not see."""
    if same_camera == 'keep':
        return {}
    return dict(
        locations=(cameras[queries], cameras[gallery]),
        own_only=same_camera == 'ignore_person',
    )


def _images(
    features: Values, distance: str, partial: bool, *labels: Values
) -> _Images:
    """Check features and labels."""
    people, cameras, kinds, numbers = check_labels(
        features, **dict(zip(NPZ_FIELDS[1:], labels, strict=True))
    )

    def image(row: int) -> str:
        kind = MODALITY_NAMES[kinds[row]]
        return (
            f'{row}: {kind} image {numbers[row]} of identity {people[row]}, '
            f'camera {cameras[row]}'
        )

    matrix = checked_features(features, distance, image)
    numbers = numbers + (numbers.min(initial=1) == 0)
    if not partial:
        cross.check_counts(people, cameras, kinds, numbers)
    return _Images(matrix, people, cameras, kinds, numbers)


def evaluate_llcm(
    features: Values,
    pids: Values,
    camids: Values,
    modality: Values,
    index: Values,
    distance: str = 'cosine',
    ties: str = 'expected',
    share: Share | None = None,
    partial: bool = False,
    details: Details | None = None,
) -> Trials:
    """Score features of the LLCM test images, both directions, ten trials.

    'infrared_to_visible_single/...' and 'visible_to_infrared_single/...' have
    all images of a modality as queries, and draw the gallery. The public code
    exchanges the two sides in the second direction, and reports the search
    of each drawn infrared image among all visible ones; that is
    'visible_to_infrared_published/...'. Arguments and errors are those of
    :func:`evaluate_cross`.
    """
    images = _images(
        features, distance, partial, pids, camids, modality, index
    )
    both = np.full(len(images.kinds), cross.BOTH)
    sides = cross.sides(SEARCH['directions'], images.kinds, both)
    rules = (SEARCH[k] for k in ('same_camera', 'shots', 'trials', 'cmc'))
    how = distance, ties, share
    report = _search(images, sides, *rules, *how, details)
    # Each trial asks for other images of the same people.
    beside = details and replace(details, by_person=False)
    matrix, people, cameras, _, numbers = images
    visible, infrared = sides['visible_to_infrared']
    drawn = cross.draw_galleries(
        people[infrared], cameras[infrared], numbers[infrared], 1, len(report)
    )
    for trial, members in zip(report, drawn, strict=True):
        queries = infrared[members]
        searches = Searches(
            [PUBLISHED_REVERSE],
            (matrix[queries], matrix[visible]),
            (people[queries], people[visible]),
            cmc=SEARCH['cmc'],
            **_ignored(SEARCH['same_camera'], cameras, queries, visible),
        )
        (figures,) = searches.score(*how, beside)
        trial.update(figures)
    return report
