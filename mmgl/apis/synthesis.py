"""Write the embedded synthetic data set in a real set's layout."""

import argparse
import dataclasses
from collections.abc import Sequence

from mmgl.protocols.difficulty import Difficulty
from mmgl.utils.arguments import output_folder, positive, seed
from mmgl.utils.errors import report_errors
from mmgl.utils.progress import ImageProgress

DIFFICULTY = dataclasses.fields(Difficulty)


def synthesis_parser() -> argparse.ArgumentParser:
    """Return the parser of ``mmgl make-synthetic``."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add('--root', type=output_folder, required=True, help='folder to write')
    add('--layout', choices=('sysu', 'regdb', 'llcm'), default='sysu')
    add('--preset', choices=('tiny', 'mini', 'full'), default='mini')
    add('--seed', type=seed, default=0)
    add('--workers', type=positive, default=1, help='number of processes')
    add('--quiet', action='store_true', help='no progress')
    group = parser.add_argument_group('difficulty (see mmgl Difficulty)')
    for field in DIFFICULTY:
        group.add_argument(
            f'--{field.name.replace("_", "-")}',
            type=float,
            default=field.default,
            metavar='X',
            help=f'default {field.default}',
        )
    return parser


def run_synthesis(arguments: Sequence[str] | None = None) -> None:
    """Write the data set and print what it holds."""
    args = synthesis_parser().parse_args(arguments)
    from mmgl.datasets import synthetic

    write = getattr(synthetic, f'write_{args.layout}')
    with report_errors():
        write(
            args.root,
            args.preset,
            args.seed,
            args.workers,
            ImageProgress(args.quiet),
            Difficulty(**{f.name: getattr(args, f.name) for f in DIFFICULTY}),
        )
    images = synthetic.preset_counts(args.layout, args.preset)['images']
    print(
        f'{args.root}: {images} images in the {args.layout} layout '
        f'(preset {args.preset}, seed {args.seed}).'
    )
