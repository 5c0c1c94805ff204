from dataclasses import replace

import numpy as np
import pytest

from mmgl.apis.pictures import run_ranking, run_tsne
from mmgl.evaluation import FeatureSet, save_features
from mmgl.protocols.modality import INFRARED, VISIBLE
from mmgl.visualization import (
    choose_changed_queries,
    choose_queries,
    load_feature_dump,
    rank_gallery,
    select_identities,
    tsne_embed,
)
from mmgl.visualization.changed_queries import first_match_ranks


def make_dump(seed=0, ids=6, per_camera=3):
    rng = np.random.default_rng(seed)
    rows = [
        (pid, cam, i + 1)
        for pid in range(ids)
        for cam in range(1, 7)
        for i in range(per_camera)
    ]
    pids, camids, index = np.array(rows).T
    modality = np.isin(camids, (3, 6)).astype(int)
    return FeatureSet(
        rng.normal(size=(len(rows), 8)),
        pids,
        camids,
        modality,
        index,
        np.array([f'cam{c}/{p:04d}/{i:04d}.jpg' for p, c, i in rows]),
    )


def save(path, dump, **changes):
    arrays = {k: v for k, v in vars(dump).items() if isinstance(v, np.ndarray)}
    np.savez(path, **{**arrays, **changes})


def test_dump_round_trip_and_errors(tmp_path):
    dump, path = make_dump(), tmp_path / 'a.npz'
    save(path, dump)
    loaded = load_feature_dump(path)
    np.testing.assert_array_equal(loaded.features, dump.features)
    np.testing.assert_array_equal(loaded.img_paths, dump.img_paths)
    with pytest.raises(FileNotFoundError, match='test_evaluator.dump'):
        load_feature_dump(tmp_path / 'b.npz')
    save(path, dump, pids=dump.pids[:-1])
    with pytest.raises(ValueError, match='length'):
        load_feature_dump(path)
    np.savez(path, features=dump.features)
    with pytest.raises(ValueError, match='pids, camids'):
        load_feature_dump(path)
    for name, value in (
        ('img_paths', None),
        ('features', dump.features[:, 0]),
    ):
        save_features(path, replace(dump, **{name: value}))
        with pytest.raises(ValueError, match=name):
            load_feature_dump(path)


@pytest.mark.parametrize('camera', [3, 6])
def test_ranking_against_a_loop(camera):
    dump = make_dump()
    query = int(np.flatnonzero(dump.camids == camera)[4])
    scores = {}
    for i in range(len(dump.pids)):
        if dump.modality[i] == 1 or (camera == 3 and dump.camids[i] == 2):
            continue
        a, b = dump.features[query], dump.features[i]
        scores[i] = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
    best = sorted(scores, key=lambda i: -scores[i])[:10]
    ranked = rank_gallery(
        dump, query, 10, single_shot=False, image_root='root'
    )
    assert ranked.gallery_paths == [f'root/{dump.img_paths[i]}' for i in best]
    assert ranked.matches == [dump.pids[i] == dump.pids[query] for i in best]
    np.testing.assert_allclose(ranked.scores, [scores[i] for i in best])
    assert (2 in ranked.camids) <= (camera == 6)


def test_cameras_of_other_data_follow_their_own_rule():
    """One that makes both kinds of images hides its own person only."""
    dump = make_dump()
    modality = np.arange(len(dump.pids)) % 2
    dump = replace(dump, modality=modality)
    query = int(np.flatnonzero((dump.camids == 3) & (modality == 1))[4])
    ranked = rank_gallery(dump, query, 1000, single_shot=False)
    own = (dump.camids == 3) & (dump.pids == dump.pids[query])
    seen = (modality == 0) & ~own
    assert (own & (modality == 0)).any()
    assert sorted(ranked.gallery_paths) == sorted(dump.img_paths[seen])
    assert {2, 3} < set(ranked.camids)


def test_single_shot_keeps_one_image_an_identity_and_camera():
    dump = make_dump()
    query = int(np.flatnonzero(dump.camids == 6)[0])
    ranked = rank_gallery(dump, query, 1000)
    assert len(ranked.gallery_paths) == 6 * 4
    keys = {path.rsplit('/', 1)[0] for path in ranked.gallery_paths}
    assert len(keys) == 6 * 4
    assert ranked == rank_gallery(dump, query, 1000)


def test_queries_that_moved_are_shown_in_both_directions():
    first, second = make_dump(1), make_dump(2)
    expected = {}
    for name, dump in (('a', first), ('b', second)):
        for query in np.flatnonzero(dump.modality == INFRARED):
            ranked = rank_gallery(dump, int(query), 1000)
            place = 1 + ranked.matches.index(True)
            assert ranked.first == place
            expected[name, query] = place
    ranks = first_match_ranks(first)
    assert np.isnan(ranks[first.modality == VISIBLE]).all()
    for (name, query), place in expected.items():
        assert name == 'b' or ranks[query] == place
    chosen = choose_changed_queries(first, second, 4)
    assert len({first.pids[query] for query in chosen}) == 4
    gains = [expected['b', q] / expected['a', q] for q in chosen]
    assert [gain > 1 for gain in gains] == [True, False, True, False]
    every = {
        query: expected['b', query] / expected['a', query]
        for name, query in expected
        if name == 'b'
    }
    assert gains[0] == max(every.values())
    others = [q for q in every if first.pids[q] != first.pids[chosen[0]]]
    assert gains[1] == min(every[q] for q in others)
    with pytest.raises(ValueError, match='both models'):
        choose_changed_queries(first, first)


