"""Pictures of a quickstart."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mmgl.visualization as vis

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
    title = 'Unseen identities, single-shot'
    vis.draw_comparison(bars, out / 'comparison.png', title=title)
    log = vis.load_run_log(folder / 'pretrain')
    logs = {'MMGL pre-training': log}
    vis.draw_losses(logs, out / 'training_curve.png', overlay=True)
    path = out / 'permutation_accuracy.png'
    vis.draw_permutation_accuracy(log, path, metrics['num_stripes'])
    logs, ranked = {}, {}
    embedded: dict[str, vis.EmbeddedPoints] = {}
    for letter, (init, title) in zip('ab', _TITLES.items(), strict=True):
        logs[f'from {title}'] = vis.load_run_log(folder / f'finetune_{init}')
        dump = vis.load_feature_dump(folder / f'evaluate_{init}/features.npz')
        if not embedded:
            # Both have the same images in the same order.
            kept = vis.select_identities(dump.pids, dump.modality)
            queries = vis.choose_queries(dump, num_queries=3)
        name = f'({letter}) AGW from {title}'
        points = vis.tsne_embed(dump.features[kept])
        embedded[name] = vis.EmbeddedPoints(
            points, dump.pids[kept], dump.modality[kept]
        )
        ranked[name] = [
            vis.rank_gallery(dump, one, image_root=data_root)
            for one in queries
        ]
    vis.draw_losses(logs, out / 'finetuning_curve.png')
    vis.draw_embedding(embedded, out / 'tsne.png')
    vis.draw_ranking(ranked, out / 'retrieval_top10.png', stacked=True)
