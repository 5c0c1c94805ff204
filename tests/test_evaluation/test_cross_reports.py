"""Searches of one's own, against a loop over single queries."""

import itertools
import math
import random

import numpy as np
import pytest
import torch

from mmgl.apis.scoring import evaluate_features, run_scoring
from mmgl.datasets import LLCM
from mmgl.evaluation import evaluate_cross, evaluate_llcm
from mmgl.evaluation.features_io import (
    FeatureSet,
    load_features,
    save_features,
)
from mmgl.evaluation.ranking import distances_between, score_galleries
from mmgl.evaluation.ranking.device_ranks import DeviceDistances
from mmgl.utils.errors import ConfigError


def make_data(seed=0, persons=6, cameras=4, most=4, infrared=(2, 3)):
    """Features of images of persons, some of whom miss a camera."""
    rng = np.random.default_rng(seed)
    rows = []
    for pid, camid in itertools.product(range(persons), range(cameras)):
        if rng.random() < 0.8:
            kinds = (0, 1) if infrared is None else (int(camid in infrared),)
            for kind in kinds:
                rows += [
                    (10 + pid, camid, kind, n)
                    for n in range(1, 1 + rng.integers(1, most + 1))
                ]
    pids, camids, modality, index = np.array(rows).T
    centres = rng.normal(size=(persons, 5))
    features = centres[pids - 10] + rng.normal(size=(len(pids), 5))
    return features, pids, camids, modality, index


def naive(data, query, gallery, rule, members, cmc, role=None):
    """Rank one query after the other."""
    features, pids, camids, modality, _ = data
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    role = np.zeros(len(pids)) if role is None else role
    firsts, aps, inps = [], [], []
    for q in np.flatnonzero((modality == query) & (role != 2)):
        seen = [
            g
            for g in np.flatnonzero((modality == gallery) & (role != 1))
            if members[g]
            and not (
                rule != 'keep'
                and camids[g] == camids[q]
                and (rule == 'ignore_all' or pids[g] == pids[q])
            )
        ]
        seen.sort(key=lambda g: -unit[q] @ unit[g])
        people = [pids[g] for g in seen]
        ranks = [i for i, p in enumerate(people, 1) if p == pids[q]]
        if not ranks:
            continue
        aps.append(np.mean([k / r for k, r in enumerate(ranks, 1)]))
        inps.append(len(ranks) / ranks[-1])
        if cmc == 'unique_identity':
            people = list(dict.fromkeys(people))
        firsts.append(people.index(pids[q]) + 1)
    firsts = np.array(firsts)
    result = {f'rank{r}': np.mean(firsts <= r) for r in (1, 5, 10, 20)}
    return result | dict(mAP=np.mean(aps), mINP=np.mean(inps))


def draw(data, gallery, shots, trial):
    """Draw as the AGW family of code bases does."""
    _, pids, camids, modality, index = data
    generator = random.Random(trial)
    members = np.zeros(len(pids), dtype=bool)
    for pid, camid in itertools.product(
        sorted(set(pids.tolist())), sorted(set(camids.tolist()))
    ):
        place = (pids == pid) & (camids == camid) & (modality == gallery)
        numbers = sorted(index[place].tolist())
        if numbers:
            kept = (
                [generator.choice(numbers)]
                if shots == 1
                else generator.sample(numbers, min(shots, len(numbers)))
            )
            members |= place & np.isin(index, kept)
    return members


@pytest.mark.parametrize('infrared', [(2, 3), None])
@pytest.mark.parametrize('cmc', ['standard', 'unique_identity'])
@pytest.mark.parametrize('rule', ['ignore_person', 'ignore_all', 'keep'])
def test_whole_galleries_equal_a_loop(rule, cmc, infrared):
    """With cameras of one modality, and with cameras of both."""
    data = make_data(infrared=infrared)
    (report,) = evaluate_cross(*data, same_camera=rule, cmc=cmc)
    everything = np.ones(len(data[1]), dtype=bool)
    for name, sides in dict(
        visible_to_infrared=(0, 1), infrared_to_visible=(1, 0)
    ).items():
        expected = naive(data, *sides, rule, everything, cmc)
        for figure, value in expected.items():
            assert math.isfinite(value)
            assert report[f'{name}/{figure}'] == pytest.approx(value)
    assert len(report) == 12


