"""Draw queries and their best matches from feature dumps (.npz)."""

import argparse
import sys
from pathlib import Path

import numpy as np

from mmgl.visualization import (
    choose_queries,
    draw_ranking,
    load_feature_dump,
    rank_gallery,
)


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('dumps', nargs='+', help='feature dumps (.npz)')
    parser.add_argument('--out', required=True,
                        help='picture to write: .png, .svg or .pdf')
    parser.add_argument('--names', nargs='+',
                        help='titles (default: folder of each dump)')
    parser.add_argument('--data-root', default='',
                        help='folder that relative image paths start from')
    parser.add_argument('--num-queries', type=int, default=5)
    parser.add_argument('--top-k', type=int, default=10)
    parser.add_argument('--seed', type=int, default=0,
                        help='seed of the choice of queries and gallery')
    parser.add_argument(
        '--multi-shot', action='store_true',
        help='all images in the gallery, not one an identity and camera')
    return parser.parse_args()


def main() -> None:
    """Rank the same queries with every dump and draw them side by side."""
    args = parse_args()
    names = args.names or [Path(d).resolve().parent.name for d in args.dumps]
    if len(set(names)) != len(args.dumps):
        raise ValueError(
            f'{len(args.dumps)} dumps but the names {names}; give --names '
            'with one different name a dump.')
    dumps = [load_feature_dump(path) for path in args.dumps]
    for path, dump in zip(args.dumps, dumps, strict=True):
        if not np.array_equal(dump.img_paths, dumps[0].img_paths):
            raise ValueError(
                f'{path} holds other images than {args.dumps[0]}; compare '
                'dumps of the same test set.')
    queries = choose_queries(dumps[0], args.num_queries, args.seed)
    panels = {
        name: [
            rank_gallery(dump, query, args.top_k, not args.multi_shot,
                         args.seed, args.data_root) for query in queries
        ]
        for name, dump in zip(names, dumps, strict=True)
    }
    print(draw_ranking(panels, args.out))


if __name__ == '__main__':
    try:
        main()
    except (ValueError, FileNotFoundError) as error:
        sys.exit(f'Error: {error}')
