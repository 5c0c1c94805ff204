"""Pictures of features: t-SNE, and queries with their best matches."""

from collections.abc import Sequence

import numpy as np

from mmgl.evaluation.features_io import FeatureSet
from mmgl.utils.compat import silence_upstream_warnings
from mmgl.utils.errors import ConfigError, report_errors, report_outcome
from mmgl.visualization import (
    EmbeddedPoints,
    choose_changed_queries,
    choose_queries,
    draw_embedding,
    draw_ranking,
    rank_gallery,
    select_identities,
    tsne_embed,
)

from .features import load_inputs
from .parsers import ranking_parser, tsne_parser


def run_tsne(arguments: Sequence[str] | None = None) -> None:
    """Draw the embeddings; every panel shows the same identities."""
    args = tsne_parser().parse_args(arguments)
    silence_upstream_warnings()
    with report_outcome(), report_errors():
        panels = {}
        for name, dump in load_inputs(args).items():
            limits = (args.num_ids, args.per_modality or None, args.seed)
            dump = dump.select(
                select_identities(dump.pids, dump.modality, *limits)
            )
            panels[name] = EmbeddedPoints(
                tsne_embed(dump.features, args.seed), dump.pids, dump.modality
            )
        print(draw_embedding(panels, args.out, not args.no_labels))


def _check_same_images(dumps: dict[str, FeatureSet]) -> None:
    """Refuse to compare runs on different images."""
    first_name, first = next(iter(dumps.items()))
    for name, dump in dumps.items():
        if not all(
            np.array_equal(getattr(dump, key), getattr(first, key))
            for key in ('pids', 'camids', 'modality', 'index')
        ):
            raise ConfigError(
                f'{name!r} holds other images than {first_name!r}; compare '
                'features of the same test set'
            )


def run_ranking(arguments: Sequence[str] | None = None) -> None:
    """Rank the same queries with every input and draw them."""
    args = ranking_parser().parse_args(arguments)
    silence_upstream_warnings()
    with report_outcome(), report_errors():
        if args.against:
            if len(args.inputs) > 1:
                raise ConfigError(
                    '--against compares one input with another; give one'
                )
            args.inputs.append(args.against)
        dumps = load_inputs(args)
        _check_same_images(dumps)
        first, *others = dumps.values()
        if args.against:
            rule = args.num_queries, not args.multi_shot, args.seed
            queries = choose_changed_queries(first, others[0], *rule)
        else:
            queries = choose_queries(first, args.num_queries, args.seed)
        how = (args.top_k, not args.multi_shot, args.seed, args.data_root)
        panels = {
            name: [rank_gallery(dump, query, *how) for query in queries]
            for name, dump in dumps.items()
        }
        print(draw_ranking(panels, args.out, stacked=not args.side_by_side))
