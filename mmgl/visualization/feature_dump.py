"""Reading a feature dump: the .npz that an evaluation writes."""

from pathlib import Path

from mmgl.evaluation.features_io import FeatureSet, load_features

from .style import StrPath


def load_feature_dump(path: StrPath) -> FeatureSet:
    """Read features (n, d) whose images have paths."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f'No feature dump {path}; write one with tools/test.py CONFIG '
            f'CHECKPOINT --cfg-options test_evaluator.dump={path}.'
        )
    dump = load_features(path)
    if dump.img_paths is None:
        raise ValueError(f'Feature dump {path} lacks img_paths.')
    return dump
