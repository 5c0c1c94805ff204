"""Resizing by mmgl and by PIL, in one worker."""

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
RESULTS = (
    (288, 144, 'lanczos'),
    (256, 128, 'bilinear'),
    (384, 128, 'bilinear'),
)
TARGET = 2  # times the rate of PIL
CALLS = 20  # images in a timed call, which one would be too short for


def resize_functions(
    source: tuple[int, int], height: int, width: int, interpolation: str
) -> dict[str, Callable[[], object]]:
    """Return three ways to resize an image, by name.

    'mmgl' and 'PIL' go from array to array; 'PIL alone' leaves out what an
    array costs on the way to PIL and back.
    """
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


def measure_resize(repeats: int) -> Iterator[Figure]:
    """Time all pairs of a source and a result in one worker."""
    for height, width, interpolation in RESULTS:
        for source in SOURCES:
            single = resize_functions(source, height, width, interpolation)
            functions = {
                name: lambda one=one: [one() for _ in range(CALLS)]
                for name, one in single.items()
            }
            seconds = in_worker(partial(alternate, functions, repeats))
            ours, pil, alone = (
                seconds[name] / CALLS * 1000
                for name in ('mmgl', 'PIL', 'PIL alone')
            )
            yield Figure(
                f'{interpolation}, {source[0]} x {source[1]} to {height} x '
                f'{width}, against PIL',
                pil / ours,
                TARGET,
                at_least=True,
                note=f'{ours:.2f} against {pil:.2f} ms; PIL alone {alone:.2f}',
            )
