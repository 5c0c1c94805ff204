"""Parsers of commands whose work needs torch: they need it not.

Those of the others stand beside their work.
"""

from argparse import ArgumentParser

from mmgl.checkpoints.converters.methods import METHODS, STEMS
from mmgl.config.options import (
    add_cfg_options,
    add_extraction_options,
    add_input_options,
    add_picture_option,
    add_seen_option,
    add_trust_option,
)
from mmgl.utils.arguments import (
    natural,
    output_file,
    output_folder,
    positive,
    seed,
    trial,
)

# A method beside METHODS: a backbone alone.
RESNET = 'resnet'
# Formats of ``mmgl export`` and how their files end.
EXPORTS = {'onnx': '.onnx', 'torchscript': '.pt', 'openvino': '.xml'}
_INPUTS = (
    'Inputs are feature dumps (.npz of tools/test.py) or, with --config, '
    'checkpoints of any kind: pre-trained, fine-tuned, ImageNet or random.'
)


def probe_parser() -> ArgumentParser:
    """Return the parser of ``mmgl probe``."""
    parser = ArgumentParser(
        description='Judge pre-trained features without fine-tuning.'
    )
    add = parser.add_argument
    add('config', help='config with the backbone and the data')
    add('checkpoints', nargs='*', help="files, torchvision:// or 'random'")
    add('--names', nargs='+', help='names in the table (default: the folders)')
    text = 'file for the figures'
    add('--out', type=output_file('.json'), metavar='JSON', help=text)
    add(
        '--compare',
        nargs='+',
        default=[],
        metavar='JSON',
        help='earlier outputs to put into the same table',
    )
    add(
        '--split',
        help='default: held-out identities, val_test of SYSU-MM01 '
        'and test of others',
    )
    add('--num-parts', type=positive, default=6, help='horizontal stripes')
    add_extraction_options(parser)
    return parser


def tsne_parser() -> ArgumentParser:
    """Return the parser of ``mmgl tsne``."""
    parser = ArgumentParser(
        description='Draw t-SNE of features: colour is identity, marker is '
        f'modality. {_INPUTS}'
    )
    add_input_options(parser)
    add_picture_option(parser)
    add = parser.add_argument
    add('--num-ids', type=positive, default=10, help='identities to draw')
    add(
        '--per-modality',
        type=natural,
        default=30,
        help='most images of an identity in a modality; 0 for all',
    )
    add('--no-labels', action='store_true', help='no numbers of identities')
    return parser


def ranking_parser() -> ArgumentParser:
    """Return the parser of ``mmgl ranking``."""
    parser = ArgumentParser(
        description='Draw queries and their best matches, the same queries '
        f'for every run. {_INPUTS}'
    )
    add_input_options(parser)
    add_picture_option(parser)
    add = parser.add_argument
    add('--num-queries', type=positive, default=5)
    add('--top-k', type=positive, default=10)
    add(
        '--multi-shot',
        action='store_true',
        help='all images in the gallery, as RegDB does, not one an identity '
        'and camera',
    )
    add('--side-by-side', action='store_true', help='not one above another')
    add(
        '--against',
        metavar='INPUT',
        help='another model: of the queries those whose first match moved '
        'most, up and down alike',
    )
    return parser


def activation_parser() -> ArgumentParser:
    """Return the parser of ``mmgl activation``."""
    parser = ArgumentParser(
        description='Draw what makes an infrared and a visible image of the '
        'same people alike for fine-tuned models, by Grad-CAM.'
    )
    add = parser.add_argument
    add('checkpoints', nargs='+', help='of the config')
    add('--config', required=True, help='config of all checkpoints')
    add_picture_option(parser)
    add('--names', nargs='+', help='titles (default: the folders)')
    add('--split', default='test', help='split of the images')
    add('--data-root', help="folder of the images (default: the config's)")
    add('--num-pairs', type=positive, default=4, help='people to draw')
    add(
        '--parts',
        action='store_true',
        help='where the parts of the model look instead: the masks of MPANet, '
        'the weighed stripes of DDAG',
    )
    add('--seed', type=seed, default=0, help='chooses the images')
    add_cfg_options(parser)
    add_trust_option(parser)
    add_seen_option(parser)
    return parser


