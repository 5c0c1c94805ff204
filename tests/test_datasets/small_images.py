"""Small random images, written to files."""

import os
import os.path as osp

import cv2
import numpy as np

SIZE = (48, 24)  # height, width


def write_image(path, seed):
    """A small random image; the seed makes each one different."""
    os.makedirs(osp.dirname(path), exist_ok=True)
    img = np.random.default_rng(seed).integers(
        0, 256, (*SIZE, 3), dtype=np.uint8
    )
    assert cv2.imwrite(str(path), img)
