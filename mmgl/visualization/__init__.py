"""Pictures made from metrics, features and image files, never from a model.

Everything here draws on matplotlib's Agg canvas through ``Figure`` objects, so
it needs no display, keeps no global state and can run beside a training.
"""

from .bars import draw_comparison
from .curves import (
    draw_losses,
    draw_metrics,
    draw_permutation_accuracy,
    draw_series,
)
from .embedding import (
    EmbeddedPoints,
    draw_embedding,
    select_identities,
    tsne_embed,
)
from .feature_dump import FeatureDump, load_feature_dump
from .ranking import RankedQuery, choose_queries, draw_ranking, rank_gallery
from .scalars import RunLog, load_run_log, smooth
from .style import figure_style, new_figure, save_figure

__all__ = [
    'EmbeddedPoints',
    'FeatureDump',
    'RankedQuery',
    'RunLog',
    'choose_queries',
    'draw_comparison',
    'draw_embedding',
    'draw_losses',
    'draw_metrics',
    'draw_permutation_accuracy',
    'draw_ranking',
    'draw_series',
    'figure_style',
    'load_feature_dump',
    'load_run_log',
    'new_figure',
    'rank_gallery',
    'save_figure',
    'select_identities',
    'smooth',
    'tsne_embed',
]
