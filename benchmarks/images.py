"""Synthetic images in the layout of SYSU-MM01, for the benchmarks."""

import itertools
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from mmgl.datasets.synthetic import Difficulty, get_preset, sysu_image

CAMERAS = (1, 3)  # one visible, one infrared
IMAGES_EACH = 6  # of a person and camera
QUALITY = 95  # of JPEG


def large_and_noisy() -> Callable[[np.ndarray], np.ndarray]:
    """Make what gives drawn images sizes and noise as of a camera."""
    rng = np.random.default_rng(0)

    def retouch(image: np.ndarray) -> np.ndarray:
        size = rng.integers((150, 320), (241, 481)).tolist()
        image = cv2.resize(image, size, interpolation=cv2.INTER_CUBIC)
        image = image + rng.normal(0, 14, image.shape)
        return image.clip(0, 255).astype(np.uint8)

    return retouch


def write_images(
    root: Path,
    num_pairs: int,
    images_each: int = IMAGES_EACH,
    retouch: Callable[[np.ndarray], np.ndarray] = np.asarray,
    quality: int = QUALITY,
) -> None:
    """Write pairs of JPEG files, rounded up to whole persons."""
    preset, difficulty = get_preset('sysu', 'full'), Difficulty()
    last = -(-num_pairs // images_each) + 1  # of the validation split
    *persons, _ = everyone = range(1, last + 1)
    (root / 'exp').mkdir(parents=True)
    for split, pids in (('train', persons), ('val', (last,))):
        text = ','.join(map(str, pids))
        (root / f'exp/{split}_id.txt').write_text(f'{text}\n')
    for camera in range(1, 7):
        (root / f'cam{camera}').mkdir()
    for pid, camera in itertools.product(everyone, CAMERAS):
        folder = root / f'cam{camera}/{pid:04d}'
        folder.mkdir()
        for number in range(1, images_each + 1):
            pixels = sysu_image(0, pid, camera, number, preset, difficulty)
            path, how = folder / f'{number:04d}.jpg', cv2.IMWRITE_JPEG_QUALITY
            cv2.imwrite(str(path), retouch(pixels), [how, quality])
