"""What ``GalleryIndex`` asks of FAISS: files, search of all, GPUs."""

from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt

from mmgl.utils.errors import ConfigError, missing_packages
from mmgl.utils.files import replace_whole

Floats = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]
_KNOWN = 'IndexIDMap of IndexFlat', 'IndexIDMap of IndexFlatIP', 'IndexIVFPQ'
_MARK = b'mmgl crc'
_CHUNK = 2**24
_QUERIES = 4096  # that share one pass over the features
_PRODUCTS = 2**22  # of queries and images at a time, 16 MiB


def import_faiss() -> Any:
    """Import FAISS, an optional requirement."""
    with missing_packages('GalleryIndex'):
        import faiss
    return faiss


def check_gpu() -> None:
    """Check that the FAISS installed is built for GPUs."""
    if not hasattr(import_faiss(), 'StandardGpuResources'):
        raise ValueError(
            "device='gpu' needs a FAISS built for it (faiss-gpu of conda, or "
            "pip install faiss-gpu-cu12 in place of faiss-cpu); or use 'cpu'."
        )


def to_gpu(index: Any) -> Any:
    """Copy an index of FAISS to the first GPU."""
    check_gpu()
    faiss = import_faiss()
    options = faiss.GpuClonerOptions()
    # Tables of 64 codes are 64 KiB in full precision, more than a block of
    # threads has. In an exact index this would round the features.
    options.useFloat16 = hasattr(index, 'nlist')
    resources = faiss.StandardGpuResources()
    copy = faiss.index_cpu_to_gpu(resources, 0, index, options)
    copy.resources = resources  # lives as long as the index
    return copy


def write_index(index: Any, path: str | Path) -> None:
    """Write an index in one step, and its checksum after it."""
    with replace_whole(path) as partial:
        import_faiss().write_index(index, str(partial))
        total = _checksum(partial, partial.stat().st_size)
        with partial.open('ab') as file:
            file.write(_MARK + total.to_bytes(4, 'little'))


def _checksum(path: Path, size: int) -> int:
    total = 0
    with path.open('rb') as file:
        for start in range(0, size, _CHUNK):
            total = crc32(file.read(min(_CHUNK, size - start)), total)
    return total


def _is_damaged(path: Path) -> bool:
    """Tell whether a checksum is there and wrong; FAISS itself writes none."""
    size = max(path.stat().st_size - len(_MARK) - 4, 0)
    with path.open('rb') as file:
        file.seek(size)
        mark, total = file.read(len(_MARK)), file.read(4)
    wanted = int.from_bytes(total, 'little')
    return mark == _MARK and _checksum(path, size) != wanted


def read_index(path: Path, on_disk: bool, summed: bool = True) -> Any:
    """Read an index, or map it; what cannot be is a ValueError.

    ``summed`` compares the checksum, which reads all of the file.
    """
    try:
        if summed and _is_damaged(path):
            raise RuntimeError('the checksum differs')
        index = _read(path, on_disk)
        if not _is_whole(index):
            raise RuntimeError('the lists are cut')
    except RuntimeError as error:
        raise ConfigError(
            f'{path} is not an index of FAISS, is damaged, or lacks its '
            '.lists; save it again.'
        ) from error
    faiss = import_faiss()
    kind = type(index).__name__
    if kind == 'IndexIDMap':
        kind += f' of {type(faiss.downcast_index(index.index)).__name__}'
    by_product = index.metric_type == faiss.METRIC_INNER_PRODUCT
    if kind not in _KNOWN or not by_product:
        raise ConfigError(
            f'{path} holds an {kind} of another kind or metric; give a file '
            'that GalleryIndex.save or merge wrote.'
        )
    return index


def _is_whole(index: Any) -> bool:
    """Tell whether the lists in a file of their own are all there."""
    if not hasattr(index, 'invlists') or not is_on_disk(index):
        return True
    lists = _lists(index)
    return bool(Path(lists.filename).stat().st_size >= lists.totsize)


def _read(path: Path, on_disk: bool) -> Any:
    faiss = import_faiss()
    # Lists that join_lists wrote lie beside the file and are only read.
    flags = faiss.IO_FLAG_ONDISK_SAME_DIR | faiss.IO_FLAG_READ_ONLY
    if not on_disk:
        return faiss.read_index(str(path), flags)
    index = faiss.read_index(str(path), flags | _mapping(path))
    if hasattr(index, 'invlists') and _lists(index).filename != str(path):
        # They are mapped without being asked, and only so.
        index = faiss.read_index(str(path), flags)
    return index


