import cv2
import numpy as np
import pytest
from matplotlib import rcParams

from mmgl.visualization import (
    EmbeddedPoints,
    RankedQuery,
    RunLog,
    draw_comparison,
    draw_embedding,
    draw_losses,
    draw_metrics,
    draw_permutation_accuracy,
    draw_ranking,
    draw_series,
)
from mmgl.visualization.style import MATCH_COLOUR, MISMATCH_COLOUR


def log():
    train = [
        {
            'lr': 0.1,
            'loss': 3.0 / s,
            'permutation/loss': 2.0 / s,
            'part/loss_pcc': 1.0 / s,
            'epoch': (s - 1) // 5 + 1,
            'step': s,
        }
        for s in range(1, 21)
    ]
    val = [
        {
            f'permutation/{m}{k}': float(20 * e)
            for m in ('', 'visible_', 'infrared_')
            for k in ('stripe_acc', 'exact_acc')
        }
        | {'step': e}
        for e in range(1, 5)
    ]
    return RunLog(train, val)


def pixels(path, colour, tolerance=12):
    """Count the pixels of a picture that have a colour '#rrggbb'."""
    rgb = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    image = cv2.imread(str(path))[..., ::-1].astype(int)
    return int((abs(image - rgb).max(axis=-1) <= tolerance).sum())


@pytest.mark.parametrize('suffix', ['.png', '.svg'])
def test_suffix_chooses_the_format_and_input_the_bytes(tmp_path, suffix):
    paths = [tmp_path / 'deep' / f'{n}{suffix}' for n in 'ab']
    for path in paths:
        draw_series({'t': {'c': (np.arange(3), np.arange(3))}}, path)
    first, second = (path.read_bytes() for path in paths)
    assert first == second
    assert first.startswith(b'\x89PNG' if suffix == '.png' else b'<?xml')
    # Nothing half-written stays behind.
    assert len(list(paths[0].parent.iterdir())) == 2


def test_unknown_suffix_is_refused_before_any_work(tmp_path):
    with pytest.raises(ValueError, match='gif'):
        draw_series({'t': {'c': ([0], [1])}}, tmp_path / 'a.gif')


def test_style_does_not_leak(tmp_path):
    before = dict(rcParams)
    draw_series({'t': {'c': ([0, 1], [1, 2])}}, tmp_path / 'a.png')
    assert dict(rcParams) == before


@pytest.mark.parametrize('overlay', [True, False])
def test_curves_of_runs(tmp_path, overlay):
    path = draw_losses(
        {'a': log(), 'b': log()}, tmp_path / 'a.png', overlay=overlay
    )
    assert cv2.imread(str(path)) is not None
    assert draw_metrics({'a': log()}, tmp_path / 'b.png').is_file()
    assert draw_permutation_accuracy(log(), tmp_path / 'c.png').is_file()


def test_nothing_to_draw_is_an_error(tmp_path):
    out = tmp_path / 'a.png'
    with pytest.raises(ValueError, match='Nothing'):
        draw_losses({'a': RunLog()}, out)
    with pytest.raises(ValueError, match='permutation/visible'):
        draw_permutation_accuracy(RunLog(), out)
    with pytest.raises(ValueError, match='Nothing'):
        draw_comparison({}, out)
    with pytest.raises(ValueError, match='Nothing'):
        draw_embedding({}, out)
    with pytest.raises(ValueError, match='Nothing'):
        draw_ranking({'a': []}, out)


def test_comparison_needs_the_same_metrics(tmp_path):
    with pytest.raises(ValueError, match="'b'"):
        draw_comparison(
            {'a': {'R1': [1.0]}, 'b': {'mAP': [1.0]}}, tmp_path / 'a.png'
        )
    draw_comparison(
        {'a': {'R1': [1.0, 2.0]}, 'b': {'R1': [3.0, 4.0]}}, tmp_path / 'a.png'
    )
    assert pixels(tmp_path / 'a.png', '#0072B2') > 1000


def test_embedding_draws_more_identities_than_colours(tmp_path):
    rng = np.random.default_rng(0)
    part = EmbeddedPoints(
        rng.normal(size=(48, 2)), np.arange(48) // 4, np.arange(48) % 2
    )
    path = draw_embedding({'a': part, 'b': part}, tmp_path / 'a.png')
    assert pixels(path, '#0072B2') > 100


def make_images(folder, count):
    paths = []
    for i in range(count):
        paths.append(str(folder / f'{i}.jpg'))
        cv2.imwrite(paths[-1], np.full((40, 20, 3), 128, np.uint8))
    return paths


def test_ranking_frames_show_matches(tmp_path):
    paths = make_images(tmp_path, 4)
    counts = []
    for matches in ([True, True, True], [True, False, False]):
        out = draw_ranking(
            {'a': [RankedQuery(paths[0], paths[1:], matches)]},
            tmp_path / 'a.png',
        )
        counts.append(
            [pixels(out, c) for c in (MATCH_COLOUR, MISMATCH_COLOUR)]
        )
    (all_green, no_red), (one_green, two_red) = counts
    assert no_red == 0 and all_green > 0
    assert one_green == pytest.approx(all_green / 3, rel=0.1)
    assert two_red == pytest.approx(2 * one_green, rel=0.1)


def test_ranking_rejects_wrong_input(tmp_path):
    paths = make_images(tmp_path, 2)
    with pytest.raises(ValueError, match='match flags'):
        draw_ranking(
            {'a': [RankedQuery(paths[0], paths[1:], [])]}, tmp_path / 'a.png'
        )
    with pytest.raises(FileNotFoundError, match='gone.jpg'):
        draw_ranking(
            {'a': [RankedQuery('gone.jpg', paths, [True] * 2)]},
            tmp_path / 'a.png',
        )
