"""Evaluation on plain arrays, and ``metrics`` for the Runner."""

from mmgl.protocols.split_files import load_rand_perm_cam, read_id_list

from .cross_reports import evaluate_cross, evaluate_llcm
from .features_io import FeatureSet, load_features, save_features
from .permutation import hungarian_permutation, permutation_matches
from .ranking import RankingScores, pairwise_distances, score_galleries
from .reports import (
    evaluate_regdb,
    evaluate_sysu,
    mean_over_trials,
    report_document,
)

__all__ = [
    'FeatureSet',
    'RankingScores',
    'evaluate_cross',
    'evaluate_llcm',
    'evaluate_regdb',
    'evaluate_sysu',
    'hungarian_permutation',
    'load_features',
    'load_rand_perm_cam',
    'mean_over_trials',
    'pairwise_distances',
    'permutation_matches',
    'read_id_list',
    'report_document',
    'save_features',
    'score_galleries',
]
