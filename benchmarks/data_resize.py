"""Resizing by mmgl and by PIL, in one worker."""

import itertools
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from data_workers import in_worker
from PIL import Image

from mmgl.datasets.transforms import PILResize
from mmgl.utils.benchmark import Figure, alternate

# Height and width of RegDB's images, and of crops as SYSU-MM01 has them.
SOURCES = ((128, 64), (200, 80), (350, 150), (480, 240))
# Height, width and filter of the pipelines.
RESULTS = (288, 144, 'lanczos'), (256, 128, 'bilinear'), (384, 128, 'bilinear')
TARGET = 2  # times the rate of PIL
CALLS = 20  # images in a timed call


def resize_functions(
    source: tuple[int, int], height: int, width: int, interpolation: str
) -> dict[str, Callable[[], object]]:
    """Return ways to resize; 'PIL alone' has no arrays to convert."""
    shape, size = (*source, 3), (width, height)
    img = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    ours = PILResize(size, interpolation)
    kind = Image.Resampling[interpolation.upper()]
    picture = Image.fromarray(img)

    def by_pil() -> np.ndarray:
        return np.asarray(Image.fromarray(img).resize(size, kind))

    return {
        'mmgl': lambda: ours(dict(img=img)),
        'PIL': by_pil,
        'PIL alone': lambda: picture.resize(size, kind),
    }


def repeat(function: Callable[[], object]) -> None:
    """Call a function that is too short for the clock."""
    for _ in range(CALLS):
        function()


def measure_resize(repeats: int) -> Iterator[Figure]:
    """Time all pairs of a source and a result in one worker."""
    for result, source in itertools.product(RESULTS, SOURCES):
        functions = {
            name: partial(repeat, one)
            for name, one in resize_functions(source, *result).items()
        }
        seconds = in_worker(partial(alternate, functions, repeats))
        ours, pil, alone = (1e3 / CALLS * one for one in seconds.values())
        note = f'{ours:.2f} against {pil:.2f} ms; PIL alone {alone:.2f}'
        height, width, interpolation = result
        sizes = f'{source[0]} x {source[1]} to {height} x {width}'
        name = f'{interpolation}, {sizes}, against PIL'
        yield Figure(name, pil / ours, TARGET, at_least=True, note=note)
