"""Pictures made from metrics, features and image files, never from a model.

Everything here draws on matplotlib's Agg canvas through ``Figure`` objects, so
it needs no display, keeps no global state and can run beside a training.
"""

from .activation import ExplainedPair, activation_figure, draw_activation
from .bars import comparison_figure, draw_comparison
from .changed_queries import choose_changed_queries
from .cost import CostRecord, cost_figure, draw_cost, read_cost_records
from .curves import (
    draw_losses,
    draw_metrics,
    draw_permutation_accuracy,
    draw_series,
    permutation_figure,
    series_figure,
)
from .embedding import (
    EmbeddedPoints,
    draw_embedding,
    embedding_figure,
    select_identities,
    tsne_embed,
)
from .ranking import (
    RankedQuery,
    choose_queries,
    draw_ranking,
    find_image,
    load_feature_dump,
    rank_gallery,
    ranking_figure,
)
from .scalars import RunLog, load_run_log, smooth

__all__ = [
    'CostRecord',
    'EmbeddedPoints',
    'ExplainedPair',
    'RankedQuery',
    'RunLog',
    'activation_figure',
    'choose_changed_queries',
    'choose_queries',
    'comparison_figure',
    'cost_figure',
    'draw_activation',
    'draw_comparison',
    'draw_cost',
    'draw_embedding',
    'draw_losses',
    'draw_metrics',
    'draw_permutation_accuracy',
    'draw_ranking',
    'draw_series',
    'embedding_figure',
    'find_image',
    'load_feature_dump',
    'load_run_log',
    'permutation_figure',
    'rank_gallery',
    'ranking_figure',
    'read_cost_records',
    'select_identities',
    'series_figure',
    'smooth',
    'tsne_embed',
]
