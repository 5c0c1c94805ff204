"""Search in galleries past one machine's memory, by FAISS.

Johnson, Douze and Jegou, "Billion-scale similarity search with GPUs", IEEE
Trans. Big Data 2021. It finds the nearest images only: CMC at small ranks,
but neither mAP nor mINP, for which ``score_galleries`` ranks every match.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mmgl.evaluation.labels import check_labels
from mmgl.evaluation.ranking import (
    Values,
    check_choice,
    check_features,
    unit_rows,
)

from .faiss_indexes import (
    Floats,
    Ids,
    as_path,
    check_distinct,
    import_faiss,
    is_on_disk,
    join_lists,
    read_index,
    search_all,
    stored_ids,
    to_gpu,
    write_index,
)

KINDS = ('flat', 'ivfpq')
DEVICES = ('cpu', 'gpu')
_LEAST_POINTS = 39  # that FAISS's k-means wants for each centre


class GalleryIndex:
    """Gallery features, searched by cosine similarity.

    * ``flat`` keeps the features and searches all of them: exact, 4 bytes
      a number. They have to fit in memory while they are added.
    * ``ivfpq`` deals them out to ``lists`` cells, keeps ``codes`` codes
      of each and searches the ``probes`` nearest cells: approximate, made
      for millions of images. It has to be fitted first. Codes that do not
      fit in memory are added in parts and joined, see :meth:`merge`.

    Either can be saved, loaded, and left on disk for the search. NaN, Inf and
    wrong shapes of features are a ValueError everywhere.

    Args:
        dims: Length of a feature.
        kind: 'flat' or 'ivfpq'.
        lists: Cells; about 4 times the root of the number of images.
        codes: Codes kept of an image; must divide ``dims``.
        code_bits: Bits of each code.
        probes: Cells searched for each query.
        device: 'cpu', or 'gpu' with a FAISS that is built for it, which keeps
            look-up tables of 'ivfpq' in half precision.

    Example:
        >>> index = GalleryIndex(2).add([[1.0, 0.0], [0.0, 1.0]])
        >>> index.search([[0.0, 2.0]], 1)[1].tolist()
        [[1]]
    """

    _index: Any
    _next: int  # number of the next image without one

    def __init__(
        self,
        dims: int,
        kind: str = 'flat',
        lists: int = 1024,
        codes: int = 64,
        code_bits: int = 8,
        probes: int = 32,
        device: str = 'cpu',
    ) -> None:
        check_choice('kind', kind, KINDS)
        check_choice('device', device, DEVICES)
        if min(dims, lists, codes, code_bits, probes) < 1 or probes > lists:
            raise ValueError(
                f'dims={dims}, lists={lists}, codes={codes}, code_bits='
                f'{code_bits}, probes={probes}; give 1 or more, and no more '
                'probes than lists.'
            )
        if kind == 'ivfpq' and dims % codes:
            raise ValueError(
                f'codes={codes} does not divide dims={dims}; give a divisor.'
            )
        recipe = 'IDMap,Flat'
        if kind == 'ivfpq':
            recipe = f'IVF{lists},PQ{codes}x{code_bits}'
        faiss = import_faiss()
        index = faiss.index_factory(dims, recipe, faiss.METRIC_INNER_PRODUCT)
        if kind == 'ivfpq':
            index.nprobe = probes
        self._take(index, device)

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def fit(self, features: Values) -> 'GalleryIndex':
        """Learn cells and codes of 'ivfpq' from a sample (n, dims)."""
        rows = self._unit(features)
        if self.kind == 'ivfpq':
            if len(self):
                raise ValueError(
                    f'{len(self)} images were added by cells that fit would '
                    'change; make another index, fit it, and add them again.'
                )
            if len(rows) < self._least:
                raise ValueError(
                    f'{len(rows)} features are too few to fit '
                    f'{self._index.nlist} lists; give at least {self._least}, '
                    "or make fewer lists, or use kind='flat'."
                )
            self._index.train(rows)
        return self

    def add(
        self, features: Values, ids: npt.ArrayLike | None = None
    ) -> 'GalleryIndex':
        """Add images (n, dims); large galleries come in several calls.

        Their numbers ``ids``, (n,), whole and from 0, are those of no other
        image; by default they count on from the largest one there. A
        ValueError before 'ivfpq' is fitted and on disk.
        """
        self._check_in_memory(
            'takes no more images; load it without on_disk, or add them to '
            'another and merge the two'
        )
        if not self._index.is_trained:
            raise ValueError(
                "kind='ivfpq' has to be fitted first: call fit with a sample "
                'of the features.'
            )
        rows = self._unit(features)
        if ids is None:
            numbers = np.arange(self._next, self._next + len(rows))
        else:
            (numbers,) = check_labels(rows, ids=ids)
            check_distinct(numbers, 'the images added')
            if numbers.min() < self._next:
                together = np.r_[stored_ids(self._on_host()), numbers]
                check_distinct(together, 'the images there and those added')
        self._index.add_with_ids(rows, numbers)
        self._next = max(self._next, int(numbers.max()) + 1)
        return self

    def search(
        self,
        features: Values,
        count: int,
        gallery: npt.NDArray[Any] | None = None,
        candidates: int = 10,
    ) -> tuple[Floats, Ids]:
        """Find the ``count`` nearest images of each query (n, dims).

        With ``gallery``, the features of all images by their number, such as
        a memory-mapped file, the best ``candidates * count`` images are
        ranked again by them. Returns similarities from high to low and
        numbers of the images, (n, count), -1 where the cells searched have no
        more; no more columns than images.
        """
        queries = self._unit(features)
        if not len(self) or count < 1 or candidates < 1:
            raise ValueError(
                f'count={count} of {len(self)} images, candidates='
                f'{candidates}; add images and ask for 1 or more.'
            )
        wanted = count if gallery is None else count * candidates
        wanted = min(wanted, len(self))
        if self.kind == 'flat' and not self._on_gpu:
            found, ids = search_all(self._index, queries, wanted)
        else:
            found, ids = self._index.search(queries, wanted)
        if gallery is None:
            return found, ids
        return _rank_again(queries, ids, gallery, min(count, len(self)))

    def save(self, path: str | Path) -> None:
        """Write the index, in one step; not one that is left on disk."""
        self._check_in_memory('is saved already; copy its files')
        write_index(self._on_host(), path)

    def _on_host(self) -> Any:
        index = self._index
        return (
            import_faiss().index_gpu_to_cpu(index) if self._on_gpu else index
        )

    @classmethod
    def load(
        cls, path: str | Path, device: str = 'cpu', on_disk: bool = False
    ) -> 'GalleryIndex':
        """Read what :meth:`save` or :meth:`merge` wrote.

        ``on_disk`` leaves the images in the file and maps those that a search
        needs: the cells searched, or for 'flat' all of them, once for all
        queries of a call. What :meth:`merge` wrote is always left there.
        """
        path = as_path(path)
        if device not in DEVICES or on_disk and device != 'cpu':
            raise ValueError(
                f'device={device!r}, on_disk={on_disk}; choose '
                f"from {DEVICES}; on_disk goes with 'cpu'."
            )
        index = read_index(path, on_disk, summed=not on_disk)
        self = cls.__new__(cls)
        self._take(index, device, on_disk)
        return self

    @classmethod
    def merge(cls, parts: Sequence[str | Path], path: str | Path) -> None:
        """Join saved 'ivfpq' indexes on disk, in little memory.

        All parts come from one fitted index::

            index.fit(sample).save('fitted.index')
            for number, (features, ids) in enumerate(...):  # or many hosts
                part = GalleryIndex.load('fitted.index')
                part.add(features, ids).save(f'part_{number}.index')

        The codes go to a second file beside ``path``, which ends in '.lists'
        and moves with it.
        """
        if not len(parts):
            raise ValueError('parts is empty; give files of indexes.')
        join_lists([as_path(part) for part in parts], Path(path))

    def _take(self, index: Any, device: str, on_disk: bool = False) -> None:
        """Hold an index of FAISS that is on the host, and move it."""
        self.dims = index.d
        self.kind = 'ivfpq' if hasattr(index, 'nlist') else 'flat'
        if self.kind == 'ivfpq':
            on_disk = on_disk or is_on_disk(index)
            self._least = _LEAST_POINTS * max(index.nlist, 2**index.pq.nbits)
        ids = stored_ids(index) if not on_disk else np.zeros(0, np.int64)
        check_distinct(ids, 'the images of an index')
        self._next = int(ids.max(initial=-1)) + 1
        self._on_disk, self._on_gpu = on_disk, device == 'gpu'
        self._index = to_gpu(index) if self._on_gpu else index

    def _check_in_memory(self, remedy: str) -> None:
        if self._on_disk:
            raise ValueError(f'an index that is left on disk {remedy}.')

    def _unit(self, features: Values) -> Floats:
        rows = check_features(features)
        if rows.shape[1] != self.dims:
            raise ValueError(
                f'features have {rows.shape[1]} columns; '
                f'the index has dims={self.dims}.'
            )
        if not rows.any(axis=1).all():
            raise ValueError(
                f'features are zero in row {rows.any(axis=1).argmin()}; they '
                'have no direction to be similar to.'
            )
        return np.ascontiguousarray(unit_rows(rows), dtype=np.float32)


def _rank_again(
    features: Floats, ids: Ids, gallery: npt.NDArray[Any], count: int
) -> tuple[Floats, Ids]:
    found = np.full((len(features), count), -np.inf, dtype=np.float32)
    best = np.full(found.shape, -1, dtype=np.int64)
    least, dims = int(ids.max()) + 1, features.shape[1]
    if gallery.shape[1:] != (dims,) or len(gallery) < least:
        raise ValueError(
            f'gallery has shape {gallery.shape}; give the features of all '
            f'images by their number, at least ({least}, {dims}).'
        )
    for number, (query, own) in enumerate(zip(features, ids, strict=True)):
        # Ascending numbers are read from a file in one sweep.
        own = np.sort(own[own >= 0])
        if not len(own):
            continue
        exact = unit_rows(check_features(gallery[own])) @ query
        order = np.argsort(-exact, kind='stable')[:count]
        found[number, : len(order)] = exact[order]
        best[number, : len(order)] = own[order]
    return found, best
