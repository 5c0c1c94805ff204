"""From features to ranks and scores, exact with ties."""

from .backend import Distances
from .distances import distances_between, pairwise_distances
from .feature_arrays import (
    Values,
    check_features,
    check_where_it_is,
    to_numpy,
    unit_rows,
)
from .options import DISTANCES, TIE_RULES, check_choice
from .rerank import Reranking, jaccard_graph, reranked_distances
from .scoring import RankingScores, Share, score_galleries

__all__ = [
    'DISTANCES',
    'Distances',
    'RankingScores',
    'Reranking',
    'Share',
    'TIE_RULES',
    'Values',
    'check_choice',
    'check_features',
    'check_where_it_is',
    'distances_between',
    'jaccard_graph',
    'pairwise_distances',
    'reranked_distances',
    'score_galleries',
    'to_numpy',
    'unit_rows',
]
