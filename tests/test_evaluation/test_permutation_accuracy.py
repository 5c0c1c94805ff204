import itertools

import numpy as np
import pytest
import torch

from mmgl.evaluation.permutation import (
    hungarian_permutation,
    permutation_matches,
)
from mmgl.registry import METRICS


def test_matching_equals_best_of_all_permutations():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(40, 5, 5))
    for one, found in zip(logits, hungarian_permutation(logits), strict=True):
        best = max(
            itertools.permutations(range(5)),
            key=lambda perm: one[range(5), list(perm)].sum(),
        )
        assert found.tolist() == list(best)


def test_greedy_choice_would_be_wrong():
    logits = [[3.0, 2.9], [2.8, 0.0]]
    assert hungarian_permutation(np.array(logits)).tolist() == [1, 0]


def test_orientation_row_is_the_shuffled_stripe():
    perm = torch.tensor([[2, 0, 1]])
    matrix = torch.zeros(1, 3, 3)
    matrix[0, torch.arange(3), perm[0]] = 1
    assert permutation_matches(matrix, perm).all()
    assert not permutation_matches(matrix.mT, perm).any()


def test_matching_stripes_are_marked():
    perms = np.array([[0, 1, 2], [1, 0, 2], [2, 1, 0]])
    logits = np.tile(np.eye(3), (3, 1, 1))
    found = permutation_matches(logits, perms)
    assert found.tolist() == (perms == [0, 1, 2]).tolist()


def test_bad_input_is_an_error():
    eye = np.eye(3)[None]
    with pytest.raises(ValueError, match='shape'):
        hungarian_permutation(np.ones((2, 3)))
    with pytest.raises(ValueError, match='NaN'):
        hungarian_permutation(eye * np.nan)
    with pytest.raises(ValueError, match='permutations'):
        permutation_matches(eye, [[1, 2, 3]])
    with pytest.raises(ValueError, match='permutations'):
        permutation_matches(eye, [[0, 1]])


def sample(perm, found, modality):
    logits = torch.zeros(len(perm), len(perm))
    logits[torch.arange(len(perm)), torch.tensor(found)] = 5.0
    return dict(
        permutation=torch.tensor(perm),
        permutation_logits=logits,
        modality=modality,
    )


def test_metric_splits_modalities():
    metric = METRICS.build(dict(type='PermutationAccuracy'))
    metric.process(
        None,
        [sample([0, 2, 1], [0, 2, 1], 0), sample([0, 2, 1], [0, 1, 2], 1)],
    )
    metric.process(None, [sample([1, 2, 0], [1, 2, 0], 1)])
    found = metric.evaluate(3)
    expected = {
        'stripe_acc': 700 / 9,
        'exact_acc': 200 / 3,
        'visible_stripe_acc': 100,
        'visible_exact_acc': 100,
        'infrared_stripe_acc': 400 / 6,
        'infrared_exact_acc': 50,
    }
    assert found == pytest.approx(
        {f'permutation/{key}': value for key, value in expected.items()}
    )
    assert all(type(value) is float for value in found.values())


def test_metric_without_one_modality_leaves_it_out():
    metric = METRICS.build(dict(type='PermutationAccuracy'))
    metric.process(None, [sample([0, 1], [0, 1], 0)])
    assert not any('infrared' in key for key in metric.evaluate(1))


def test_metric_names_missing_fields():
    metric = METRICS.build(dict(type='PermutationAccuracy'))
    with pytest.raises(ValueError, match='lacks permutation_logits'):
        metric.process(None, [dict(permutation=[0, 1], modality=0)])


def test_metric_counts_overflow_as_wrong():
    metric = METRICS.build(dict(type='PermutationAccuracy'))
    good = dict(
        permutation_logits=np.eye(3), permutation=np.arange(3), modality=0
    )
    bad = dict(good, permutation_logits=np.full((3, 3), np.nan), modality=1)
    metric.process(None, [good, bad])
    scores = metric.compute_metrics(metric.results)
    assert scores['visible_exact_acc'] == 100
    assert scores['infrared_stripe_acc'] == 0
    assert scores['exact_acc'] == 50
