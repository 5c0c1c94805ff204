"""What the picture tools draw: feature dumps and checkpoints alike."""

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmgl.checkpoints.reader import trust
from mmgl.config.keys import VARIABLES
from mmgl.config.loading import checked_config
from mmgl.config.options import distinct_names
from mmgl.evaluation.features_io import FeatureSet
from mmgl.utils.errors import ConfigError
from mmgl.visualization import load_feature_dump

from .extraction import ExtractedFeatures, extract_features


def panel_names(
    inputs: Sequence[str], names: Sequence[str] | None
) -> list[str]:
    """Name the inputs of a tool, by their folders if no names are given."""
    return distinct_names(
        names,
        [
            Path(one).resolve().parent.name
            if Path(one).suffix in ('.npz', '.pth', '.pt')
            else one
            for one in inputs
        ],
    )


def extract_by_options(
    config: str, checkpoint: str, options: Namespace, **more: Any
) -> ExtractedFeatures:
    """Extract features as a command line asks for.

    The options are ``split`` and those of :func:`add_extraction_options`;
    errors are those of :func:`extract_features`.
    """
    if options.trust_checkpoint:
        trust(checkpoint)
    cfg = checked_config(config, options.cfg_options, VARIABLES)
    return extract_features(
        cfg,
        checkpoint,
        options.init_kind,
        options.split,
        options.data_root or None,
        seed=options.seed,
        workers=options.workers,
        device=options.device,
        allow_seen=options.allow_seen,
        **more,
    )


def marked(name: str, seen: str | None) -> str:
    """Say beside a name that its images were seen in training."""
    return f'{name} (seen in training)' if seen else name


def load_inputs(options: Namespace) -> dict[str, FeatureSet]:
    """Read the dumps and extract the features of the checkpoints, by name."""
    names = panel_names(options.inputs, options.names)
    checkpoints = [p for p in options.inputs if Path(p).suffix != '.npz']
    configs = list(options.config)
    if len(configs) == 1:
        configs *= len(checkpoints)
    if len(configs) != len(checkpoints):
        raise ConfigError(
            f'{len(checkpoints)} inputs are no .npz but there are '
            f'{len(options.config)} configs; give --config with one config, '
            'or one for each of them'
        )
    config_of, inputs = iter(configs), {}
    for name, one in zip(names, options.inputs, strict=True):
        if Path(one).suffix == '.npz':
            inputs[name] = load_feature_dump(one)
        else:
            found = extract_by_options(
                next(config_of), one, options, feature=options.feature
            )
            inputs[marked(name, found.seen)] = found.images
    return inputs
