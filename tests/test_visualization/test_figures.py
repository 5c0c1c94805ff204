"""What is drawn, read off the figures."""

import json

import numpy as np
import pytest
from matplotlib.colors import to_hex

from mmgl.visualization import (
    CostRecord,
    EmbeddedPoints,
    RankedQuery,
    RunLog,
    cost_figure,
    draw_cost,
    draw_metrics,
    embedding_figure,
    find_image,
    permutation_figure,
    ranking_figure,
    read_cost_records,
    series_figure,
)
from mmgl.visualization.style import MATCH_COLOUR, MISMATCH_COLOUR, PALETTE

RECORDS = [
    CostRecord('MMGL', 4 * 3600.0, 56.6, 0.5),
    CostRecord('ImageNet', 7 * 86400.0, 48.6),
    CostRecord('nothing', 0, 25.0),
]


def test_embedding_marks_modality_and_colours_identity():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(24, 2))
    pids, modality = np.arange(24) // 8, np.arange(24) % 2
    part = EmbeddedPoints(points, pids, modality)
    figure = embedding_figure({'a': part, 'b': part}, False)
    assert [ax.get_title(loc='left') for ax in figure.axes] == ['a', 'b']
    drawn = iter(figure.axes[1].collections)
    for pid in range(3):
        for number in (0, 1):
            group = next(drawn)
            np.testing.assert_allclose(
                group.get_offsets(),
                points[(pids == pid) & (modality == number)],
            )
            if number == 1:
                # A cross has no face.
                assert not group.get_paths()[0].codes.tolist().count(4)
                assert to_hex(group.get_edgecolor()[0]) == (
                    PALETTE[pid].lower()
                )
            else:
                assert to_hex(group.get_facecolor()[0]) == (
                    PALETTE[pid].lower()
                )
    assert not figure.axes[0].texts
    assert embedding_figure({'a': part}).axes[0].texts


