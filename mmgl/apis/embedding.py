"""``mmgl embed`` and ``mmgl compare``: features on the command line."""

import argparse
import csv
import json
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from mmgl.protocols.modality import MODALITY_NAMES
from mmgl.utils.arguments import output_file, positive
from mmgl.utils.compat import silence_upstream_warnings
from mmgl.utils.errors import ConfigError, missing_packages, report_errors
from mmgl.utils.files import replace_whole
from mmgl.utils.memory import keep_freed_memory

from .inference.embedder import ON_ERROR, PRECISIONS, Embedder
from .inference.network import Features
from .inference.sources import ImageError, Source

FORMATS = ('.csv', '.npz', '.parquet')


def add_embedder_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of :class:`Embedder`."""
    add = parser.add_argument
    add(
        '--weights',
        action='append',
        required=True,
        help='bundle, checkpoint, name of a bundle on the Hugging Face hub, '
        'or what mmgl export wrote: the folder, or a .onnx file (twice for '
        'both modalities)',
    )
    add('--config', help='config, if a checkpoint does not carry it')
    text = "default: the GPU if there is one; 'openvino' runs .onnx files"
    add('--device', default='auto', help=text)
    add('--precision', default='auto', choices=('auto', *PRECISIONS))
    add('--batch-size', type=positive, default=64)
    add('--workers', type=positive, default=4, help='threads that decode')


def build_embedder(options: argparse.Namespace) -> Embedder:
    """Build the embedder that a command line asks for."""
    silence_upstream_warnings()
    keep_freed_memory()
    # One line of ours instead of the place in the source.
    warnings.showwarning = _show_warning
    return Embedder(
        *options.weights,
        config=options.config,
        device=options.device,
        precision=options.precision,
        batch_size=options.batch_size,
        workers=options.workers,
    )


def readable(
    stream: Iterable[tuple[Source, Features | ImageError]], on_error: str
) -> Iterator[tuple[str, Features]]:
    """Yield names and features of the images that can be read.

    Others end it or, with ``on_error`` 'report', are named and left out; none
    at all is an error.
    """
    empty = True
    for source, result in stream:
        if not isinstance(result, ImageError):
            empty = False
            yield source.name, result
        elif on_error == 'raise':
            raise result
        else:
            print(f'warning: left out: {result}', file=sys.stderr)
    if empty:
        raise ConfigError('none of the images could be read')


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    print(f'warning: {message}', file=sys.stderr)


def embed_parser() -> argparse.ArgumentParser:
    """Return the parser of ``mmgl embed``."""
    parser = argparse.ArgumentParser(description='Write features of images.')
    add = parser.add_argument
    add('images', nargs='+', help='files, folders or patterns')
    add('--modality', required=True, choices=MODALITY_NAMES)
    add(
        '-o',
        '--out',
        type=output_file(*FORMATS),
        required=True,
        help=f'file: {", ".join(FORMATS)}',
    )
    add(
        '--on-error',
        default='raise',
        choices=ON_ERROR,
        help='what to do about images that cannot be read: stop, or leave '
        'them out and list them',
    )
    add_embedder_options(parser)
    return parser


def run_embed(arguments: Sequence[str] | None = None) -> None:
    """Embed by command line arguments."""
    options = embed_parser().parse_args(arguments)
    with report_errors():
        out = Path(options.out)
        embedder = build_embedder(options)
        stream = embedder.stream(
            options.images, options.modality, progress=sys.stderr.isatty()
        )
        found = readable(stream, options.on_error)
        names, rows = zip(*found, strict=True)
        write_features(out, names, np.stack(rows), options.modality, embedder)
    print(f'wrote {len(rows)} features of {embedder.dimensions} to {out}')


def write_features(
    out: Path,
    names: Sequence[str],
    features: Features,
    modality: str,
    embedder: Embedder,
) -> None:
    """Write names and features, in the format of the suffix."""
    suffix = out.suffix.lower()
    with replace_whole(out) as partial:
        if suffix == '.npz':
            with open(partial, 'wb') as file:
                np.savez(
                    file,
                    features=features,
                    names=np.array(names),
                    modality=np.array(modality),
                    model_hash=np.array(embedder.model_hash),
                    seen=np.array(json.dumps(embedder.network.seen)),
                )
        elif suffix == '.csv':
            with open(partial, 'w', newline='', encoding='utf-8') as text:
                writer = csv.writer(text)
                columns = range(features.shape[1])
                writer.writerow(['name', *(f'f{i}' for i in columns)])
                for name, row in zip(names, features, strict=True):
                    writer.writerow([name, *map(float, row)])
        else:
            _write_parquet(partial, names, features, modality, embedder)


def _write_parquet(
    path: Path,
    names: Sequence[str],
    features: Features,
    modality: str,
    embedder: Embedder,
) -> None:
    with missing_packages(f'{FORMATS[-1]} (.npz and .csv do not)'):
        import pyarrow as pa
        from pyarrow import parquet
    flat = pa.array(features.ravel())
    table = pa.table(
        {
            'name': pa.array(names),
            'feature': pa.FixedSizeListArray.from_arrays(
                flat, features.shape[1]
            ),
        },
        metadata={
            'modality': modality,
            'model_hash': embedder.model_hash,
            'seen': json.dumps(embedder.network.seen),
        },
    )
    parquet.write_table(table, path)


def compare_parser() -> argparse.ArgumentParser:
    """Return the parser of ``mmgl compare``."""
    parser = argparse.ArgumentParser(
        description='Print how alike the persons of two images are: cosine, '
        'and the probability where the bundle is calibrated.'
    )
    add = parser.add_argument
    add('first', help='an image')
    add('second', help='another one')
    add(
        '--modality',
        nargs=2,
        required=True,
        choices=MODALITY_NAMES,
        metavar=('FIRST', 'SECOND'),
        help=f'of the two images: {" or ".join(MODALITY_NAMES)}',
    )
    add_embedder_options(parser)
    return parser


def run_compare(arguments: Sequence[str] | None = None) -> None:
    """Compare by command line arguments."""
    options = compare_parser().parse_args(arguments)
    with report_errors():
        embedder = build_embedder(options)
        scores = embedder.compare(
            options.first, options.second, options.modality
        )
        if len(scores) > 1:
            raise ConfigError(
                f'compare takes two images, got {len(scores)} of each side; '
                'put one side into a gallery (mmgl gallery) and search it'
            )
        (score,) = scores
    text = f'similarity {score:.4f}'
    if embedder.calibration is not None:
        known = embedder.calibration
        verdict = 'above' if score >= known.threshold else 'below'
        text += (
            f', probability {known.probability(score):.3f}, {verdict} the '
            f'threshold {known.threshold:.4f} (false match rate '
            f'{known.false_match_rate:.2%})'
        )
    print(text)
