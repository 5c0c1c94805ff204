"""Draws the pictures of the documents, from drawn people and real runs.

    python docs/pictures.py --checkpoint EPOCH_60.pth --log RUN

The checkpoint is one of mmgl_two-stream_r18-narrow_synthetic.py, RUN the work
dir of any pre-training. What needs neither is drawn without.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from boxes import arrow, box, canvas, picture
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch.nn import functional as F

import mmgl
from mmgl.datasets.synthetic import Difficulty, get_preset, sysu_image
from mmgl.datasets.transforms import PILResize, shuffle_stripes
from mmgl.models.functional.sinkhorn import gumbel_noise, gumbel_sinkhorn
from mmgl.visualization import draw_losses, load_run_log
from mmgl.visualization.style import (
    INFRARED_COLOUR,
    INK,
    MATCH_COLOUR,
    NEUTRAL_COLOUR,
    VISIBLE_COLOUR,
    figure_style,
    save_figure,
)

OUT = Path(__file__).parent / 'images'
CONFIG = 'pretrain/mmgl_two-stream_r18-narrow_synthetic'
COLOURS = (VISIBLE_COLOUR, INFRARED_COLOUR)
CAMERAS = (1, 3)  # one of each modality
NUM_STRIPES = 6


def person(pid: int, camera: int, number: int = 1) -> np.ndarray:
    """Draw a person; (H, W, 3), RGB."""
    preset = get_preset('sysu', 'mini')
    image = sysu_image(0, pid, camera, number, preset, Difficulty())
    return image[..., ::-1]


def people() -> Figure:
    """Draw some people of the embedded data set, in both modalities."""
    figure, axes = canvas(8.4, 3.4)
    for column, pid in enumerate((3, 8, 13, 21, 34, 55, 60, 77, 89, 101)):
        for row, camera in enumerate((3, 1)):
            image = person(pid, camera)
            picture(axes, image, 0.5 + 0.79 * column, 0.1 + 1.65 * row, 1.5)
    for row, name in enumerate(('infrared', 'visible')):
        axes.text(0.2, 0.85 + 1.65 * row, name, rotation=90, va='center')
    axes.set(xlim=(0, 8.4), ylim=(0, 3.4))
    return figure


def read_pair() -> tuple[list[np.ndarray], np.ndarray]:
    """Take two images as a batch has them, and one permutation for both."""
    resize = PILResize((48, 96), 'lanczos')
    pair = [
        resize(dict(img=np.ascontiguousarray(person(pid, camera))))['img']
        for pid, camera in zip((13, 34), CAMERAS, strict=True)
    ]
    return pair, np.array([4, 0, 3, 5, 1, 2])


@torch.no_grad()
def look(
    checkpoint: Path, images: Sequence[np.ndarray]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Let MMGL see a shuffled pair: matrices (2, N, N), parts (2, N, D)."""
    model = mmgl.build_model(CONFIG, checkpoint)
    modality = torch.tensor([0, 1])
    pixels = [torch.from_numpy(i[..., ::-1].copy()) for i in images]
    inputs = torch.stack(pixels).permute(0, 3, 1, 2)
    mean, std = (
        model.data_preprocessor.get_buffer(n) for n in ('mean', 'std')
    )
    normed = (inputs.flip(1).float() - mean) / std
    features = model.neck(model.backbone(normed, modality))
    head = model.heads['permutation']
    logits = head(features[head.feature], modality)
    seed = torch.Generator().manual_seed(0)
    noise = gumbel_noise((2, 1, NUM_STRIPES, NUM_STRIPES), logits, seed)
    part = model.heads['part']
    parts = F.normalize(part(features[part.feature], modality), dim=-1)
    return gumbel_sinkhorn(logits, noise)[:, 0], parts


def weights(queries: torch.Tensor, bank: torch.Tensor) -> np.ndarray:
    """Weights of the soft nearest neighbours (Eq. 5)."""
    return (queries @ bank.T / 0.07).softmax(dim=-1).numpy()


