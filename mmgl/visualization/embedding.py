"""t-SNE of features: colour is identity, marker is modality (Fig. 3, 4)."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import Bbox

from mmgl.protocols.modality import INFRARED, MODALITY_NAMES, VISIBLE

from .style import PALETTE, drawn_to_file, figure_style, new_figure

# Places of a label around its point, in points, from near to far.
_OFFSETS = [
    (round(radius * np.cos(angle), 1), round(radius * np.sin(angle), 1))
    for radius in (8, 14, 20, 27, 35)
    for angle in np.pi * (0.5 + np.arange(8) / 4)
]


class EmbeddedPoints(NamedTuple):
    """Points of one panel: points (n, 2), pids (n,), modality (n,)."""

    points: np.ndarray
    pids: np.ndarray
    modality: np.ndarray


def select_identities(
    pids: np.ndarray,
    modality: np.ndarray,
    num_ids: int = 10,
    per_modality: int | None = 30,
    seed: int = 0,
) -> np.ndarray:
    """Draw identities seen in both modalities and keep some of their images.

    Of each identity and modality at most ``per_modality`` images (None: all)
    are kept; returns their sorted positions. No such identity is a
    ValueError.
    """
    pids, modality = np.asarray(pids), np.asarray(modality)
    both = np.intersect1d(
        pids[modality == VISIBLE], pids[modality == INFRARED]
    )
    if not len(both):
        raise ValueError('No identity has images of both modalities.')
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(both)[:num_ids]
    keep: list[int] = []
    for pid in chosen:
        for part in (VISIBLE, INFRARED):
            found = np.flatnonzero((pids == pid) & (modality == part))
            keep.extend(rng.permutation(found)[:per_modality])
    return np.sort(np.array(keep))


def tsne_embed(features: np.ndarray, seed: int = 0) -> np.ndarray:
    """Embed features (n, d) in the plane, (n, 2), by t-SNE.

    Van der Maaten and Hinton, 2008. The features, at least four, are
    L2-normalised, so that neighbours are those of the retrieval.
    """
    from sklearn.manifold import TSNE

    features = np.asarray(features, dtype=np.float64)
    if features.ndim != 2 or min(features.shape) < 2 or len(features) < 4:
        raise ValueError(
            't-SNE needs at least 4 features of 2 numbers, not the shape '
            f'{features.shape}.'
        )
    if not np.isfinite(features).all():
        raise ValueError('t-SNE: some features are not finite.')
    with np.errstate(over='ignore'):
        norms = np.linalg.norm(features, axis=1, keepdims=True)
    if not ((norms > 1e-12) & (norms < np.inf)).all():
        raise ValueError(
            't-SNE: some features are zero, or too large or small to have a '
            'direction.'
        )
    unit = features / norms
    # What float32 cannot tell apart; the library dies of equal points.
    if np.ptp(unit, axis=0).max() < 1e-7:
        raise ValueError(
            't-SNE: all features have the same direction, so there is nothing '
            'to draw; check that the network has not collapsed.'
        )
    perplexity = min(30.0, (len(unit) - 1) / 3)
    points: np.ndarray = TSNE(
        n_components=2, perplexity=perplexity, init='pca', random_state=seed
    ).fit_transform(unit)
    return points


def _label(ax: Axes, part: EmbeddedPoints, pid: int, colour: str) -> None:
    """Write the identity above its points, once a modality where they part."""
    halo = patheffects.withStroke(linewidth=2.2, foreground='white')
    apart = 0.12 * np.ptp(part.points, axis=0).max()
    written: list[np.ndarray] = []
    for modality in (VISIBLE, INFRARED):
        at = part.points[(part.pids == pid) & (part.modality == modality)]
        if not len(at):
            continue
        # The point nearest to the median lies among the points for sure.
        median = np.median(at, axis=0)
        spot = at[np.linalg.norm(at - median, axis=1).argmin()]
        if all(np.linalg.norm(spot - other) > apart for other in written):
            written.append(spot)
            text = ax.annotate(
                str(pid), spot, _OFFSETS[0], textcoords='offset points'
            )
            text.set(color=colour, fontsize=7.5, fontweight='bold')
            text.set(ha='center', va='center', path_effects=[halo])
            text.set_in_layout(False)


def _part_labels(figure: Figure, ax: Axes) -> None:
    """Move labels off those before them, to the nearest place that is free."""
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    taken: list[Bbox] = []
    for text in ax.texts:
        for offset in _OFFSETS:
            text.set_position(offset)
            box = text.get_window_extent(renderer)
            if not any(box.overlaps(other) for other in taken):
                break
        taken.append(box)


def _panel(
    ax: Axes, part: EmbeddedPoints, order: list[int], labels: bool
) -> None:
    markers = ((VISIBLE, 'o', 15), (INFRARED, 'x', 17))
    for number, pid in enumerate(order):
        colour = PALETTE[number % len(PALETTE)]
        mine = part.pids == pid
        for modality, marker, size in markers:
            at = part.points[mine & (part.modality == modality)]
            shown = ax.scatter(at[:, 0], at[:, 1], size, colour, marker=marker)
            shown.set(alpha=0.9, linewidth=1.1)
            if marker == 'o':
                shown.set(edgecolor='white', linewidth=0.5)
        if labels:
            _label(ax, part, pid, colour)
    ax.set(xticks=[], yticks=[])
    ax.grid(False)
    for spine in ax.spines.values():
        spine.set_visible(True)
    ax.set_box_aspect(1)


def embedding_figure(
    panels: Mapping[str, EmbeddedPoints], label_identities: bool = True
) -> Figure:
    """Draw embeddings side by side, as Fig. 3 and 4 of the MMGL paper.

    ``panels``: title -> points; ``label_identities`` writes each identity's
    number above its points.
    """
    if not panels:
        raise ValueError('Nothing to draw: no embedding given.')
    everyone = np.concatenate([part.pids for part in panels.values()])
    order = np.unique(everyone).tolist()
    with figure_style():
        figure = new_figure(3.9 * len(panels), 4.2)
        axes = figure.subplots(1, len(panels), squeeze=False)[0]
        for ax, (title, part) in zip(axes, panels.items(), strict=True):
            _panel(ax, part, order, label_identities)
            ax.set_title(title)
        handles = []
        for name, marker in zip(MODALITY_NAMES, 'ox', strict=True):
            shape = Line2D([], [], color='#444444', linestyle='', label=name)
            shape.set(marker=marker, markersize=5)
            handles.append(shape)
        title = f'colour{" and number" if label_identities else ""}: identity'
        legend = figure.legend(
            handles=handles, loc='outside lower center', ncols=2, title=title
        )
        legend.get_title().set_fontsize(8)
        figure.draw_without_rendering()  # settles where the panels are
        for ax in axes:
            _part_labels(figure, ax)
    return figure


draw_embedding = drawn_to_file(embedding_figure)
