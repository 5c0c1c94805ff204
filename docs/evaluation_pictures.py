"""Draws what docs/evaluate_honestly.md explains, from measured features.

    python docs/evaluation_pictures.py --features FEATURES.npz \
        --data-root data/synthetic/mini

FEATURES.npz is the dump of a test on that data set (docs/evaluation.md).
"""

import argparse
from pathlib import Path

import numpy as np
from boxes import arrow, box, canvas
from matplotlib.figure import Figure

from mmgl.datasets.synthetic import get_preset
from mmgl.datasets.synthetic.splits import regdb_split_files
from mmgl.evaluation import (
    evaluate_sysu,
    load_features,
    load_rand_perm_cam,
    score_galleries,
)
from mmgl.protocols.regdb import split_file_name
from mmgl.visualization.style import (
    INFRARED_COLOUR,
    MATCH_COLOUR,
    MISMATCH_COLOUR,
    NEUTRAL_COLOUR,
    VISIBLE_COLOUR,
    figure_style,
    new_figure,
    save_figure,
)

OUT = Path(__file__).parent / 'images'


def draws(features: Path, data_root: Path) -> Figure:
    """Draw Rank-1 and mAP of ten galleries, by both draws."""
    data = load_features(features)
    orders = load_rand_perm_cam(data_root / 'exp/rand_perm_cam.mat')
    figure = new_figure(7, 2.6)
    panels = figure.subplots(1, 2, sharex=True)
    for side, draw in enumerate(('official', 'random_seeded')):
        trials = evaluate_sysu(data.features, *data.labels, orders, draw=draw)
        for axes, key in zip(panels, ('rank1', 'mAP'), strict=True):
            values = [100 * t[f'all_single/{key}'] for t in trials]
            places = np.arange(10) + 0.4 * side
            colour = (VISIBLE_COLOUR, INFRARED_COLOUR)[side]
            axes.bar(places, values, 0.38, color=colour, label=draw)
            axes.axhline(np.mean(values), color=colour, linewidth=1)
            axes.set(title=f'{key} (%)', xlabel='trial', xticks=[])
    panels[0].legend(loc='lower left', frameon=True)
    return figure


def ties() -> Figure:
    """Score six images at one distance, the match at each place."""
    distances, pids = np.zeros((1, 6)), np.arange(6)
    figure, axes = canvas(7, 2.4)
    for row, rule in enumerate(('gallery_order', 'expected')):
        for column, match in enumerate((0, 3, 5)):
            scores = score_galleries(
                distances,
                [0],
                (pids != match).astype(int),
                cmc='standard',
                ties=rule,
            )[0]
            x, y = 1.6 + 1.9 * column, 1.75 - 1.1 * row
            for place in range(6):
                colour = MATCH_COLOUR if place == match else NEUTRAL_COLOUR
                box(axes, x + 0.24 * place, y, '', colour, 0.2, 0.4)
            text = (
                f'Rank-1 {100 * scores.cmc[0]:.0f}, AP {100 * scores.mAP:.0f}'
            )
            axes.text(x - 0.1, y - 0.42, text, fontsize=8)
        axes.text(0, 1.75 - 1.1 * row, rule, va='center', fontweight='bold')
    axes.set(ylim=(0, 2.2))
    return figure


def camera_rule() -> Figure:
    """Draw which images a query of camera 3 sees."""
    figure, axes = canvas(7, 1.9)
    box(axes, 0.7, 1, 'query\ncamera 3', INFRARED_COLOUR)
    for n, camera in enumerate((1, 2, 4, 5)):
        seen = camera != 2
        colour = MATCH_COLOUR if seen else MISMATCH_COLOUR
        text = f'camera {camera}' + (
            '' if seen else ', the same room:\nall left out'
        )
        box(axes, 3.4 + 2.1 * (n % 2), 1.5 - 0.9 * (n // 2), text, colour, 1.8)
    arrow(axes, (1.4, 1), (2.3, 1))
    axes.text(1.85, 1.08, 'sees', ha='center', fontsize=8)
    axes.set(ylim=(0.2, 1.9))
    return figure


def leak() -> Figure:
    """Draw who of RegDB's test persons another trial has trained on."""
    preset = get_preset('regdb', 'mini')
    files = regdb_split_files(preset, 0, lambda pid: 0.0)

    def persons(half: str, trial: int) -> set[str]:
        text = files[split_file_name(half, 0, trial)].decode()
        return {line.split('/')[1] for line in text.splitlines()}

    trained = persons('train', 1)
    everyone = sorted(trained | persons('test', 1), key=int)
    figure, axes = canvas(7, 2.0)
    for row, trial in enumerate((1, 2, 3)):
        tested = persons('test', trial)
        for n, one in enumerate(everyone):
            x, y = 1.55 + 0.055 * n, 1.6 - 0.55 * row
            if one in tested:
                colour = MISMATCH_COLOUR if one in trained else MATCH_COLOUR
                axes.plot((x, x), (y - 0.15, y + 0.15), color=colour, lw=3)
        share = 100 * len(tested & trained) / len(tested)
        axes.text(0, 1.6 - 0.55 * row, f'test of trial {trial}', va='center')
        axes.text(6.1, 1.6 - 0.55 * row, f'{share:.0f} % seen', va='center')
    axes.text(1.5, 1.9, 'a model trained on trial 1', fontsize=8)
    axes.set(ylim=(0.2, 2.0))
    return figure


def main() -> None:
    """Draw everything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--features', type=Path, metavar='NPZ')
    parser.add_argument('--data-root', type=Path, metavar='DIR')
    parser.add_argument('--out', type=Path, default=OUT)
    args = parser.parse_args()
    with figure_style():
        save_figure(ties(), args.out / 'ties.svg')
        save_figure(camera_rule(), args.out / 'camera_rule.svg')
        save_figure(leak(), args.out / 'leak.svg')
        if args.features:
            figure = draws(args.features, args.data_root)
            save_figure(figure, args.out / 'draws.svg')


if __name__ == '__main__':
    main()
