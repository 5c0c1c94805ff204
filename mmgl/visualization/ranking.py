"""Retrieval pictures: a query and its top matches (Fig. 5)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mmgl.evaluation.features_io import FeatureSet, load_features
from mmgl.protocols.modality import INFRARED, MODALITY_NAMES, VISIBLE
from mmgl.protocols.sysu import ALL_CAMERAS, sysu_modality
from mmgl.utils.files import StrPath
from mmgl.utils.images import read_image

from . import style

_TILE = (64, 128)  # width and height of an image in pixels


@dataclass
class RankedQuery:
    """An infrared query and its visible gallery, best first.

    ``matches`` says whether an image shows the query's identity; ``scores``
    and ``camids`` are those of the gallery; ``first`` is the rank of the first
    match in the whole gallery, if it has one.
    """

    query_path: str
    gallery_paths: Sequence[str]
    matches: Sequence[bool]
    scores: Sequence[float] | None = None
    camids: Sequence[int] | None = None
    first: int | None = None


def may_compare(dump: FeatureSet, query: int) -> np.ndarray:
    """Tell which images a query sees, bool (n,).

    Not those of its own person by its own camera, nor in SYSU-MM01, known by
    the modality of its cameras, those of camera 2 in queries of camera 3,
    which sees the same place.
    """
    cameras, own = dump.camids, dump.camids[query]
    hidden = (cameras == own) & (dump.pids == dump.pids[query])
    if own == 3 and np.isin(cameras, ALL_CAMERAS).all():
        is_sysu = np.array_equal(sysu_modality(cameras), dump.modality)
        hidden |= is_sysu & (cameras == 2)
    return np.asarray(~hidden)


def choose_queries(
    dump: FeatureSet, num_queries: int = 5, seed: int = 0
) -> np.ndarray:
    """Draw infrared queries of different identities that can be matched.

    Returns positions, fewer than ``num_queries`` where there are fewer.
    """
    visible = dump.modality == VISIBLE
    picked, seen = [], set()
    rng = np.random.default_rng(seed)
    for i in rng.permutation(np.flatnonzero(dump.modality == INFRARED)):
        pid = int(dump.pids[i])
        right = visible & (dump.pids == pid)
        right &= may_compare(dump, i)
        if pid not in seen and right.any():
            seen.add(pid)
            picked.append(i)
        if len(picked) == num_queries:
            break
    return np.array(picked, dtype=int)


def one_shot(dump: FeatureSet, gallery: np.ndarray, seed: int) -> np.ndarray:
    """Keep one image of each (identity, camera), the same for every query."""
    order = np.random.default_rng(seed).permutation(gallery)
    keys = np.stack([dump.pids[order], dump.camids[order]], axis=1)
    first = np.unique(keys, axis=0, return_index=True)[1]
    return np.sort(order[first])


def visible_gallery(
    dump: FeatureSet, single_shot: bool, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the images to search among; unit features of all images."""
    gallery = np.flatnonzero(dump.modality == VISIBLE)
    if single_shot:
        gallery = one_shot(dump, gallery, seed)
    unit = dump.features.astype(np.float64)
    unit /= np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-12)
    return gallery, unit


def find_image(path: str, root: StrPath | None = None) -> str:
    """Find an image of a dump, also if the data have been moved since.

    The first that exists of the path below the root, the path itself, and
    its ends below the root; the first one if none does.
    """
    own = Path(str(path))
    if not root:
        return str(own)
    places = [Path(root) / own, own]
    places += [Path(root, *own.parts[n:]) for n in range(len(own.parts))]
    return str(next((p for p in places if p.is_file()), places[0]))


def rank_gallery(
    dump: FeatureSet,
    query: int,
    top_k: int = 10,
    single_shot: bool = True,
    seed: int = 0,
    image_root: StrPath | None = None,
) -> RankedQuery:
    """Rank the visible images for one infrared query by cosine similarity.

    Follows the camera rules of :func:`may_compare`. By ``single_shot`` the
    gallery has one random image, the same for every query, an identity and
    camera. ``image_root`` is the root of :func:`find_image`.
    """
    paths = dump.img_paths
    if paths is None:
        raise ValueError('The features have no paths of their images.')
    if dump.modality[query] != INFRARED:
        raise ValueError(f'Query {query} ({paths[query]}) is not infrared.')
    gallery, unit = visible_gallery(dump, single_shot, seed)
    gallery = gallery[may_compare(dump, query)[gallery]]
    if not len(gallery):
        raise ValueError(f'Query {query} has no gallery image to compare to.')
    scores = unit[gallery] @ unit[query]
    order = np.argsort(-scores, kind='stable')
    hits = np.flatnonzero(dump.pids[gallery[order]] == dump.pids[query])
    order = order[:top_k]
    best = gallery[order]
    return RankedQuery(
        query_path=find_image(paths[query], image_root),
        gallery_paths=[find_image(p, image_root) for p in paths[best]],
        matches=(dump.pids[best] == dump.pids[query]).tolist(),
        scores=scores[order].tolist(),
        camids=dump.camids[best].tolist(),
        first=int(hits[0]) + 1 if len(hits) else None,
    )