def stripes(image: np.ndarray) -> list[np.ndarray]:
    """Cut an image."""
    return np.split(image, NUM_STRIPES)


def draw_cycle(
    axes: Axes, images: Sequence[np.ndarray], parts: torch.Tensor, x: float
) -> None:
    """Go from the parts of one image to the other one and back."""
    there = weights(parts[0], parts[1])
    near = F.normalize(torch.from_numpy(there) @ parts[1], dim=-1)
    back = weights(near, parts[0])
    heights = [4.15 - 0.62 * n for n in range(NUM_STRIPES)]
    for step, image in enumerate((images[0], images[1], images[0])):
        for y, stripe in zip(heights, stripes(image), strict=True):
            picture(axes, stripe, x + 1.25 * step, y - 0.14, 0.28)
    width = 0.28 * images[0].shape[1] / (images[0].shape[0] / NUM_STRIPES)
    for step, matrix in enumerate((there, back)):
        left = x + 1.25 * step + width
        for i, j in np.ndindex(matrix.shape):
            axes.plot(
                (left, left + 1.25 - width),
                (heights[i], heights[j]),
                color=COLOURS[step],
                alpha=float(matrix[i, j]),
                zorder=1,
            )


def mmgl_idea(checkpoint: Path) -> Figure:
    """Draw what MMGL asks of a pair, with a network that it has trained."""
    figure, axes = canvas(11.2, 5.2)
    pair, order = read_pair()
    shuffled = [shuffle_stripes(image, order) for image in pair]
    matrices, parts = look(checkpoint, shuffled)
    titles = {
        0.1: 'a pair, by chance',
        1.5: 'one permutation',
        3.0: 'two stems, one trunk',
        5.2: 'undo it (Gumbel-Sinkhorn)',
        7.9: 'there and back (PCC)',
    }
    for x, title in titles.items():
        axes.text(x, 4.95, title, fontweight='bold', fontsize=9)
    for row, y in enumerate((2.75, 0.45)):
        picture(axes, pair[row], 0.1, y, 1.9)
        picture(axes, shuffled[row], 1.6, y, 1.9)
        arrow(axes, (1.12, y + 0.95), (1.55, y + 0.95))
        name = ('visible', 'infrared')[row]
        box(axes, 3.45, y + 0.95, f'{name} stem', COLOURS[row], 0.95)
        arrow(axes, (2.6, y + 0.95), (2.95, y + 0.95))
        arrow(axes, (3.95, y + 0.95), (4.15, 2.65 + 0.15 * (1 - 2 * row)))
        place = (5.35, 7.05, y - 0.1, y + 1.6)
        axes.imshow(matrices[row], extent=place, cmap='Greys', vmin=0, vmax=1)
        edge = dict(fill=False, edgecolor=NEUTRAL_COLOUR, linewidth=0.6)
        axes.add_patch(Rectangle((5.35, y - 0.1), 1.7, 1.7, **edge))
        for i, j in enumerate(order):
            centre = 5.35 + (j + 0.5) * 1.7 / 6, y + 1.6 - (i + 0.5) * 1.7 / 6
            axes.plot(*centre, 'o', ms=11, mfc='none', mec=MATCH_COLOUR)
        axes.text(5.35, y + 1.65, f'{name}: stripe by position', fontsize=7)
    box(axes, 4.4, 2.65, 'trunk', width=0.5, height=0.9)
    arrow(axes, (4.68, 2.65), (5.2, 2.65))
    draw_cycle(axes, shuffled, parts, 7.9)
    notes = 'visible parts', 'nearest infrared', 'their nearest visible'
    for step, note in enumerate(notes):
        axes.text(7.85 + 1.25 * step, 0.65, note, fontsize=7)
    axes.set(xlim=(0, 11.2), ylim=(0.2, 5.2))
    return figure