@pytest.mark.parametrize('shots', [1, 2, 10])
def test_drawn_galleries_equal_a_loop(shots):
    data = make_data(seed=1, infrared=None)
    reports = evaluate_cross(
        *data, ['infrared_to_visible'], shots=[shots], trials=3
    )
    name = {1: 'single', 2: '2shot', 10: 'multi'}[shots]
    for trial, report in enumerate(reports):
        members = draw(data, 0, shots, trial)
        expected = naive(data, 1, 0, 'ignore_person', members, 'standard')
        for figure, value in expected.items():
            key = f'infrared_to_visible_{name}/{figure}'
            assert report[key] == pytest.approx(value)
    assert len(reports) == 3


def test_within_a_modality_an_image_does_not_find_itself():
    data = make_data(seed=2)
    (report,) = evaluate_cross(*data, ['visible_to_visible'])
    everything = np.ones(len(data[1]), dtype=bool)
    expected = naive(data, 0, 0, 'ignore_person', everything, 'standard')
    assert report['visible_to_visible/mAP'] == pytest.approx(expected['mAP'])
    with pytest.raises(ValueError, match='a query would find itself'):
        evaluate_cross(*data, ['visible_to_visible'], same_camera='keep')


@pytest.mark.parametrize('cmc', ['standard', 'unique_identity'])
def test_ties_of_what_a_query_does_not_see(cmc):
    """Many images at one distance, some of them hidden, in gallery order."""
    data = make_data(seed=8, infrared=None)
    corners = np.random.default_rng(0).normal(size=(4, 5))
    data = (corners[np.arange(len(data[1])) % 4], *data[1:])
    (report,) = evaluate_cross(*data, ties='gallery_order', cmc=cmc)
    everything = np.ones(len(data[1]), dtype=bool)
    args = 'ignore_person', everything, cmc
    for figure, value in naive(data, 1, 0, *args).items():
        found = report[f'infrared_to_visible/{figure}']
        assert found == pytest.approx(value)
    # In expectation the order of the images does not matter.
    rows = np.random.default_rng(1).permutation(len(data[1]))
    (one,), (other,) = (
        evaluate_cross(*columns, cmc=cmc)
        for columns in (data, [column[rows] for column in data])
    )
    assert one == pytest.approx(other)


@pytest.mark.parametrize('own_only', [False, True])
def test_what_is_hidden_on_the_device_is_that_of_the_host(own_only):
    features, pids, camids, *_ = make_data(seed=9, infrared=None)
    features[::7] = features[0]
    labels = pids, pids, None, camids, camids, 'unique_identity'
    host, device = (
        score_galleries(near, *labels, own_only=own_only)[0].as_dict()
        for near in (
            distances_between(features, features),
            DeviceDistances(*2 * [torch.from_numpy(features)]),
        )
    )
    assert host == pytest.approx(device)
    assert 0 < host['rank1'] < 1


def test_roles_part_queries_from_the_gallery():
    data = make_data(seed=3)
    role = np.where(data[3] == 1, 1, 2)
    role[np.flatnonzero(data[3] == 0)[:3]] = 0
    (report,) = evaluate_cross(*data, role=role)
    everything = np.ones(len(data[1]), dtype=bool)
    args = 'ignore_person', everything, 'standard', role
    expected = naive(data, 1, 0, *args)
    assert report['infrared_to_visible/mAP'] == pytest.approx(expected['mAP'])
    # Nobody searches from visible to infrared: no image is in that gallery.
    assert {key.split('/')[0] for key in report} == {'infrared_to_visible'}
    with pytest.raises(ValueError, match='0 gallery images'):
        evaluate_cross(*data, ['visible_to_infrared'], role=role)


def test_order_and_count_from_zero_change_nothing():
    data = make_data(seed=4)
    expected = evaluate_cross(*data, shots=[0, 1], trials=2)
    rows = np.random.default_rng(0).permutation(len(data[1]))
    shuffled = [column[rows] for column in data]
    shuffled[4] = shuffled[4] - 1
    found = evaluate_cross(*shuffled, shots=[0, 1], trials=2)
    for one, other in zip(expected, found, strict=True):
        assert one == pytest.approx(other)
    # A search without a draw is the same in each trial.
    assert found[0]['infrared_to_visible/mAP'] == pytest.approx(
        found[1]['infrared_to_visible/mAP']
    )


def test_a_collapsed_model_scores_at_chance():
    _, *labels = make_data(seed=5)
    (report,) = evaluate_cross(np.ones((len(labels[0]), 4)), *labels)
    assert report['infrared_to_visible/rank1'] < 0.35


def test_missing_images_are_refused_unless_partial():
    data = make_data(seed=6)
    lost = [np.delete(column, 0) for column in data[1:]]
    features = data[0][1:]
    assert data[4][:2].tolist() == [1, 2]
    with pytest.raises(ValueError, match='1 of .* images are missing'):
        evaluate_cross(features, *lost)
    (report,) = evaluate_cross(features, *lost, partial=True)
    assert math.isfinite(report['infrared_to_visible/mAP'])


