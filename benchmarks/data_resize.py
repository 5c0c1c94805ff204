"""Resizing by mmgl and by PIL, in one worker."""

import argparse
from collections.abc import Callable

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
CALLS = 20  # images in a timed call


def resize_functions(
    source: tuple[int, int], height: int, width: int, interpolation: str
) -> dict[str, Callable]:
    """Return three ways to resize an image.

    Args:
        source: Height and width of the image.
        height: Height of the result.
        width: Its width.
        interpolation: The filter.

    Returns:
        By name: 'mmgl' and 'PIL' from array to array, and 'PIL alone', which
        leaves out what an array costs on the way to PIL and back.
    """
    img = np.random.default_rng(0).integers(
        0, 256, (*source, 3), dtype=np.uint8
    )
    ours = PILResize((width, height), interpolation)
    kind = Image.Resampling[interpolation.upper()]
    picture = Image.fromarray(img)

    return {
        'mmgl': repeated(lambda: ours(dict(img=img))),
        'PIL': repeated(
            lambda: np.asarray(
                Image.fromarray(img).resize((width, height), kind)
            )
        ),
        'PIL alone': repeated(lambda: picture.resize((width, height), kind)),
    }


def repeated(function: Callable[[], object]) -> Callable[[], None]:
    """Return what calls a function several times and keeps nothing.

    Args:
        function: Function without arguments.

    Returns:
        One that lasts long enough to be timed.
    """

    def calls() -> None:
        for _ in range(CALLS):
            function()

    return calls


def measure_resize(options: argparse.Namespace) -> list[Figure]:
    """Time all pairs of a source and a result in one worker.

    Args:
        options: Command line options.

    Returns:
        The figures.
    """
    figures = []
    for height, width, interpolation in RESULTS:
        for source in SOURCES:
            functions = resize_functions(source, height, width, interpolation)
            seconds = in_worker(
                lambda functions=functions: alternate(
                    functions, options.repeats
                )
            )
            ours, pil, alone = (
                seconds[name] / CALLS * 1000
                for name in ('mmgl', 'PIL', 'PIL alone')
            )
            figures.append(
                Figure(
                    f'{interpolation}, {source[0]} x {source[1]} to {height} '
                    f'x {width}, against PIL',
                    pil / ours,
                    TARGET,
                    at_least=True,
                    note=f'{ours:.2f} against {pil:.2f} ms; PIL alone '
                    f'{alone:.2f}',
                )
            )
    return figures
