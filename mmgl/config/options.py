"""Command line options that several commands share."""

import argparse
from collections.abc import Sequence
from typing import Any

from mmengine.config import DictAction

from mmgl.utils.arguments import (
    ALLOW_OPTION,
    TRUST_OPTION,
    add_rerank_option,
    natural,
    output_file,
    output_folder,
    positive,
    seed,
)
from mmgl.utils.errors import ConfigError
from mmgl.utils.files import PICTURES

from .keys import PRECISIONS

# The name, and an older one.
ALLOW_SEEN = (ALLOW_OPTION, '--allow-trial-mismatch')
RANDOM = 'random'
INIT_KINDS = ('mmgl', 'imagenet', RANDOM)
# What is extracted from a checkpoint.
FEATURES = ('backbone', 'test')
LAUNCHERS = ('none', 'pytorch', 'slurm', 'mpi')


def add_picture_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--out`` of a tool that draws."""
    parser.add_argument(
        '--out',
        type=output_file(*PICTURES),
        required=True,
        help=f'picture to write: {", ".join(PICTURES)}',
    )


class CfgOptions(DictAction):  # type: ignore[misc]  # mmengine: no types
    """Reads ``KEY=VALUE``; what is none is a mistake of the command line."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Keep what was read as the others keep theirs."""
        try:
            super().__call__(parser, namespace, values, option_string)
        except (AssertionError, ValueError):
            text = ' '.join(values)
            raise argparse.ArgumentError(
                self,
                f'{text!r} is not KEY=VALUE, or its brackets do not match',
            ) from None


def add_cfg_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--cfg-options``, read by :func:`apply_overrides`."""
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=CfgOptions,
        metavar='KEY=VALUE',
        help='change the config, e.g. train_cfg.max_epochs=5 '
        'model.backbone.depth=18; lists as "[a,b]", without spaces; '
        "'*.KEY=VALUE' changes KEY wherever it stands in model and data "
        'loaders',
    )


def add_trust_option(parser: argparse.ArgumentParser) -> None:
    """Add the option that lets the checkpoints of this call run code."""
    parser.add_argument(
        TRUST_OPTION,
        action='store_true',
        help='let the checkpoints named here run the code they hold',
    )


def add_seen_option(parser: argparse.ArgumentParser) -> None:
    """Add what tools that look into checkpoints allow on demand."""
    parser.add_argument(
        *ALLOW_SEEN,
        action='store_true',
        help='use checkpoints that have seen the identities to score, such as '
        'those of another RegDB trial; the numbers are marked',
    )


def _device(text: str) -> str:
    import torch  # which takes seconds

    try:
        torch.empty(0, device=text)
    except (RuntimeError, AssertionError) as error:
        problem = str(error).partition('\n')[0]
        raise argparse.ArgumentTypeError(
            f'{text!r} is no device ({problem})'
        ) from error
    return text


def add_extraction_options(parser: argparse.ArgumentParser) -> None:
    """Add the options with which features are extracted."""
    add = parser.add_argument
    add(
        '--data-root',
        default='',
        help="folder of the images (default: the config's)",
    )
    add(
        '--init-kind',
        choices=INIT_KINDS,
        help='what the checkpoints are (default: found out)',
    )
    add('--seed', type=seed, default=0, help='seed of everything random')
    add(
        '--workers', type=natural, default=0, help='processes that load images'
    )
    add('--device', type=_device, help='default: the GPU if there is one')
    add_cfg_options(parser)
    add_trust_option(parser)
    add_seen_option(parser)


def add_input_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of tools that draw checkpoints and feature dumps."""
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


def _new_parser(description: str) -> argparse.ArgumentParser:
    """Return a parser with what training and testing share."""
    parser = argparse.ArgumentParser(description=description)
    add = parser.add_argument
    add('config', help='config file, or name of a shipped one')
    where = 'output folder (default: work_dirs/CONFIG_NAME)'
    add('--work-dir', type=output_folder, help=where)
    add_cfg_options(parser)
    launched = 'how several processes were started; by gloo without GPUs'
    add('--launcher', choices=LAUNCHERS, default='none', help=launched)
    add('--local-rank', '--local_rank', type=natural, default=0)
    add_seen_option(parser)
    add_trust_option(parser)
    add(
        '--debug',
        action='store_true',
        help='show tracebacks of config mistakes (also: MMGL_DEBUG=1)',
    )
    return parser


def _amp_type(text: str) -> str:
    """Check the value of ``--amp``; the config must not be taken for it."""
    if text not in PRECISIONS:
        raise argparse.ArgumentTypeError(
            f'{text!r} is none of {", ".join(PRECISIONS)}; a config comes '
            'before --amp'
        )
    return text


def training_parser() -> argparse.ArgumentParser:
    """Return the parser of ``mmgl train``."""
    parser = _new_parser('Pre-train or fine-tune a model.')
    add = parser.add_argument
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
    add('--init-checkpoint', metavar='PATH', help='file with these weights')
    add('--seed', type=seed, help='seed of everything random')
    add(
        '--amp',
        nargs='?',
        const='auto',
        type=_amp_type,
        metavar='TYPE',
        help="mixed precision, fp16 or bf16, in place of the config's "
        'precision; without TYPE "auto", the fastest that the machine has',
    )
    scaling = 'scale the learning rate with the batch size'
    add('--auto-scale-lr', action='store_true', help=scaling)
    add('--no-validate', action='store_true', help='do not validate')
    add(
        '--select-every',
        type=positive,
        metavar='N',
        help='hold the validation identities out, score them every N epochs '
        'and keep the best epoch, too',
    )
    return parser


def evaluation_parser() -> argparse.ArgumentParser:
    """Return the parser of ``mmgl test``."""
    parser = _new_parser('Evaluate a checkpoint.')
    add = parser.add_argument
    add('checkpoint', help='checkpoint to evaluate')
    metrics = 'file for the metrics'
    add('--out', type=output_file('.json'), metavar='JSON', help=metrics)
    add(
        '--flip-test',
        action='store_true',
        help='average the features of each image and its mirror image',
    )
    add_rerank_option(parser)
    add(
        '--open-set',
        action='store_true',
        help='TPIR at FPIR of 1 and 10 percent, too: searches for people who '
        'are not in the gallery',
    )
    return parser
