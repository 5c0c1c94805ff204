"""Write tar shards for streamed pre-training, or an index of existing ones.

Example:
    python tools/dataset_converters/write_shards.py --root data/SYSU-MM01 \
        --layout sysu --split train --out data/shards
    python tools/dataset_converters/write_shards.py \
        --index data/shards/visible.json data/shards/visible-*.tar
"""

import argparse
import os.path as osp
from collections.abc import Sequence

from mmgl.datasets import SYSUMM01, RegDB
from mmgl.datasets.shards import count_images, write_index, write_shards
from mmgl.utils.arguments import (
    output_file,
    output_folder,
    positive,
    seed,
    whole_number,
)
from mmgl.utils.compat import silence_upstream_warnings
from mmgl.utils.errors import report_errors


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Write tar shards for streamed pre-training.'
    )
    parser.add_argument('--root', help='folder of the data set')
    parser.add_argument('--layout', choices=('sysu', 'regdb'), default='sysu')
    parser.add_argument('--split', default='train')
    parser.add_argument(
        '--trial', type=whole_number(1, 10), default=1, help='of RegDB'
    )
    parser.add_argument('--out', type=output_folder, help='folder to write')
    parser.add_argument(
        '--images-per-shard',
        type=positive,
        default=1000,
        metavar='N',
        help='100 MB to 1 GB a shard are usual',
    )
    parser.add_argument('--seed', type=seed, default=0, help='of the order')
    parser.add_argument(
        '--index',
        type=output_file,
        metavar='JSON',
        help='only write this index, of the shards named behind it',
    )
    parser.add_argument('shards', nargs='*', help='for --index')
    args = parser.parse_args(argv)
    if args.index:
        if not args.shards:
            parser.error('--index needs the shards to count')
    elif args.shards or not (args.root and args.out):
        parser.error('give --root and --out, or --index and shards')
    return args


def main(argv: Sequence[str] | None = None) -> None:
    """Write shards or an index."""
    args = parse_args(argv)
    silence_upstream_warnings()
    with report_errors():
        if args.index:
            rows = [
                dict(name=osp.basename(path), images=count_images(path))
                for path in args.shards
            ]
            write_index(args.index, rows)
            print(
                f'{args.index}: {sum(r["images"] for r in rows)} images '
                f'in {len(rows)} shards'
            )
            return
        if args.layout == 'sysu':
            dataset = SYSUMM01(args.root, args.split)
        else:
            dataset = RegDB(args.root, args.split, args.trial)
        written = write_shards(
            dataset, args.out, args.images_per_shard, args.seed
        )
    counts = ', '.join(f'{n} {name}' for name, n in written.items())
    print(f'{args.out}: {counts} images')


if __name__ == '__main__':
    main()
