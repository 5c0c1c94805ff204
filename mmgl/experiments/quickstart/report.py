"""Pictures and the written report of a quickstart."""

from pathlib import Path

from mmgl.experiments.jobs import clock
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

from .options import INITS, QuickstartOptions
from .tables import markdown_tables

PICTURES = {
    'comparison.png': (
        'Retrieval accuracy from both initialisations; dots are seeds.'
    ),
    'training_curve.png': 'Losses of the pre-training.',
    'finetuning_curve.png': (
        'Losses of the fine-tuning from both initialisations.'
    ),
    'permutation_accuracy.png': (
        'Permutation recovery on held-out identities during pre-training.'
    ),
    'tsne.png': 't-SNE of test features of fine-tuned AGW.',
    'retrieval_top10.png': (
        'The ten best matches of the same queries from both initialisations.'
    ),
}
_BARS = {
    'R1\nall': 'all_single/rank1',
    'mAP\nall': 'all_single/mAP',
    'R1\nindoor': 'indoor_single/rank1',
    'mAP\nindoor': 'indoor_single/mAP',
}


def _panel_title(number: int, init: str) -> str:
    return f'({"abc"[number]}) AGW from {INITS[init]}'


def _draw_features(options: QuickstartOptions, folder: Path) -> None:
    dumps = {
        init: load_feature_dump(folder / f'evaluate_{init}/features.npz')
        for init in INITS
    }
    first = next(iter(dumps.values()))
    kept = select_identities(first.pids, first.modality)
    queries = choose_queries(first)
    embedded, ranked = {}, {}
    for number, (init, dump) in enumerate(dumps.items()):
        title = _panel_title(number, init)
        embedded[title] = EmbeddedPoints(
            tsne_embed(dump.features[kept]),
            dump.pids[kept],
            dump.modality[kept],
        )
        ranked[title] = [
            rank_gallery(dump, query, image_root=options.data_root)
            for query in queries
        ]
    draw_embedding(embedded, options.work_dir / 'tsne.png')
    draw_ranking(ranked, options.work_dir / 'retrieval_top10.png')


def draw_pictures(options: QuickstartOptions, metrics: dict) -> None:
    """Draw all pictures; those of single runs show seed 0.

    Args:
        options: What was done.
        metrics: What ``collect`` returned.
    """
    out = options.work_dir
    folder = out / 'seed_0'
    bars = {
        f'AGW from {title}': {
            name: [row[init][key] for row in metrics['per_seed'].values()]
            for name, key in _BARS.items()
        }
        for init, title in INITS.items()
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
    draw_losses(
        {
            f'from {title}': load_run_log(folder / f'finetune_{init}')
            for init, title in INITS.items()
        },
        out / 'finetuning_curve.png',
    )
    _draw_features(options, folder)


def _timings(metrics: dict) -> str:
    lines = ['| stage | time |', '|---|---:|']
    for name, stage in metrics['stages'].items():
        lines.append(f'| {name} | {clock(stage["seconds"])} |')
    lines.append(f'| all | {clock(metrics["seconds"])} |')
    return '\n'.join(lines)


def write_report(options: QuickstartOptions, metrics: dict) -> Path:
    """Write ``report.md`` beside the pictures.

    Args:
        options: What was done.
        metrics: What ``collect`` returned.

    Returns:
        Its path.
    """
    retrieval, permutation = markdown_tables(metrics)
    several = len(metrics['seeds']) > 1
    spread = (
        ' Values are mean ± standard deviation over '
        f'{len(metrics["seeds"])} seeds (smallest to largest).'
        if several
        else ' One seed; run with `--seeds 3` for a spread.'
    )
    warning = (
        ''
        if options.scale != 'smoke'
        else '\n> This was a smoke run: it shows that everything works. It '
        'trains far too briefly for its numbers to mean anything.\n'
    )
    pictures = '\n\n'.join(
        f'{text}\n\n![{text}]({name})' for name, text in PICTURES.items()
    )
    versions = ', '.join(f'{k} {v}' for k, v in metrics['versions'].items())
    text = f"""# Quickstart report
{warning}
A two-stream network was pre-trained by MMGL from random weights on the
unlabelled training images of the embedded data set
(`{options.scale}`), then fine-tuned as AGW. The same AGW was
fine-tuned from random weights with the same budget. Both were tested by the
protocol of SYSU-MM01 on identities that neither had seen. All numbers are
percent.{spread}

## Retrieval

{retrieval}

## Permutation recovery on held-out identities

{permutation}

## Pictures

Pictures of single runs show seed 0.

{pictures}

## How it was made

{_timings(metrics)}

Seeds: {', '.join(map(str, metrics['seeds']))}. Versions: {versions}.
Every number, with the fingerprint of each config, is in
[metrics.json](metrics.json); logs and checkpoints are in `seed_*`.
"""
    path = options.work_dir / 'report.md'
    path.write_text(text, encoding='utf-8')
    return path
