"""The evaluation of features that lie on an accelerator."""

import torch
from evaluation_cases import identity_features, large_case, sysu_case
from meters import clock, peak_memory

from mmgl.evaluation.ranking import distances_between, score_galleries
from mmgl.evaluation.reports import evaluate_sysu, sysu_galleries
from mmgl.utils.benchmark import Figure, alternate

MODES, SHOTS = ('all', 'indoor'), (1, 10)
GIB = 1.0  # may be taken by the large gallery


def measure_on_device(options):
    """Whole SYSU-MM01 report, and the large gallery.

    Args:
        options (argparse.Namespace): Command line options.

    Returns:
        list[Figure]: Ratios to the limits on the same device, and memory.
    """
    return [measure_sysu(options), *measure_large(options)]


def measure_sysu(options):
    """Report against one product and an argsort of each gallery.

    Args:
        options (argparse.Namespace): Command line options.

    Returns:
        Figure: The ratio.
    """
    case = sysu_case(options.data_root, options.scale)
    features = torch.from_numpy(
        identity_features(case.pids, 2048, noise=4)
    ).to(options.device)
    infrared = torch.from_numpy(case.modality == 1).to(options.device)
    query, pool = features[infrared], features[~infrared]
    galleries = sysu_galleries(
        case.pids,
        case.camids,
        case.index,
        case.rand_perm_cam,
        MODES,
        SHOTS,
        options.trials,
        'official',
    )
    column = (~infrared).cumsum(0).cpu() - 1
    columns = [
        column[torch.from_numpy(rows)].to(options.device)
        for rows in galleries.values()
    ]

    def limit():
        product = query @ pool.T
        for own in columns:
            product[:, own].argsort(dim=1)

    found = alternate(
        dict(
            limit=limit,
            ours=lambda: evaluate_sysu(
                features,
                case.pids,
                case.camids,
                case.modality,
                case.index,
                case.rand_perm_cam,
                MODES,
                SHOTS,
                options.trials,
            ),
        ),
        options.repeats,
        clock(options.device),
    )
    return Figure(
        f'SYSU-MM01 report, {len(columns)} galleries, {options.device}',
        found['ours'] / found['limit'],
        1.0,
        note=f'limit {found["limit"]:.3f} s; from features to figures',
    )


def measure_large(options):
    """Exact scores against the bare product.

    Args:
        options (argparse.Namespace): Command line options.

    Returns:
        list[Figure]: The ratio, and the peak memory where it is counted.
    """
    case = large_case(options.scale, 2)
    query = torch.from_numpy(case.query).to(options.device)
    gallery = torch.from_numpy(case.gallery).to(options.device)

    def ours():
        score_galleries(
            distances_between(query, gallery),
            case.query_pids,
            case.gallery_pids,
            cmc='standard',
        )

    # Before the limit takes its memory for all distances at once.
    memory = peak_memory(ours, options.device)
    out = torch.zeros(len(query), len(gallery), device=options.device)
    found = alternate(
        dict(limit=lambda: torch.matmul(query, gallery.T, out=out), ours=ours),
        options.repeats,
        clock(options.device),
    )
    name = f'large gallery, {options.device}'
    figures = [
        Figure(
            name,
            found['ours'] / found['limit'],
            1.5,
            note=f'limit: the bare product, {found["limit"]:.3f} s, full '
            'float32',
        )
    ]
    if memory is not None:
        figures.append(
            Figure(
                f'{name}, peak memory',
                memory,
                GIB,
                'GiB',
                note='its 0.2 GiB of features included',
            )
        )
    return figures
