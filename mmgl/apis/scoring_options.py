"""What ``mmgl eval-features`` may be told."""

import argparse

from mmgl.evaluation.ranking import DISTANCES, TIE_RULES
from mmgl.evaluation.ranking.options import CMC_KINDS
from mmgl.protocols.cross import DIRECTIONS, SAME_CAMERA
from mmgl.protocols.galleries import DRAWS
from mmgl.utils.arguments import (
    ALLOW_OPTION,
    add_rerank_option,
    natural,
    output_file,
    positive,
    seed,
    whole_number,
)

PROTOCOLS = ('sysu', 'regdb', 'llcm', 'cross')
DEFAULT_SAMPLES = 1000


def scoring_parser() -> argparse.ArgumentParser:
    """Return the parser of ``mmgl eval-features``."""
    parser = argparse.ArgumentParser(
        description='Score exported features: SYSU-MM01 as the official '
        'MATLAB code, RegDB, LLCM, or data of your own. Features may come '
        'from any code base; docs/evaluation.md has the formats.'
    )
    add = parser.add_argument
    add('--protocol', choices=PROTOCOLS, required=True)
    add(
        '--features',
        required=True,
        help='.npz; for sysu also a folder or prefix of NAME_cam1..6.mat; '
        'for regdb also a folder or pattern of one .npz a trial',
    )
    add(
        '--data-root',
        help='SYSU-MM01 root, or its exp/; for the others, optional: '
        'root of RegDB, or its idx/, of LLCM or of your data, to compare the '
        'images with its lists',
    )
    add('--out', type=output_file('.json'), help='JSON file to write')
    add('--distance', choices=DISTANCES, default='euclidean')
    add('--draw', choices=DRAWS, default='official', help='sysu only')
    add(
        '--ties',
        choices=TIE_RULES,
        help='default: gallery_order for sysu, expected for regdb',
    )
    add(
        '--partial',
        action='store_true',
        help='score features of some of the test images; the names of the '
        'searches then end in _partial, for their figures compare with no '
        'others',
    )
    add(
        ALLOW_OPTION,
        action='store_true',
        help='score features of a network that has seen the identities in '
        'training; the report says so',
    )
    own = parser.add_argument_group('cross, for data of your own')
    add = own.add_argument
    add('--table', help='of the images in --data-root; see docs/own_data.md')
    add('--directions', nargs='+', choices=tuple(DIRECTIONS))
    add('--same-camera', choices=SAME_CAMERA)
    add(
        '--shots',
        nargs='+',
        type=whole_number(0),
        help='gallery images of each person and camera; 0, all, by default',
    )
    add('--trials', type=positive, help='draws of a gallery')
    add('--cmc', choices=CMC_KINDS, help='standard by default')
    _add_detail_options(parser)
    return parser


def _add_detail_options(parser: argparse.ArgumentParser) -> None:
    """Add what is told beyond the usual means."""
    add = parser.add_argument
    add_rerank_option(parser)
    add(
        '--no-open-set',
        dest='open_set',
        action='store_false',
        help='leave out the open-set figures',
    )
    add(
        '--calibrate',
        metavar='FILE',
        help='features of the validation identities, to choose the open-set '
        'thresholds by',
    )
    add(
        '--bootstrap',
        type=natural,
        default=0,
        metavar='N',
        help='95 %% intervals by resampling people N times, such as 1000',
    )
    add(
        '--against',
        metavar='FILE',
        help='features of the same images by another model: is the '
        f'difference significant? ({DEFAULT_SAMPLES} samples, or --bootstrap)',
    )
    add('--seed', type=seed, default=0, help='of the resampling')