def stored_ids(index: Any) -> Ids:
    """Collect the numbers of all images of an index on the host."""
    faiss = import_faiss()
    if not hasattr(index, 'invlists'):
        return np.asarray(faiss.vector_to_array(index.id_map))
    lists = _lists(index)
    parts = [
        faiss.rev_swig_ptr(lists.get_ids(number), lists.list_size(number))
        for number in range(lists.nlist)
        if lists.list_size(number)
    ]
    return np.concatenate([np.zeros(0, dtype=np.int64), *parts])


def check_distinct(ids: Ids, where: str) -> None:
    """Check that numbers of images are from 0 and differ."""
    different, counts = np.unique(ids, return_counts=True)
    if (counts > 1).any():
        raise ValueError(
            f'{where} repeat ids, such as {different[counts > 1][0]}; give '
            'each image of a gallery a number of its own.'
        )
    if len(ids) and different[0] < 0:
        raise ValueError(f'{where} have ids below 0, such as {different[0]}.')


def _mapping(path: Path) -> int:
    """The flag that maps a file; lists and whole features have their own."""
    faiss = import_faiss()
    with path.open('rb') as file:
        flat = file.read(3) == b'IxM'  # an IndexIDMap
    if not flat:
        return int(faiss.IO_FLAG_MMAP)
    if not hasattr(faiss, 'IO_FLAG_MMAP_IFC'):
        raise ValueError(
            f"FAISS {faiss.__version__} cannot leave an index of kind 'flat' "
            'on disk; install a newer one, or load it without on_disk.'
        )
    return int(faiss.IO_FLAG_MMAP_IFC)


def is_on_disk(index: Any) -> bool:
    """Tell whether the lists of an index are in a file."""
    return type(_lists(index)).__name__ == 'OnDiskInvertedLists'


def _lists(index: Any) -> Any:
    return import_faiss().downcast_InvertedLists(index.invlists)


def join_lists(parts: list[Path], path: Path) -> None:
    """Join saved indexes into one, whose lists go to ``path``.lists.

    Parts that do not belong together are a ValueError.
    """
    faiss = import_faiss()
    from faiss.contrib.ondisk import merge_ondisk

    indexes = [read_index(part, on_disk=True) for part in parts]
    for part, index in zip(parts, indexes, strict=True):
        learned = _learned(index)
        if learned is None or learned != _learned(indexes[0]):
            raise ValueError(
                f'{part} and {parts[0]} cannot be joined; parts have the kind '
                "'ivfpq' and were loaded from one fitted index."
            )
    check_distinct(
        np.concatenate([stored_ids(index) for index in indexes]),
        f'the images of {", ".join(map(str, parts))}',
    )
    whole = indexes[0]
    empty = faiss.ArrayInvertedLists(whole.nlist, whole.code_size)
    whole.replace_invlists(empty, True)
    empty.this.disown()
    whole.ntotal = 0
    path.parent.mkdir(parents=True, exist_ok=True)
    merge_ondisk(whole, list(map(str, parts)), f'{path}.lists')
    write_index(whole, path)


def _learned(index: Any) -> bytes | None:
    """Cells and codes as bytes; None for an index without."""
    if not hasattr(index, 'pq'):
        return None
    faiss = import_faiss()
    cells = faiss.serialize_index(index.quantizer)
    codes = faiss.vector_to_array(index.pq.centroids)
    return bytes(cells.tobytes() + codes.tobytes())


def search_all(index: Any, queries: Floats, count: int) -> tuple[Floats, Ids]:
    """Search all features of an IndexIDMap over an IndexFlatIP.

    As IndexFlat does, but with numpy's products: a wheel of FAISS may bring a
    BLAS that does not know the processor. Products from high to low and
    numbers of the images, (n, count); ``count`` is no more than there are.
    """
    faiss = import_faiss()
    size = index.ntotal, index.d
    flat = faiss.downcast_index(index.index)
    stored = faiss.rev_swig_ptr(flat.get_xb(), size[0] * size[1])
    stored = stored.reshape(size)
    found = np.empty((len(queries), count), dtype=np.float32)
    places = np.empty(found.shape, dtype=np.int64)
    for first in range(0, len(queries), _QUERIES):
        own = slice(first, first + _QUERIES)
        part = queries[own]
        best = faiss.ResultHeap(len(part), count, keep_max=True)
        step = max(1, _PRODUCTS // len(part))
        for start in range(0, size[0], step):
            products = part @ stored[start : start + step].T
            pointer = faiss.swig_ptr(products)
            best.heaps.addn(products.shape[1], pointer, start, 0, len(part))
        best.finalize()
        found[own], places[own] = best.D, best.I
    return found, faiss.vector_to_array(index.id_map)[places]


def as_path(path: str | Path) -> Path:
    """Check that the file of an index is there."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'index {path} does not exist.')
    return path
