"""Search in galleries past one machine's memory, by FAISS.

Johnson, Douze and Jegou, "Billion-scale similarity search with GPUs", IEEE
Trans. Big Data 2021. FAISS is an optional requirement, imported when an
index is made. It finds the nearest images only: CMC at small ranks, but
neither mAP nor mINP, for which ``score_galleries`` ranks every match.
"""

from pathlib import Path

import numpy as np

from mmgl.evaluation.ranking import check_features
from mmgl.utils.files import replace_whole

from .faiss_indexes import (
    as_path,
    import_faiss,
    is_on_disk,
    join_lists,
    read_index,
    search_all,
    to_gpu,
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
      fit in memory are added in parts and joined on disk, see
      :meth:`merge`.

    Either can be saved, loaded, and left on disk for the search.

    Args:
        dims (int): Length of a feature.
        kind (str): 'flat' or 'ivfpq'.
        lists (int): Cells; about 4 times the root of the number of images.
        codes (int): Codes kept of an image; must divide ``dims``.
        code_bits (int): Bits of each code.
        probes (int): Cells searched for each query.
        device (str): 'cpu', or 'gpu' with a FAISS that is built for it,
            which keeps look-up tables of 'ivfpq' in half precision.

    Raises:
        ImportError: If FAISS is not installed.
        ValueError: For an unknown or impossible option.
    """

    def __init__(
        self,
        dims,
        kind='flat',
        lists=1024,
        codes=64,
        code_bits=8,
        probes=32,
        device='cpu',
    ):
        for name, value, choices in (
            ('kind', kind, KINDS),
            ('device', device, DEVICES),
        ):
            if value not in choices:
                raise ValueError(
                    f'{name}={value!r} is not known; choose from {choices}.'
                )
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
        faiss = import_faiss()
        recipe = 'IDMap,Flat'
        if kind == 'ivfpq':
            recipe = f'IVF{lists},PQ{codes}x{code_bits}'
        index = faiss.index_factory(dims, recipe, faiss.METRIC_INNER_PRODUCT)
        if kind == 'ivfpq':
            index.nprobe = probes
        self._take(index, device)

    def __len__(self):
        return self._index.ntotal

    def fit(self, features):
        """Learn cells and codes of 'ivfpq' from a sample of the features.

        Args:
            features (array-like or Tensor): (n, dims).

        Returns:
            GalleryIndex: Itself.

        Raises:
            ValueError: For too few features, or NaN or Inf.
        """
        features = self._unit(features)
        if self.kind == 'flat':
            return self
        if len(features) < self._least:
            raise ValueError(
                f'{len(features)} features are too few to fit '
                f'{self._index.nlist} lists; give at least {self._least}, or '
                "make fewer lists, or use kind='flat'."
            )
        self._index.train(features)
        return self

    def add(self, features, ids=None):
        """Add images; large galleries come in several calls.

        Args:
            features (array-like or Tensor): (n, dims).
            ids (array-like, optional): Numbers of the images, (n,); by
                default they count on from the number of images there.

        Returns:
            GalleryIndex: Itself.

        Raises:
            ValueError: Before 'ivfpq' is fitted, for an index on disk,
                for wrong shapes, and for NaN or Inf.
        """
        self._check_in_memory(
            'takes no more images; load it without on_disk, '
            'or add them to another and merge the two'
        )
        if not self._index.is_trained:
            raise ValueError(
                "kind='ivfpq' has to be fitted first: call fit "
                'with a sample of the features.'
            )
        features = self._unit(features)
        if ids is None:
            ids = np.arange(len(self), len(self) + len(features))
        ids = np.ascontiguousarray(ids, dtype=np.int64)
        if ids.shape != (len(features),):
            raise ValueError(
                f'ids has shape {ids.shape}; there are '
                f'{len(features)} features.'
            )
        self._index.add_with_ids(features, ids)
        return self

    def search(self, features, count, gallery=None, candidates=10):
        """Find the nearest images of each query.

        Args:
            features (array-like or Tensor): Queries, (n, dims).
            count (int): Images wanted for each.
            gallery (np.ndarray, optional): Features of all images by their
                number, (m, dims), such as a memory-mapped file. The best
                ``candidates * count`` images are ranked again by them.
            candidates (int): See ``gallery``.

        Returns:
            tuple[np.ndarray, np.ndarray]: Similarities from high to low,
            (n, count), and numbers of the images, -1 where the cells
            searched have no more, (n, count). No more columns than images.

        Raises:
            ValueError: For an empty index, wrong shapes, NaN or Inf.
        """
        features = self._unit(features)
        if not len(self) or count < 1 or candidates < 1:
            raise ValueError(
                f'count={count} of {len(self)} images, candidates='
                f'{candidates}; add images and ask for 1 or more.'
            )
        wanted = count if gallery is None else count * candidates
        wanted = min(wanted, len(self))
        if self.kind == 'flat' and not self._on_gpu:
            found, ids = search_all(self._index, features, wanted)
        else:
            found, ids = self._index.search(features, wanted)
        if gallery is None:
            return found, ids
        return _rank_again(features, ids, gallery, min(count, len(self)))

    def save(self, path):
        """Write the index, in one step.

        Args:
            path (str or Path): File; its folder is made if missing.

        Raises:
            ValueError: For an index on disk.
        """
        self._check_in_memory('is saved already; copy its files')
        faiss, index = import_faiss(), self._index
        if self._on_gpu:
            index = faiss.index_gpu_to_cpu(index)
        with replace_whole(path) as partial:
            faiss.write_index(index, str(partial))

    @classmethod
    def load(cls, path, device='cpu', on_disk=False):
        """Read an index.

        Args:
            path (str or Path): What :meth:`save` or :meth:`merge` wrote.
            device (str): 'cpu' or 'gpu'.
            on_disk (bool): Leave the images in the file and read those that
                a search needs (memory mapping): the cells searched, or for
                'flat' all of them, once for all queries of a call. What
                :meth:`merge` wrote is always left there.

        Returns:
            GalleryIndex: The index.

        Raises:
            FileNotFoundError: If the file does not exist.
            ValueError: If it is no such index, or for impossible options.
        """
        path = as_path(path)
        if device not in DEVICES or on_disk and device != 'cpu':
            raise ValueError(
                f'device={device!r}, on_disk={on_disk}; choose '
                f"from {DEVICES}; on_disk goes with 'cpu'."
            )
        index = read_index(path, on_disk)
        self = cls.__new__(cls)
        self._take(index, device, on_disk)
        return self

    @classmethod
    def merge(cls, parts, path):
        """Join saved 'ivfpq' indexes on disk, in little memory.

        All parts come from one fitted index::

            index.fit(sample).save('fitted.index')
            for number, (features, ids) in enumerate(...):  # or many hosts
                part = GalleryIndex.load('fitted.index')
                part.add(features, ids).save(f'part_{number}.index')

        Args:
            parts (list[str or Path]): Files of the parts.
            path (str or Path): File of the whole; the codes go to a second
                one beside it, which ends in '.lists' and moves with it.

        Raises:
            FileNotFoundError: If a file does not exist.
            ValueError: For an index that is not of 'ivfpq', or fitted apart.
        """
        if not len(parts):
            raise ValueError('parts is empty; give files of indexes.')
        join_lists([as_path(part) for part in parts], Path(path))

    def _take(self, index, device, on_disk=False):
        """Hold an index of FAISS that is on the host, and move it."""
        self.dims = index.d
        self.kind = 'ivfpq' if hasattr(index, 'nlist') else 'flat'
        if self.kind == 'ivfpq':
            on_disk = on_disk or is_on_disk(index)
            self._least = _LEAST_POINTS * max(index.nlist, 2**index.pq.nbits)
        self._on_disk, self._on_gpu = on_disk, device == 'gpu'
        self._index = to_gpu(index) if self._on_gpu else index

    def _check_in_memory(self, remedy):
        if self._on_disk:
            raise ValueError(f'an index that is left on disk {remedy}.')

    def _unit(self, features):
        features = check_features(features)
        if features.shape[1] != self.dims:
            raise ValueError(
                f'features have {features.shape[1]} columns; '
                f'the index has dims={self.dims}.'
            )
        return _normalise(features)


def _normalise(features):
    norms = np.linalg.norm(features, axis=-1, keepdims=True)
    return np.ascontiguousarray(
        features / np.maximum(norms, 1e-12), dtype=np.float32
    )


def _rank_again(features, ids, gallery, count):
    found = np.empty((len(features), count), dtype=np.float32)
    best = np.empty(found.shape, dtype=np.int64)
    for number, (query, own) in enumerate(zip(features, ids, strict=True)):
        # Ascending numbers are read from a file in one sweep.
        own = np.sort(own[own >= 0])
        exact = _normalise(np.asarray(gallery[own])) @ query
        order = np.argsort(-exact, kind='stable')[:count]
        found[number], best[number] = -np.inf, -1
        found[number, : len(order)] = exact[order]
        best[number, : len(order)] = own[order]
    return found, best