def one_model() -> Figure:
    """Draw the one model of all methods and pre-trainings."""
    figure, axes = canvas(9.4, 3.6)
    box(axes, 0.8, 1.8, 'images\n(B, 3, H, W)\nmodality (B)', height=0.9)
    for y, name, colour in (
        (2.5, 'visible stem', VISIBLE_COLOUR),
        (1.1, 'infrared stem', INFRARED_COLOUR),
    ):
        box(axes, 2.5, y, name, colour)
        arrow(axes, (1.47, 1.8), (1.82, y))
        arrow(axes, (3.17, y), (3.5, 1.8))
    box(axes, 4.2, 1.8, 'layer1 ... layer4\nplugins between', height=0.8)
    arrow(axes, (4.88, 1.8), (5.1, 1.8))
    box(axes, 5.6, 1.8, 'neck', width=0.9, height=0.8)
    rows = {
        'id': ('bn', 'identity cross-entropy'),
        'triplet': ('pool', 'AGW, CAJ, ...'),
        'graph': ('part', 'DDAG'),
        'permutation': ('pool', 'MMGL: Sinkhorn'),
        'part': ('map', 'MMGL: position, PCC'),
    }
    for n, (head, (feature, loss)) in enumerate(rows.items()):
        y = 3.35 - 0.62 * n
        box(axes, 7.5, y, head, MATCH_COLOUR, 1.0, 0.4)
        arrow(axes, (6.07, 1.8), (6.98, y))
        axes.text(6.93, y + 0.12, feature, fontsize=7, ha='right', va='bottom')
        axes.text(8.1, y, loss, fontsize=8, va='center')
    box(axes, 7.5, 0.25, 'test feature', INK, 1.0, 0.35)
    arrow(axes, (6.07, 1.8), (6.98, 0.25))
    axes.text(8.1, 0.25, 'retrieval', fontsize=8, va='center')
    for x, title in (
        (2.5, 'backbone'),
        (5.6, 'named features'),
        (7.5, 'heads'),
    ):
        axes.text(x, 3.7, title, ha='center', fontweight='bold')
    axes.set(ylim=(0, 3.9))
    return figure


def way_of_data() -> Figure:
    """Draw where data go, from a folder to a figure."""
    figure, axes = canvas(9.4, 2.1)
    steps = (
        'data set',
        'sampler\n(Draw)',
        'transforms\nuint8',
        'preprocessor\nfloat, once',
        'model',
        'unit vectors',
        'ranking',
    )
    carried = (
        'pid, camid,\nmodality',
        'seed, epoch,\nposition',
        'one image',
        'a batch',
        'features',
        '(N, D)',
    )
    for n, step in enumerate(steps):
        box(axes, 0.7 + 1.33 * n, 1.3, step, width=1.05, height=0.6)
        if n:
            arrow(axes, (1.23 + 1.33 * (n - 1), 1.3), (0.16 + 1.33 * n, 1.3))
            axes.text(
                0.03 + 1.33 * n,
                0.92,
                carried[n - 1],
                fontsize=6,
                ha='center',
                va='top',
            )
    ends = 'report', 'gallery', 'picture', 'service'
    for n, end in enumerate(ends):
        box(axes, 5.05 + 1.2 * n, 0.25, end, MATCH_COLOUR, 0.95, 0.35)
    arrow(axes, (8.68, 0.98), (8.68, 0.45))
    arrow(axes, (7.35, 0.98), (6.3, 0.45))
    return figure


def main() -> None:
    """Draw everything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--checkpoint', type=Path)
    parser.add_argument('--log', type=Path, metavar='RUN')
    parser.add_argument('--out', type=Path, default=OUT)
    args = parser.parse_args()
    with figure_style():
        save_figure(people(), args.out / 'people.png', dpi=68)
        save_figure(one_model(), args.out / 'model.svg')
        save_figure(way_of_data(), args.out / 'data.svg')
        if args.checkpoint:
            idea = mmgl_idea(args.checkpoint)
            save_figure(idea, args.out / 'mmgl.png', dpi=88)
    if args.log:
        log = load_run_log(args.log)
        draw_losses({'seed 0': log}, args.out / 'training.svg')


if __name__ == '__main__':
    main()
