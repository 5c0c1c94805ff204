"""The evaluation of features that lie on an accelerator."""

from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from evaluation_cases import against_limit, large_case
from meters import clock, with_peak
from torch import Tensor
from torch.nn.functional import normalize

from mmgl.evaluation.ranking import distances_between
from mmgl.utils.benchmark import Figure, alternate

GIB = 1.0  # may be taken by the large gallery
DIMS, QUERIES, COUNT, GALLERY = 512, 512, 100, 1_000_000
BLOCK = 64  # queries whose distances are in memory together


def placed(array: np.ndarray, device: str) -> Tensor:
    """Copy an array to the device."""
    return torch.from_numpy(array).to(device)


def sysu_limit(
    query: Tensor, pool: Tensor, columns: Sequence[np.ndarray]
) -> Callable[[], None]:
    """One product and an argsort of each gallery."""
    columns = [placed(own, str(query.device)) for own in columns]

    def limit() -> None:
        product = query @ pool.T
        for own in columns:
            product[:, own].argsort(dim=1)

    return limit


def measure_large(options: Namespace) -> Iterator[Figure]:
    """Exact scores against the bare product, and their memory."""
    case, device = large_case(options.scale, 2), options.device
    query, gallery = placed(case.query, device), placed(case.gallery, device)

    def ours() -> None:
        case.score(distances_between(query, gallery))

    # Before the limit takes its memory for all distances at once.
    _, memory = with_peak(ours, device)
    out = torch.zeros(len(query), len(gallery), device=device)
    name = f'large gallery, {device}'
    yield against_limit(
        name,
        lambda: torch.matmul(query, gallery.T, out=out),
        ours,
        1.5,
        'full float32; limit: the bare product',
        options.repeats,
        clock(device),
    )
    if memory is not None:
        note = 'its 0.2 GiB of features included'
        yield Figure(f'{name}, peak memory', memory, GIB, 'GiB', note=note)


def nearest(distances: Any, count: int) -> Tensor:
    """Find the nearest images of all queries by blocks, (n, count)."""
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
        drawn = torch.randn(count, DIMS, device=device, generator=generator)
        return normalize(drawn, dim=1)

    gallery = draw(size)
    truth = torch.arange(QUERIES, device=device) * (size // QUERIES)
    query = gallery[truth] + 0.5 * draw(QUERIES)
    return normalize(query, dim=1), gallery, truth


def measure_search(options: Namespace) -> Iterator[Figure]:
    """Exact search among a million images."""
    size = round(GALLERY * options.scale)
    query, gallery, truth = planted_case(size, options.device)
    now = clock(options.device)
    start = now()
    distances = distances_between(query, gallery)
    prepared = now() - start

    def ours() -> Tensor:
        return nearest(distances, COUNT)

    found, memory = with_peak(ours, options.device)
    limit = partial(bare_search, query, gallery, COUNT)
    seconds = alternate(dict(limit=limit, ours=ours), options.repeats, now)
    each, ratio = seconds['ours'] / QUERIES, seconds['ours'] / seconds['limit']
    share = (found[:, 0] == truth).float().mean().item()
    name = f'{QUERIES} queries among {size:,} images x {DIMS}-d'
    note = f'the nearest {COUNT}, exact, full float32'
    yield Figure(f'{name}: time a query', 1e3 * each, unit='ms', note=note)
    yield Figure(f'{name}: against products and topk alone', ratio)
    label = f'{name}: preparing the gallery'
    note = 'checks, normalising, looking for equal images'
    yield Figure(label, prepared, None, 's', note=note)
    yield Figure(f'{name}: the planted image comes first', share, 1, '', True)
    if memory is not None:
        note = 'features included'
        yield Figure(f'{name}: peak memory', memory, None, 'GiB', note=note)
