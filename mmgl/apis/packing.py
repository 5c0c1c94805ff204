"""Decode and resize the images of a data set once, into a mapped file.

Running it again goes on where it was stopped, and rewrites images whose
files have changed.
"""

import argparse
from collections.abc import Sequence

from mmgl.utils.arguments import output_folder, positive
from mmgl.utils.compat import silence_upstream_warnings
from mmgl.utils.errors import report_errors
from mmgl.utils.progress import ImageProgress
from mmgl.utils.resampling import INTERPOLATIONS

from .layouts import add_layout, check_layout, image_paths


def packing_parser() -> argparse.ArgumentParser:
    """Return the parser of ``mmgl pack-dataset``."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add_layout(parser, required=False)
    add('--out', type=output_folder, required=True, help='folder to write')
    add('--height', type=positive, default=288)
    add('--width', type=positive, default=144)
    add(
        '--interpolation',
        choices=INTERPOLATIONS,
        default='lanczos',
        help='that of PILResize in the pipeline, or opencv for Resize',
    )
    add(
        '--window',
        nargs=2,
        type=float,
        metavar=('LOW', 'HIGH'),
        help='percentiles of images of 16 bits that become 0 and 255',
    )
    add('--splits', nargs='+', help='default: all images of the protocol')
    add('--workers', type=positive, default=1, help='number of processes')
    add('--overwrite', action='store_true', help='replace another pack')
    add(
        '--verify',
        action='store_true',
        help='only read the pack and compare its checksums',
    )
    return parser


def run_packing(arguments: Sequence[str] | None = None) -> None:
    """Write or verify a pack."""
    parser = packing_parser()
    args = parser.parse_args(arguments)
    if not args.verify and not args.root:
        parser.error('--root is required')
    if not args.verify:
        check_layout(args, parser)
    from mmgl.datasets.pack_writer import verify_pack, write_pack

    silence_upstream_warnings()
    with report_errors():
        if args.verify:
            print(f'{args.out}: {verify_pack(args.out)} images, sound')
            return
        index = write_pack(
            args.root,
            image_paths(args, args.splits),
            args.out,
            args.height,
            args.width,
            args.interpolation,
            args.workers,
            args.overwrite,
            ImageProgress(),
            args.window,
        )
    size = len(index) * args.height * args.width * 3 / 2**30
    print(
        f'{args.out}: {len(index)} images of {args.height} x '
        f'{args.width}, {size:.2f} GiB; use it by --cfg-options '
        f'train_dataloader.dataset.packed={args.out}'
    )
