"""What the picture tools draw: feature dumps and checkpoints alike."""

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path

from mmengine.config import DictAction

from mmgl.config.loading import load_config
from mmgl.config.options import distinct_names
from mmgl.evaluation.features_io import FeatureSet
from mmgl.utils.errors import ConfigError
from mmgl.visualization import load_feature_dump

from .extraction import ExtractedFeatures, extract_features
from .network import FEATURES, KINDS


def add_extraction_options(parser: ArgumentParser) -> None:
    """Add the options of :func:`extract_features`.

    Args:
        parser: The parser.
    """
    parser.add_argument(
        '--data-root',
        default='',
        help="folder of the images (default: the config's)",
    )
    parser.add_argument(
        '--init-kind',
        choices=KINDS,
        help='what the checkpoints are (default: found out)',
    )
    parser.add_argument(
        '--seed', type=int, default=0, help='seed of everything random'
    )
    parser.add_argument(
        '--workers', type=int, default=0, help='processes that load images'
    )
    parser.add_argument('--device', help='default: the GPU if there is one')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        metavar='KEY=VALUE',
        help='change the config',
    )
    parser.add_argument(
        '--allow-trial-mismatch',
        action='store_true',
        help='accept checkpoints of another RegDB trial',
    )


def add_input_options(parser: ArgumentParser) -> None:
    """Add the options that :func:`load_inputs` reads.

    Args:
        parser: The parser of a tool.
    """
    parser.add_argument(
        'inputs',
        nargs='+',
        help='feature dumps (.npz of tools/test.py); or, with --config, '
        "checkpoints, 'random' or torchvision://resnetNN",
    )
    parser.add_argument(
        '--config',
        nargs='+',
        default=[],
        help='config of the checkpoints, or one for each',
    )
    parser.add_argument(
        '--names', nargs='+', help='titles (default: the folder of each input)'
    )
    parser.add_argument(
        '--split', default='test', help='images to draw from checkpoints'
    )
    parser.add_argument(
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
    """Name the inputs of a tool.

    Args:
        inputs: Files.
        names: Names given, or None for those of the folders.

    Returns:
        One name an input, all different.

    Raises:
        ConfigError: If their number is wrong or two are the same.
    """
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
    config: str, checkpoint: str, options: Namespace, **more
) -> ExtractedFeatures:
    """Extract features as a command line asks for.

    Args:
        config: Config file.
        checkpoint: As for :func:`extract_features`.
        options: ``split``, and those of :func:`add_extraction_options`.
        **more: Further arguments of :func:`extract_features`.

    Returns:
        The features.

    Raises:
        ConfigError: For mistakes in config or options.
        FileNotFoundError: If a file is missing.
        ValueError: If the checkpoint does not fit.
    """
    cfg = load_config(config)
    cfg.merge_from_dict(options.cfg_options or {})
    return extract_features(
        cfg,
        checkpoint,
        options.init_kind,
        options.split,
        options.data_root or None,
        seed=options.seed,
        workers=options.workers,
        device=options.device,
        allow_trial_mismatch=options.allow_trial_mismatch,
        **more,
    )


def _extract(checkpoint: str, config: str, options: Namespace) -> FeatureSet:
    """Extract features to draw."""
    return extract_by_options(
        config, checkpoint, options, feature=options.feature
    ).images


def load_inputs(options: Namespace) -> dict[str, FeatureSet]:
    """Read the dumps and extract the features of the checkpoints.

    Args:
        options: Parsed with :func:`add_input_options`.

    Returns:
        Name and features of each input.

    Raises:
        ConfigError: For names or configs that do not go with the inputs.
        FileNotFoundError: If a file is missing.
        ValueError: If a file does not fit.
    """
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
    config_of = iter(configs)
    return {
        name: load_feature_dump(one)
        if Path(one).suffix == '.npz'
        else _extract(one, next(config_of), options)
        for name, one in zip(names, options.inputs, strict=True)
    }