def _read(path: str) -> np.ndarray:
    try:
        image = read_image(path, window=(1, 99))
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f'Image {path} is missing or cannot be read; give the folder that '
            'the paths start from.'
        ) from error
    image = cv2.resize(image, _TILE, interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def _tile(
    ax: Axes, image: np.ndarray, colour: str, mark: str, note: str
) -> None:
    height, width = image.shape[:2]
    ax.imshow(image, interpolation='bilinear')
    ax.set(xticks=[], yticks=[])
    ax.grid(False)
    for spine in ax.spines.values():
        spine.set(visible=True, color=colour, linewidth=2.4)
    if mark:
        # A sign beside the colour, for readers who cannot tell them apart.
        text = ax.text(width * 0.97, height * 0.985, mark, color='white')
        text.set(fontsize=7, fontweight='bold', ha='right', va='bottom')
        text.set_bbox({'facecolor': colour, 'edgecolor': 'none', 'pad': 1.2})
    if note:
        ax.set_xlabel(note, fontsize=6.5, labelpad=2)


def _note(query: RankedQuery, k: int) -> str:
    camera = f'cam {query.camids[k]}' if query.camids is not None else ''
    score = f'{query.scores[k]:.2f}' if query.scores is not None else ''
    return ' '.join(part for part in (camera, score) if part)


def _row(axes: np.ndarray, query: RankedQuery, heading: bool) -> None:
    if len(query.gallery_paths) != len(query.matches):
        raise ValueError(
            f'Query {query.query_path}: {len(query.gallery_paths)} gallery '
            f'images but {len(query.matches)} match flags.'
        )
    image = _read(query.query_path)
    known = query.first is not None
    note = f'match at {query.first}' if known else MODALITY_NAMES[INFRARED]
    _tile(axes[0], image, style.INK, '', note)
    axes[1].set_axis_off()
    tiles, rest = np.split(axes[2:], [len(query.gallery_paths)])
    for ax in rest:
        ax.set_axis_off()
    for k, ax in enumerate(tiles):
        image = _read(query.gallery_paths[k])
        right = query.matches[k]
        colour = style.MATCH_COLOUR if right else style.MISMATCH_COLOUR
        _tile(ax, image, colour, '✓' if right else '✗', _note(query, k))
    if heading:
        how: dict[str, Any] = dict(loc='center', fontsize=8, pad=3)
        axes[0].set_title('query', **how)
        for k, ax in enumerate(tiles, 1):
            ax.set_title(str(k), **how, fontweight=400)


def ranking_figure(
    panels: Mapping[str, Sequence[RankedQuery]], stacked: bool = False
) -> Figure:
    """Draw queries with their top matches, as Fig. 5 of the MMGL paper.

    The query stands on the left; matches follow from best to worst in a frame
    that is green with a tick where the identity is right and red with a cross
    where it is wrong. ``panels``: title, such as the way the model was
    initialised -> queries.
    """
    panels = {title: list(queries) for title, queries in panels.items()}
    if not panels or not all(panels.values()):
        raise ValueError('Nothing to draw: no queries given.')
    top = max(len(q.gallery_paths) for part in panels.values() for q in part)
    rows = max(len(part) for part in panels.values())
    tile = 0.52  # inches, and twice that high
    width = (top + 1.7) * (tile + 0.05)
    height = rows * (2 * tile + 0.16) + 0.42
    down, across = (len(panels), 1) if stacked else (1, len(panels))
    with style.figure_style():
        figure = style.new_figure(across * width, down * height)
        layout: Any = figure.get_layout_engine()
        layout.set(w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)
        parts = figure.subfigures(down, across, squeeze=False, wspace=0.03)
        grid = dict(squeeze=False, width_ratios=[1, 0.2, *[1] * top])
        pairs = zip(parts.ravel(), panels.items(), strict=True)
        for part, (title, queries) in pairs:
            title = f'{title}  ({MODALITY_NAMES[VISIBLE]} gallery, best first)'
            part.suptitle(title, fontsize=10, fontweight='bold')
            axes = part.subplots(rows, top + 2, **grid)
            for number, query in enumerate(queries):
                _row(axes[number], query, heading=number == 0)
            for ax in axes[len(queries) :].ravel():
                ax.set_axis_off()
    return figure


draw_ranking = style.drawn_to_file(ranking_figure)


def load_feature_dump(path: StrPath) -> FeatureSet:
    """Read features (n, d) whose images have paths."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f'No feature dump {path}; write one with tools/test.py CONFIG '
            f'CHECKPOINT --cfg-options test_evaluator.dump={path}.'
        )
    dump = load_features(path)
    if dump.img_paths is None:
        raise ValueError(f'Feature dump {path} lacks img_paths.')
    return dump
