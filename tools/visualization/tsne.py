"""Draw t-SNE of features: colour is identity, marker is modality.

Inputs are feature dumps (.npz of tools/test.py) or, with --config,
checkpoints of any kind: pre-trained, fine-tuned, ImageNet or random.
"""

import argparse

from mmgl.apis.features import add_input_options, load_inputs
from mmgl.config.options import add_picture_option
from mmgl.utils.compat import silence_upstream_warnings
from mmgl.utils.errors import report_errors
from mmgl.visualization import (
    EmbeddedPoints,
    draw_embedding,
    select_identities,
    tsne_embed,
)


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
    parser.add_argument(
        '--num-ids', type=int, default=10, help='identities to draw'
    )
    parser.add_argument(
        '--per-modality',
        type=int,
        default=30,
        help='most images of an identity in a modality; 0 for all',
    )
    parser.add_argument(
        '--no-labels',
        action='store_true',
        help='leave out the numbers of the identities',
    )
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Draw the embeddings; every panel shows the same identities.

    Args:
        argv: Arguments; None takes those of the program.
    """
    args = parse_args(argv)
    silence_upstream_warnings()
    with report_errors():
        panels = {}
        for name, dump in load_inputs(args).items():
            kept = select_identities(
                dump.pids,
                dump.modality,
                args.num_ids,
                args.per_modality or None,
                args.seed,
            )
            panels[name] = EmbeddedPoints(
                tsne_embed(dump.features[kept], args.seed),
                dump.pids[kept],
                dump.modality[kept],
            )
        print(draw_embedding(panels, args.out, not args.no_labels))


if __name__ == '__main__':
    main()
