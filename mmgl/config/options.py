"""Command line options that several commands share."""

import argparse
from collections.abc import Sequence

from mmengine.config import DictAction

from mmgl.utils.compat import AMP_TYPES
from mmgl.utils.errors import ConfigError

# The name, and an older one.
ALLOW_SEEN = ('--allow-seen', '--allow-trial-mismatch')
LAUNCHERS = ('none', 'pytorch', 'slurm', 'mpi')


def add_picture_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--out`` of a tool that draws."""
    parser.add_argument(
        '--out', required=True, help='picture to write: .png, .svg or .pdf'
    )


def add_cfg_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--cfg-options``, read by :func:`apply_overrides`."""
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        metavar='KEY=VALUE',
        help='change the config, e.g. train_cfg.max_epochs=5 '
        'model.backbone.depth=18; lists as "[a,b]", without spaces; '
        "'*.KEY=VALUE' changes KEY wherever it stands in model and data "
        'loaders',
    )


def distinct_names(
    names: Sequence[str] | None, defaults: Sequence[str]
) -> list[str]:
    """Choose one different name an input: ``--names``, or the defaults."""
    chosen = list(names or defaults)
    if len(chosen) != len(defaults) or len(set(chosen)) != len(chosen):
        raise ConfigError(
            f'{len(defaults)} inputs but the names {chosen}; give --names '
            'with one different name an input'
        )
    return chosen


def _add_common(parser: argparse.ArgumentParser) -> None:
    """Add the options that training and testing share."""
    add = parser.add_argument
    add('--work-dir', help='output folder (default: work_dirs/CONFIG_NAME)')
    add_cfg_options(parser)
    add(
        '--launcher',
        choices=LAUNCHERS,
        default='none',
        help='how several processes were started; without GPUs they talk '
        'by gloo',
    )
    add(
        '--local-rank',
        '--local_rank',
        type=int,
        default=0,
        help='set by older launchers',
    )
    add(
        *ALLOW_SEEN,
        action='store_true',
        help='use a checkpoint that has seen the identities to score, such '
        'as one of another RegDB trial; the numbers are marked',
    )
    add(
        '--debug',
        action='store_true',
        help='show tracebacks of config mistakes (also: MMGL_DEBUG=1)',
    )


def _amp_type(text: str) -> str:
    """Check the value of ``--amp``; the config must not be taken for it."""
    if text not in AMP_TYPES:
        raise argparse.ArgumentTypeError(
            f'{text!r} is none of {", ".join(AMP_TYPES)}; a config comes '
            'before --amp'
        )
    return text


def training_parser() -> argparse.ArgumentParser:
    """Return the parser of ``mmgl train``."""
    parser = argparse.ArgumentParser(
        description='Pre-train or fine-tune a model.'
    )
    add = parser.add_argument
    add('config', help='config file, or name of a shipped one')
    add(
        '--resume',
        nargs='?',
        const='auto',
        metavar='PATH',
        help='go on from a checkpoint; without PATH, or with "auto", from '
        'the newest one in the output folder, if there is any',
    )
    add(
        '--init',
        metavar='NAME',
        help='initial weights: random, imagenet or mmgl (a file of '
        'configs/_base_/init)',
    )
    add(
        '--init-checkpoint',
        metavar='PATH',
        help='file with the initial weights',
    )
    add('--seed', type=int, help='seed of everything random')
    add(
        '--amp',
        nargs='?',
        const='auto',
        type=_amp_type,
        metavar='TYPE',
        help='mixed precision, fp16 or bf16; without TYPE, or with "auto", '
        'fp16 on GPU and bf16 on CPU',
    )
    add(
        '--auto-scale-lr',
        action='store_true',
        help='scale the learning rate with the batch size',
    )
    add('--no-validate', action='store_true', help='do not validate')
    _add_common(parser)
    return parser


def evaluation_parser() -> argparse.ArgumentParser:
    """Return the parser of ``mmgl test``."""
    parser = argparse.ArgumentParser(description='Evaluate a checkpoint.')
    add = parser.add_argument
    add('config', help='config file, or name of a shipped one')
    add('checkpoint', help='checkpoint to evaluate')
    add('--out', metavar='JSON', help='file for the metrics')
    add(
        '--flip-test',
        action='store_true',
        help='average the features of each image and its mirror image',
    )
    _add_common(parser)
    return parser