@pytest.mark.parametrize(
    'options, words',
    [
        (dict(directions='infrared_to_visible'), 'give a list'),
        (dict(directions=['day_to_night']), "has 'day_to_night'; choose"),
        (dict(same_camera='skip'), "same_camera='skip'; choose from"),
        (dict(shots=[-1]), 'numbers of gallery images'),
        (dict(shots=[1], trials=0), '1 trial or more'),
        (dict(cmc='people'), 'cmc'),
        (dict(role=np.full(3, 1)), 'role has shape'),
    ],
)
def test_wrong_settings_are_one_sentence(options, words):
    with pytest.raises(ValueError, match=words):
        evaluate_cross(*make_data(), **options)


def test_nan_and_one_modality_are_refused():
    features, *labels = make_data()
    broken = features.copy()
    broken[3] = np.nan
    with pytest.raises(ValueError, match='camera'):
        evaluate_cross(broken, *labels)
    visible = labels[2] == 0
    with pytest.raises(ValueError, match='a search needs both'):
        evaluate_cross(features[visible], *(x[visible] for x in labels))


def test_roles_travel_in_feature_files(tmp_path):
    data = make_data()
    role = np.arange(len(data[1])) % 3
    path = tmp_path / 'features.npz'
    save_features(path, FeatureSet(*data, role=role))
    found = load_features(path)
    assert found.role.tolist() == role.tolist()
    kept = found.select(np.arange(4))
    assert kept.role.tolist() == role[:4].tolist()
    save_features(path, FeatureSet(*data, role=role + 1))
    with pytest.raises(ValueError, match='role must be 0, 1'):
        load_features(path)


def test_llcm_equals_a_loop_in_both_directions():
    """And in the third one, of which the public code calls itself reverse."""
    data = make_data(seed=7, cameras=5, infrared=None)
    reports = evaluate_llcm(*data)
    everything = np.ones(len(data[1]), dtype=bool)
    assert len(reports) == 10
    for trial in (0, 9):
        for name, query, gallery in (
            ('infrared_to_visible_single', 1, 0),
            ('visible_to_infrared_single', 0, 1),
            ('visible_to_infrared_published', 1, 0),
        ):
            members, role = draw(data, gallery, 1, trial), None
            if name.endswith('published'):
                members = everything
                # Only what is drawn is searched for.
                chosen = draw(data, 1, 1, trial)
                role = np.where(chosen | (data[3] == 0), 0, 2)
            args = query, gallery, 'ignore_person', members
            expected = naive(data, *args, 'unique_identity', role)
            for figure, value in expected.items():
                found = reports[trial][f'{name}/{figure}']
                assert found == pytest.approx(value), (name, figure)


def test_llcm_and_own_searches_from_files(tmp_path, tiny_llcm, capsys):
    dataset = LLCM(tiny_llcm, 'test')
    names = ('pid', 'camid', 'modality', 'index')
    labels = [dataset.field(name) for name in names]
    rng = np.random.default_rng(0)
    features = rng.normal(size=(len(dataset), 8)).astype(np.float32)
    path = tmp_path / 'features.npz'
    save_features(path, FeatureSet(features, *labels))
    given = ['--features', str(path), '--distance', 'cosine']
    run_scoring(['--protocol', 'llcm', *given, '--data-root', tiny_llcm])
    assert 'visible_to_infrared_published' in capsys.readouterr().out
    report = evaluate_features(path, 'llcm', distance='cosine')
    expected = evaluate_llcm(features, *labels)
    part = report['infrared_to_visible_single']
    assert part['trials'][3]['mAP'] == pytest.approx(
        expected[3]['infrared_to_visible_single/mAP']
    )
    options = ['--protocol', 'cross', *given, '--shots', '0', '1']
    run_scoring([*options, '--trials', '2', '--cmc', 'unique_identity'])
    assert '| infrared_to_visible ' in capsys.readouterr().out
    # The last image of a folder leaves no gap.
    last = np.flatnonzero(labels[3] == 3)[0]
    fewer = [np.delete(column, last, axis=0) for column in (features, *labels)]
    save_features(path, FeatureSet(*fewer))
    assert evaluate_features(path, 'llcm')
    with pytest.raises(ConfigError, match='1 of the .* images of the list'):
        evaluate_features(path, 'llcm', tiny_llcm)
    assert evaluate_features(path, 'llcm', tiny_llcm, partial=True)
    with pytest.raises(SystemExit):
        run_scoring(['--protocol', 'llcm', *given, '--shots', '1'])
    assert 'only --protocol cross takes this' in capsys.readouterr().err
