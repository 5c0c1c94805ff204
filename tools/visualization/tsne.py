"""Draw t-SNE of one or several feature dumps (.npz of tools/test.py)."""

import argparse
import sys
from pathlib import Path

from mmgl.visualization import (
    EmbeddedPoints,
    draw_embedding,
    load_feature_dump,
    select_identities,
    tsne_embed,
)


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('dumps', nargs='+', help='feature dumps (.npz)')
    parser.add_argument('--out', required=True,
                        help='picture to write: .png, .svg or .pdf')
    parser.add_argument('--names', nargs='+',
                        help='titles (default: folder of each dump)')
    parser.add_argument('--num-ids', type=int, default=10,
                        help='identities to draw')
    parser.add_argument('--per-modality', type=int, default=30,
                        help='most images of an identity in a modality')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--no-labels', action='store_true',
                        help='leave out the numbers of the identities')
    return parser.parse_args()


def main() -> None:
    """Draw the embeddings; every panel shows the same identities."""
    args = parse_args()
    names = args.names or [Path(d).resolve().parent.name for d in args.dumps]
    if len(set(names)) != len(args.dumps):
        raise ValueError(
            f'{len(args.dumps)} dumps but the names {names}; give --names '
            'with one different name a dump.')
    panels = {}
    for name, path in zip(names, args.dumps, strict=True):
        dump = load_feature_dump(path)
        kept = select_identities(dump.pids, dump.modality, args.num_ids,
                                 args.per_modality, args.seed)
        panels[name] = EmbeddedPoints(
            tsne_embed(dump.features[kept], args.seed), dump.pids[kept],
            dump.modality[kept])
    print(draw_embedding(panels, args.out, not args.no_labels))


if __name__ == '__main__':
    try:
        main()
    except (ValueError, FileNotFoundError) as error:
        sys.exit(f'Error: {error}')
