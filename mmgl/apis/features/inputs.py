"""What the picture tools draw: feature dumps and checkpoints alike."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from mmgl.checkpoints.reader import trust
from mmgl.config.keys import VARIABLES
from mmgl.config.loading import checked_config
from mmgl.config.options import (
    ALLOW_SEEN,
    add_cfg_options,
    add_trust_option,
    distinct_names,
)
from mmgl.evaluation.features_io import FeatureSet
from mmgl.utils.arguments import natural, seed
from mmgl.utils.errors import ConfigError
from mmgl.visualization import load_feature_dump

from .extraction import ExtractedFeatures, extract_features
from .network import FEATURES, KINDS


def _device(text: str) -> str:
    try:
        torch.empty(0, device=text)
    except (RuntimeError, AssertionError) as error:
        problem = str(error).partition('\n')[0]
        raise ArgumentTypeError(
            f'{text!r} is no device ({problem})'
        ) from error
    return text


def add_extraction_options(parser: ArgumentParser) -> None:
    """Add the options of :func:`extract_features`."""
    add = parser.add_argument
    add(
        '--data-root',
        default='',
        help="folder of the images (default: the config's)",
    )
    add(
        '--init-kind',
        choices=KINDS,
        help='what the checkpoints are (default: found out)',
    )
    add('--seed', type=seed, default=0, help='seed of everything random')
    add(
        '--workers', type=natural, default=0, help='processes that load images'
    )
    add('--device', type=_device, help='default: the GPU if there is one')
    add_cfg_options(parser)
    add_trust_option(parser)
    add(
        *ALLOW_SEEN,
        action='store_true',
        help='use checkpoints that have seen the identities in training',
    )


def add_input_options(parser: ArgumentParser) -> None:
    """Add the options that :func:`load_inputs` reads."""
    add = parser.add_argument
    add(
        'inputs',
        nargs='+',
        help='feature dumps (.npz of tools/test.py); or, with --config, '
        "checkpoints, 'random' or torchvision://resnetNN",
    )
    add(
        '--config',
        nargs='+',
        default=[],
        help='config of the checkpoints, or one for each',
    )
    add(
        '--names', nargs='+', help='titles (default: the folder of each input)'
    )
    add('--split', default='test', help='images to draw from checkpoints')
    add(
        '--feature',
        choices=FEATURES,
        default='backbone',
        help='of checkpoints: pooled backbone features, or those that the '
        'fine-tuned model is tested with',
    )
    add_extraction_options(parser)


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