def conversion_parser() -> ArgumentParser:
    """Return the parser of ``mmgl convert``."""
    parser = ArgumentParser(
        description='Translate a released checkpoint to mmgl, or back.'
    )
    add = parser.add_argument
    add('method', choices=(*METHODS, RESNET))
    add('source', metavar='IN', help='file to read')
    add('out', metavar='OUT', type=output_file(), help='file to write')
    add('--reverse', action='store_true', help='from mmgl to the release')
    add(
        '--config',
        help='config whose model the tensors must fit (default: ResNet-50 '
        'on SYSU-MM01, with the number of identities of the file)',
    )
    add('--num-classes', type=positive, help='identities the file must have')
    add(
        '--trial',
        type=trial,
        help='trial of RegDB it was trained on; kept in the file, so that '
        'tools/test.py refuses other trials',
    )
    add(
        '--two-stream',
        action='store_true',
        help=f'{RESNET}: to a backbone with two equal stems',
    )
    add(
        '--stem',
        choices=STEMS,
        default=STEMS[0],
        help=f'{RESNET} --reverse: which of two stems to take',
    )
    add(
        '--drop',
        nargs='+',
        default=[],
        metavar='PREFIX',
        help='tensors of IN to leave out, such as backbone.non_local.',
    )
    add_trust_option(parser)
    add('--debug', action='store_true', help='show tracebacks of mistakes')
    return parser


def pruning_parser() -> ArgumentParser:
    """Return the parser of ``mmgl export-pruned``."""
    parser = ArgumentParser(
        description='Write an NFS-style model whose search has ended without '
        'closed channels, if it gives the features of the checkpoint '
        '(docs/methods/nfs.md).'
    )
    add = parser.add_argument
    add('config', help='config of the training run')
    add('checkpoint', help='a checkpoint of it')
    add('out', type=output_file(), help='file to write')
    add(
        '--size',
        type=positive,
        nargs=2,
        default=(288, 144),
        metavar=('HEIGHT', 'WIDTH'),
        help='image size of the report',
    )
    add_trust_option(parser)
    return parser


def export_parser() -> ArgumentParser:
    """Return the parser of ``mmgl export``."""
    parser = ArgumentParser(
        description='Write a network for each modality, and compare it with '
        'torch.'
    )
    add = parser.add_argument
    add('weights', help='bundle or checkpoint')
    add('out', type=output_folder, help='folder to write')
    add('--format', default='onnx', choices=EXPORTS)
    add('--config', help='config, if the checkpoint does not carry it')
    add('--fp16', action='store_true', help='store half precision (onnx)')
    add(
        '--int8',
        nargs=2,
        metavar=('VISIBLE', 'INFRARED'),
        help='compute in 8 bits (onnx), with ranges measured on these images: '
        'files, folders or patterns of persons like those to come',
    )
    return parser


def publish_parser() -> ArgumentParser:
    """Return the parser of ``mmgl publish``."""
    parser = ArgumentParser(
        description='Make a bundle of a run: weights to deploy, their '
        'settings and a card.'
    )
    add = parser.add_argument
    add('run', help='work dir of a training, or one of its checkpoints')
    add('out', type=output_folder, help='folder to write')
    add(
        '--data-licence',
        required=True,
        help='terms of the training data that bind who uses the weights',
    )
    add('--config', help='config, if the checkpoint does not carry it')
    add('--metrics', help='metrics.json of mmgl test, to publish with it')
    add('--fp16', action='store_true', help='store half precision')
    add(
        '--with-heads',
        action='store_true',
        help='keep classifiers and the like, which features do not need',
    )
    return parser
