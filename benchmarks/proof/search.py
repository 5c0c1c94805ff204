"""Exact search among a million images whose features lie on the device."""

from collections.abc import Sequence

import numpy as np
import torch
from meters import clock, peak_memory
from torch import Tensor

from mmgl.evaluation.ranking import distances_between
from mmgl.utils.benchmark import Figure, alternate

from .findings import Findings
from .part_options import parse_part, part_parser

DIMS, QUERIES, COUNT = 512, 512, 100
BLOCK = 64  # queries whose distances are in memory together


def nearest(distances, count: int) -> Tensor:
    """Find the nearest images of all queries, a block at a time.

    Args:
        distances (PairwiseDistances | DeviceDistances): Of the features.
        count: Images wanted of each query.

    Returns:
        Numbers of the images, (n, count).
    """
    found, block = [], None
    for start in range(0, distances.shape[0], BLOCK):
        rows = np.arange(start, min(start + BLOCK, distances.shape[0]))
        block = distances.rows(rows, out=block)
        here = torch.as_tensor(block)[: len(rows)]
        found.append(here.topk(count, largest=False).indices)
    return torch.cat(found)


def bare_search(query: Tensor, gallery: Tensor, count: int) -> Tensor:
    """Do no more than the products and the choice of the largest."""
    return torch.cat(
        [(part @ gallery.T).topk(count).indices for part in query.split(BLOCK)]
    )


def planted_case(size: int, device: str) -> tuple[Tensor, Tensor, Tensor]:
    """Draw unit features; each query is near one image that is known."""
    generator = torch.Generator(device).manual_seed(0)

    def draw(count: int) -> Tensor:
        return torch.randn(count, DIMS, device=device, generator=generator)

    gallery = torch.nn.functional.normalize(draw(size), dim=1)
    truth = torch.arange(QUERIES, device=device) * (size // QUERIES)
    query = gallery[truth] + 0.5 * torch.nn.functional.normalize(
        draw(QUERIES), dim=1
    )
    return torch.nn.functional.normalize(query, dim=1), gallery, truth


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and write the findings."""
    options = parse_part(part_parser('Measure an exact search.'), argv)
    sizes, findings = options.sizes, Findings(options.out)
    query, gallery, truth = planted_case(sizes.gallery, sizes.device)
    now = clock(sizes.device)
    start = now()
    distances = distances_between(query, gallery)
    prepared = now() - start
    found = []
    memory = peak_memory(
        lambda: found.append(nearest(distances, COUNT)), sizes.device
    )
    found = found or [nearest(distances, COUNT)]
    seconds = alternate(
        dict(
            limit=lambda: bare_search(query, gallery, COUNT),
            ours=lambda: nearest(distances, COUNT),
        ),
        sizes.repeats,
        now,
    )
    name = f'{QUERIES} queries among {sizes.gallery:,} images x {DIMS}-d'
    findings.add(
        Figure(
            f'{name}: time a query',
            1e3 * seconds['ours'] / QUERIES,
            unit='ms',
            note=f'the nearest {COUNT}, exact, full float32',
        ),
        Figure(
            f'{name}: against products and topk alone',
            seconds['ours'] / seconds['limit'],
        ),
        Figure(
            f'{name}: preparing the gallery',
            prepared,
            unit='s',
            note='checks, normalising, looking for equal images',
        ),
        Figure(
            f'{name}: the planted image comes first',
            (found[0][:, 0] == truth).float().mean().item(),
            1,
            '',
            True,
        ),
    )
    if memory is not None:
        findings.add(
            Figure(
                f'{name}: peak memory',
                memory,
                unit='GiB',
                note='features included',
            )
        )


if __name__ == '__main__':
    main()
