"""The evaluation of features that lie on an accelerator."""

import time

import torch
from evaluation_cases import identity_features, large_case, sysu_case

from mmgl.evaluation.functional.distances import distances_between
from mmgl.evaluation.functional.ranking import score_galleries
from mmgl.evaluation.functional.reports import evaluate_sysu, sysu_galleries
from mmgl.utils.benchmark import Figure, alternate

MODES, SHOTS = ('all', 'indoor'), (1, 10)


def clock(device):
    """Make a clock that waits for the device.

    Args:
        device (str): Such as 'cuda'.

    Returns:
        Callable: Gives seconds.
    """

    def now():
        if device.startswith('cuda'):
            torch.cuda.synchronize()
        return time.perf_counter()

    return now


def measure_on_device(options):
    """Whole SYSU-MM01 report, and the large gallery.

    Args:
        options (argparse.Namespace): Command line options.

    Returns:
        list[Figure]: Ratios to the limits on the same device.
    """
    return [measure_sysu(options), measure_large(options)]


def measure_sysu(options):
    """Report against one product and an argsort of each gallery.

    Args:
        options (argparse.Namespace): Command line options.

    Returns:
        Figure: The ratio.
    """
    case = sysu_case(options.data_root, options.scale)
    features = torch.from_numpy(
        identity_features(case.pids, 2048, noise=4)).to(options.device)
    infrared = torch.from_numpy(case.modality == 1).to(options.device)
    query, pool = features[infrared], features[~infrared]
    galleries = sysu_galleries(
        case.pids, case.camids, case.index, case.rand_perm_cam, MODES, SHOTS,
        options.trials, 'official')
    column = (~infrared).cumsum(0).cpu() - 1
    columns = [column[torch.from_numpy(rows)].to(options.device)
               for rows in galleries.values()]

    def limit():
        product = query @ pool.T
        for own in columns:
            product[:, own].argsort(dim=1)

    found = alternate(dict(limit=limit, ours=lambda: evaluate_sysu(
        features, case.pids, case.camids, case.modality, case.index,
        case.rand_perm_cam, MODES, SHOTS, options.trials)),
        options.repeats, clock(options.device))
    return Figure(
        f'SYSU-MM01 report, {len(columns)} galleries, {options.device}',
        found['ours'] / found['limit'], 1.0,
        note=f'limit {found["limit"]:.3f} s; from features to figures')


def measure_large(options):
    """Exact scores against the bare product.

    Args:
        options (argparse.Namespace): Command line options.

    Returns:
        Figure: The ratio.
    """
    case = large_case(options.scale, 2)
    query = torch.from_numpy(case.query).to(options.device)
    gallery = torch.from_numpy(case.gallery).to(options.device)
    out = torch.zeros(len(query), len(gallery), device=options.device)
    found = alternate(dict(
        limit=lambda: torch.matmul(query, gallery.T, out=out),
        ours=lambda: score_galleries(
            distances_between(query, gallery), case.query_pids,
            case.gallery_pids, cmc='standard')),
        options.repeats, clock(options.device))
    return Figure(
        f'large gallery, {options.device}', found['ours'] / found['limit'],
        1.5, note=f'limit: the bare product, {found["limit"]:.3f} s, full '
        'float32')