def test_labels_of_identities_do_not_overlap():
    # Ten people at nearly one place.
    points = np.random.default_rng(0).normal(0, 0.01, (40, 2))
    points[:2] = (0, 0), (9, 9)
    part = EmbeddedPoints(points, np.arange(40) % 10 + 90, np.arange(40) // 20)
    figure = embedding_figure({'a': part, 'b': part})
    for ax in figure.axes:
        assert len(ax.texts) >= 10
        boxes = [text.get_window_extent() for text in ax.texts]
        for number, box in enumerate(boxes):
            assert not any(box.overlaps(other) for other in boxes[:number])


@pytest.mark.parametrize('stacked', [True, False])
def test_ranking_panels_and_frames(tmp_path, stacked):
    import cv2

    paths = [str(tmp_path / f'{i}.png') for i in range(4)]
    for level, path in enumerate(paths):
        cv2.imwrite(path, np.full((40, 20, 3), 60 * level, np.uint8))
    query = RankedQuery(paths[0], paths[1:], [False, True, False])
    figure = ranking_figure({'a': [query], 'b': [query]}, stacked=stacked)
    assert [part.get_suptitle().split()[0] for part in figure.subfigs] == [
        'a',
        'b',
    ]
    for part in figure.subfigs:
        tiles = [ax for ax in part.axes if ax.images]
        # The query is left of all others, which come in their order.
        places = [ax.get_subplotspec().colspan.start for ax in tiles]
        assert places == sorted(places) and len(tiles) == 4
        levels = [ax.images[0].get_array()[0, 0, 0] for ax in tiles]
        assert levels == [0, 60, 120, 180]
        frames = [to_hex(ax.spines['top'].get_edgecolor()) for ax in tiles]
        assert frames[1:] == [
            c.lower() for c in (MISMATCH_COLOUR, MATCH_COLOUR, MISMATCH_COLOUR)
        ]
    figure.draw_without_rendering()
    first, second = (part.bbox for part in figure.subfigs)
    assert (first.y0 >= second.y1 - 1) == stacked
    assert (first.x1 <= second.x0 + 1) != stacked


def test_images_are_found_after_a_move(tmp_path):
    (tmp_path / 'cam1').mkdir()
    image = tmp_path / 'cam1' / 'a.jpg'
    image.touch()
    for path in (
        'cam1/a.jpg',
        'data/old/cam1/a.jpg',
        '/gone/cam1/a.jpg',
        str(image),
    ):
        assert find_image(path, tmp_path) == str(image)
    assert find_image('x/b.jpg', tmp_path) == str(tmp_path / 'x/b.jpg')
    assert find_image('x/b.jpg') == 'x/b.jpg'


def test_series_draw_what_they_are_given():
    x, y = np.arange(4), np.array([1.0, 4, 9, 16])
    figure = series_figure({'t': {'a': (x, y), 'b': (x, 2 * y)}}, ylabel='%')
    (ax,) = figure.axes
    for line, factor in zip(ax.lines, (1, 2), strict=True):
        np.testing.assert_array_equal(
            line.get_xydata(), np.stack([x, factor * y], axis=1)
        )
    assert [t.get_text() for t in ax.get_legend().texts] == ['a', 'b']
    assert (ax.get_xlabel(), ax.get_ylabel()) == ('epoch', '%')


def test_a_run_keeps_its_colour_in_every_panel():
    curve = (np.arange(3), np.arange(3))
    panels = {
        's': dict.fromkeys('ab', curve),
        't': dict.fromkeys('bc', curve),
        'u': dict.fromkeys('ca', curve),
    }
    colours = {}
    for ax, names in zip(
        series_figure(panels).axes, panels.values(), strict=True
    ):
        for line, name in zip(ax.lines, names, strict=True):
            colours.setdefault(name, set()).add(line.get_color())
    assert [len(colours[name]) for name in 'abc'] == [1, 1, 1]
    assert len(set.union(*colours.values())) == 3


def log(value):
    return RunLog(
        val=[
            {
                f'permutation/{m}{k}': value + n
                for m in ('', 'visible_', 'infrared_')
                for n, k in enumerate(('stripe_acc', 'exact_acc'))
            }
            | {'step': e, 'all_single/rank1': value}
            for e in (5, 10)
        ]
    )


def test_permutation_curves_of_one_and_of_several_runs():
    figure = permutation_figure({'a': log(30.0), 'b': log(60.0)}, 3)
    for n, ax in enumerate(figure.axes):
        first, second, chance = ax.lines
        np.testing.assert_array_equal(
            first.get_xydata(), [[5, 30 + n], [10, 30 + n]]
        )
        np.testing.assert_array_equal(second.get_ydata(), 60 + n)
        assert chance.get_ydata()[0] == pytest.approx(100 / (3, 6)[n])
        assert first.get_label().startswith('a ')
    for runs in (log(1.0), {'a': log(1.0)}):
        labels = [
            line.get_label().split()[0]
            for line in permutation_figure(runs).axes[0].lines
        ]
        assert labels == ['visible', 'infrared', 'chance']
    with pytest.raises(ValueError, match='no runs'):
        permutation_figure({})


def test_metrics_name_the_run_without_the_key(tmp_path):
    runs = {'a': log(1.0), 'b': RunLog(val=[{'step': 1, 'x/mAP': 2.0}])}
    with pytest.raises(ValueError, match="'b' logged none of all_single"):
        draw_metrics(runs, tmp_path / 'a.svg', ['all_single/rank1'])
    path = draw_metrics(
        {'a': log(1.0)}, tmp_path / 'a.svg', ['all_single/rank1']
    )
    assert path.read_text().startswith('<?xml')


@pytest.mark.parametrize('log_time', [True, False])
def test_cost_points(log_time):
    (ax,) = cost_figure(RECORDS, log_time).axes
    unit = 3600 if log_time else 86400
    points = {c.get_label(): c.lines[0].get_xydata()[0] for c in ax.containers}
    np.testing.assert_allclose(points['MMGL'], [4 * 3600 / unit, 56.6])
    np.testing.assert_allclose(points['ImageNet'], [7 * 86400 / unit, 48.6])
    assert 'nothing' not in points
    assert any(set(line.get_ydata()) == {25.0} for line in ax.lines)
    bars = ax.containers[0].lines[2][0].get_segments()[0]
    np.testing.assert_allclose(bars[:, 1], [56.1, 57.1])
    assert ax.get_xscale() == ('log' if log_time else 'linear')
    assert ax.get_xlabel() == (
        f'pre-training time ({"hours" if log_time else "days"})'
    )
    assert {t.get_text() for t in ax.texts} == {
        'MMGL',
        'ImageNet',
        'nothing (no pre-training)',
    }


def test_many_points_are_named_in_a_legend():
    records = [CostRecord(f'm{n}', 60.0 + n, 50.0 + n) for n in range(8)]
    figure = cost_figure(records)
    (legend,) = figure.legends
    assert [t.get_text() for t in legend.texts] == [r.label for r in records]
    assert not figure.axes[0].texts


def test_cost_without_any_pretraining(tmp_path):
    path = draw_cost(RECORDS[2:], tmp_path / 'a.png', log_time=True)
    assert path.read_bytes().startswith(b'\x89PNG')


@pytest.mark.parametrize(
    'records,words',
    [
        ([], 'at least one'),
        ([{'label': 'a', 'seconds': 1}], 'record 1: needs'),
        ([dict(RECORDS[0]._asdict(), cost=1)], "unknown fields \\['cost'\\]"),
        ([dict(RECORDS[0]._asdict(), seconds=-1)], 'seconds must be'),
        ([dict(RECORDS[0]._asdict(), accuracy=None)], 'must be numbers'),
        ([dict(RECORDS[0]._asdict(), seconds=True)], 'seconds must be'),
        ([dict(RECORDS[0]._asdict(), accuracy=150.0)], '0 to 100, got 150'),
        ([dict(RECORDS[0]._asdict(), label=None)], 'label must be text'),
    ],
)
def test_wrong_records(tmp_path, records, words):
    path = tmp_path / 'records.json'
    path.write_text(json.dumps(records))
    with pytest.raises(ValueError, match=words):
        read_cost_records(path)


def test_records_from_a_file(tmp_path):
    path = tmp_path / 'records.json'
    path.write_text(json.dumps([r._asdict() for r in RECORDS]))
    assert read_cost_records(path) == RECORDS
    with pytest.raises(FileNotFoundError, match=r'gone\.json'):
        read_cost_records(tmp_path / 'gone.json')
    path.write_text('{')
    with pytest.raises(ValueError, match='no JSON'):
        read_cost_records(path)
