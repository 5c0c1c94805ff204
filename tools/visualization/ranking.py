"""Draw queries and their best matches, the same queries for every run.

Inputs are feature dumps (.npz of tools/test.py) or, with --config,
checkpoints of any kind: pre-trained, fine-tuned, ImageNet or random.
"""

import argparse

import numpy as np

from mmgl.apis.features import add_input_options, load_inputs
from mmgl.config.options import add_picture_option
from mmgl.utils.compat import silence_upstream_warnings
from mmgl.utils.errors import ConfigError, report_errors
from mmgl.visualization import choose_queries, draw_ranking, rank_gallery


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line.

    Args:
        argv: Arguments; None takes those of the program.

    Returns:
        The options.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    add_input_options(parser)
    add_picture_option(parser)
    parser.add_argument('--num-queries', type=int, default=5)
    parser.add_argument('--top-k', type=int, default=10)
    parser.add_argument(
        '--multi-shot',
        action='store_true',
        help='all images in the gallery, as RegDB does, not one an identity '
        'and camera',
    )
    parser.add_argument(
        '--side-by-side',
        action='store_true',
        help='runs side by side, not one above the other',
    )
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Rank the same queries with every input and draw them.

    Args:
        argv: Arguments; None takes those of the program.
    """
    args = parse_args(argv)
    silence_upstream_warnings()
    with report_errors():
        dumps = load_inputs(args)
        first = next(iter(dumps.values()))
        keys = ('pids', 'camids', 'modality', 'index')
        for name, dump in dumps.items():
            if not all(
                np.array_equal(getattr(dump, key), getattr(first, key))
                for key in keys
            ):
                raise ConfigError(
                    f'{name!r} holds other images than {next(iter(dumps))!r}'
                    '; compare features of the same test set'
                )
        queries = choose_queries(first, args.num_queries, args.seed)
        panels = {
            name: [
                rank_gallery(
                    dump,
                    query,
                    args.top_k,
                    not args.multi_shot,
                    args.seed,
                    args.data_root,
                )
                for query in queries
            ]
            for name, dump in dumps.items()
        }
        print(draw_ranking(panels, args.out, stacked=not args.side_by_side))


if __name__ == '__main__':
    main()
