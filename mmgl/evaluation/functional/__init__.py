"""Evaluation on plain arrays: numpy and scipy only, no registry."""

from .distances import pairwise_distances
from .features_io import FeatureSet, load_features, save_features
from .permutation import (
                          hungarian_permutation,
                          permutation_accuracy,
                          permutation_matches,
)
from .protocols import load_rand_perm_cam, read_id_list
from .ranking import RankingScores, score_galleries
from .reports import evaluate_regdb, evaluate_sysu, merge_reports

__all__ = [
    'FeatureSet', 'RankingScores', 'evaluate_regdb', 'evaluate_sysu',
    'hungarian_permutation', 'load_features', 'load_rand_perm_cam',
    'merge_reports', 'pairwise_distances', 'permutation_accuracy',
    'permutation_matches', 'read_id_list', 'save_features', 'score_galleries'
]
