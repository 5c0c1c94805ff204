"""Pictures of a quickstart."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmgl.visualization import (
    EmbeddedPoints,
    choose_queries,
    draw_comparison,
    draw_embedding,
    draw_losses,
    draw_permutation_accuracy,
    draw_ranking,
    load_feature_dump,
    load_run_log,
    rank_gallery,
    select_identities,
    tsne_embed,
)

from .document import COLUMNS

_TITLES = {'random': 'random weights', 'mmgl': 'MMGL'}
_BARS = {
    name.replace('Rank-1', 'R1').replace(' ', '\n'): key
    for name, key in COLUMNS.items()
}


def draw_pictures(
    out: Path, data_root: Path, metrics: Mapping[str, Any]
) -> None:
    """Draw all pictures; those of single runs show seed 0."""
    folder = out / 'seed_0'
    bars = {
        f'AGW from {title}': {
            name: [row[init][key] for row in metrics['per_seed'].values()]
            for name, key in _BARS.items()
        }
        for init, title in _TITLES.items()
    }
    draw_comparison(
        bars, out / 'comparison.png', title='Unseen identities, single-shot'
    )
    log = load_run_log(folder / 'pretrain')
    draw_losses(
        {'MMGL pre-training': log}, out / 'training_curve.png', overlay=True
    )
    draw_permutation_accuracy(
        log, out / 'permutation_accuracy.png', metrics['num_stripes']
    )
    logs = {
        f'from {title}': load_run_log(folder / f'finetune_{init}')
        for init, title in _TITLES.items()
    }
    draw_losses(logs, out / 'finetuning_curve.png')
    _draw_features(out, folder, data_root)


def _draw_features(out: Path, folder: Path, data_root: Path) -> None:
    dumps = {
        f'({letter}) AGW from {title}': load_feature_dump(
            folder / f'evaluate_{init}/features.npz'
        )
        for letter, (init, title) in zip('ab', _TITLES.items(), strict=True)
    }
    first = next(iter(dumps.values()))
    kept = select_identities(first.pids, first.modality)
    queries = choose_queries(first)
    embedded, ranked = {}, {}
    for title, dump in dumps.items():
        embedded[title] = EmbeddedPoints(
            tsne_embed(dump.features[kept]),
            dump.pids[kept],
            dump.modality[kept],
        )
        ranked[title] = [
            rank_gallery(dump, query, image_root=data_root)
            for query in queries
        ]
    draw_embedding(embedded, out / 'tsne.png')
    draw_ranking(ranked, out / 'retrieval_top10.png')
