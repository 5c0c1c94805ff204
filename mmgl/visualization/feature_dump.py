"""Reading a feature dump: the .npz that an evaluation writes."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

_FIELDS = ('features', 'pids', 'camids', 'modality', 'index', 'img_paths')


@dataclass
class FeatureDump:
    """Test features with the labels of their images.

    Attributes:
        features: (n, d) float.
        pids: (n,) identities.
        camids: (n,) cameras, 1-based.
        modality: (n,) 0 visible, 1 infrared.
        index: (n,) 1-based number of the image of (identity, camera).
        img_paths: (n,) paths of the images.
    """

    features: np.ndarray
    pids: np.ndarray
    camids: np.ndarray
    modality: np.ndarray
    index: np.ndarray
    img_paths: np.ndarray


def load_feature_dump(path: str | os.PathLike) -> FeatureDump:
    """Read and check a feature dump.

    Args:
        path: An .npz with features, pids, camids, modality, index, img_paths.

    Returns:
        The dump.

    Raises:
        FileNotFoundError: If the file is missing.
        ValueError: If an array is missing or the lengths differ.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f'No feature dump {path}; write one with tools/test.py CONFIG '
            f'CHECKPOINT --cfg-options test_evaluator.dump={path}.'
        )
    with np.load(path, allow_pickle=False) as data:
        missing = [name for name in _FIELDS if name not in data]
        if missing:
            raise ValueError(
                f'Feature dump {path} lacks {", ".join(missing)}; it must '
                f'hold {", ".join(_FIELDS)}.'
            )
        arrays = {name: data[name] for name in _FIELDS}
    if arrays['features'].ndim != 2:
        raise ValueError(
            f'Feature dump {path}: features has the shape '
            f'{arrays["features"].shape}, not (n, d).'
        )
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) != 1:
        raise ValueError(
            f'Feature dump {path}: arrays differ in length: {lengths}.'
        )
    return FeatureDump(**arrays)