def test_query_must_be_infrared():
    dump = make_dump()
    with pytest.raises(ValueError, match='not infrared'):
        rank_gallery(dump, int(np.flatnonzero(dump.modality == 0)[0]))


def test_queries_differ_in_identity_and_can_be_matched():
    dump = make_dump()
    # Identity 0 is seen by cameras 2 and 3 only: never a valid query.
    keep = (dump.pids != 0) | np.isin(dump.camids, (2, 3))
    dump = dump.select(keep)
    queries = choose_queries(dump, 100)
    assert sorted(dump.pids[queries]) == [1, 2, 3, 4, 5]
    assert set(dump.modality[queries]) == {1}
    assert len(choose_queries(dump, 2)) == 2


def test_identities_have_both_modalities():
    dump = make_dump()
    lonely = (dump.pids != 0) | (dump.modality == 0)
    pids, modality = dump.pids[lonely], dump.modality[lonely]
    kept = select_identities(pids, modality, num_ids=3, per_modality=2)
    chosen = set(pids[kept].tolist())
    assert len(chosen) == 3 and 0 not in chosen
    for pid in chosen:
        for part in (0, 1):
            mine = (pids[kept] == pid) & (modality[kept] == part)
            assert mine.sum() == 2
    with pytest.raises(ValueError, match='both'):
        select_identities(pids[pids == 0], modality[pids == 0])


def test_tsne_parts_clusters_and_repeats():
    rng = np.random.default_rng(0)
    centres = 10 * np.eye(2, 8)
    features = np.repeat(centres, 12, axis=0) + rng.normal(size=(24, 8))
    points = tsne_embed(features)
    np.testing.assert_array_equal(points, tsne_embed(features))
    # Directions count, not lengths.
    scaled = features * rng.uniform(1, 3, size=(24, 1))
    halves = tsne_embed(scaled).reshape(2, 12, 2)
    middle = halves.mean(axis=1)
    inside = np.linalg.norm(halves - middle[:, None], axis=-1).max()
    assert np.linalg.norm(middle[0] - middle[1]) > inside
    with pytest.raises(ValueError, match='at least 4'):
        tsne_embed(features[:3])
    with pytest.raises(ValueError, match='finite'):
        tsne_embed(np.full((5, 2), np.nan))


@pytest.mark.parametrize(
    'features, words',
    [
        (np.ones((20, 8)), 'same direction'),
        (np.outer(np.arange(1, 41), np.ones(8)), 'same direction'),
        (1 + 1e-9 * np.random.default_rng(0).normal(size=(9, 8)), 'same'),
        (np.eye(8)[[0, 1, 2, 3]] - np.eye(8)[[0, 0, 0, 0]], 'zero'),
        (np.full((5, 3), 1e300) * np.eye(5, 3), 'at least|zero'),
        (1e300 * np.random.default_rng(0).normal(size=(9, 8)), 'too large'),
        (np.ones((50, 1)), 'at least 4'),
        (np.ones(50), 'at least 4'),
    ],
)
def test_tsne_refuses_what_has_no_picture(features, words):
    """The library would end the process, or draw what rounding left."""
    with pytest.raises(ValueError, match=words):
        tsne_embed(features)


@pytest.mark.parametrize('tool', [run_tsne, run_ranking])
@pytest.mark.parametrize(
    'name, value, words',
    [
        ('features', np.nan, 'NaN or Inf in 1 of'),
        ('pids', 7.7, 'whole'),
        ('pids', -3, 'whole'),
        ('modality', 5, 'modality'),
        ('index', np.nan, 'whole'),
    ],
)
def test_no_picture_of_faulty_dumps(
    tool, name, value, words, tmp_path, capsys
):
    dump, path = make_dump(), tmp_path / 'a.npz'
    array = getattr(dump, name).astype(float)
    array[4] = value
    save(path, dump, **{name: array})
    with pytest.raises(SystemExit) as ended:
        tool([str(path), '--out', str(tmp_path / 'a.png')])
    error = capsys.readouterr().err.strip()
    assert ended.value.code == 2 and '\n' not in error
    assert words in error and 'a.npz' in error
    assert not (tmp_path / 'a.png').exists()


def test_two_models_are_drawn_side_by_side(tmp_path, capsys):
    import cv2

    for name, seed in (('a', 1), ('b', 2)):
        save_features(tmp_path / f'{name}.npz', make_dump(seed, per_camera=1))
    for path in make_dump(per_camera=1).img_paths:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(tmp_path / path), np.full((16, 8, 3), 90, np.uint8))
    words = '{0}/a.npz --against {0}/b.npz --data-root {0} --names a b'
    words = words.format(tmp_path).split()
    out = tmp_path / 'out.png'
    run_ranking([*words, '--num-queries=2', '--top-k=3', f'--out={out}'])
    assert out.is_file() and str(out) in capsys.readouterr().out
    with pytest.raises(SystemExit) as end:
        run_ranking([f'{tmp_path}/b.npz', *words, f'--out={out}'])
    assert end.value.code == 2
    assert '--against compares one input' in capsys.readouterr().err
