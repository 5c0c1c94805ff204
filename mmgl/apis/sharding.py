"""Write tar shards for streamed pre-training, or an index of existing ones."""

import argparse
import os.path as osp
from collections.abc import Sequence

from mmgl.utils.arguments import output_folder, positive, seed, trial
from mmgl.utils.compat import silence_upstream_warnings
from mmgl.utils.errors import ConfigError, report_errors

from .layouts import add_layout, check_layout, open_split


def sharding_parser() -> argparse.ArgumentParser:
    """Return the parser of ``mmgl write-shards``."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add_layout(parser, required=False)
    add('--split', default='train')
    add('--trial', type=trial, default=1, help='of RegDB')
    add('--out', type=output_folder, help='folder to write')
    add(
        '--images-per-shard',
        type=positive,
        default=1000,
        metavar='N',
        help='100 MB to 1 GB a shard are usual',
    )
    add('--seed', type=seed, default=0, help='of the order')
    add(
        '--index',
        metavar='JSON',
        help='only write this index, of the shards named behind it',
    )
    add('shards', nargs='*', help='for --index')
    return parser


def run_sharding(arguments: Sequence[str] | None = None) -> None:
    """Write shards or an index."""
    parser = sharding_parser()
    args = parser.parse_args(arguments)
    if args.index and not args.shards:
        parser.error('--index needs the shards to count')
    if not args.index and (args.shards or not (args.root and args.out)):
        parser.error('give --root and --out, or --index and shards')
    if not args.index:
        check_layout(args, parser)
    from mmgl.datasets.shards import count_images, write_index, write_shards

    silence_upstream_warnings()
    with report_errors():
        if args.index:
            rows = {osp.basename(p): count_images(p) for p in args.shards}
            if len(rows) < len(args.shards):
                raise ConfigError('--index: two shards have the same name')
            write_index(args.index, rows)
            number, total = len(rows), sum(rows.values())
            print(f'{args.index}: {total} images in {number} shards')
            return
        dataset = open_split(args, args.split, args.trial)
        written = write_shards(
            dataset, args.out, args.images_per_shard, args.seed
        )
    counts = ', '.join(f'{n} {name}' for name, n in written.items())
    print(f'{args.out}: {counts} images')
