"""``mmgl search`` and ``mmgl gallery``: people on the command line."""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from itertools import chain, islice
from typing import Any

import numpy as np

from mmgl.gallery.gallery import Gallery
from mmgl.gallery.records import where_of
from mmgl.protocols.modality import MODALITY_NAMES
from mmgl.utils.arguments import positive
from mmgl.utils.errors import ConfigError, report_errors

from .embedding import add_embedder_options, build_embedder, readable

_BLOCK = 1024
_DAY = 24 * 3600


def _add_where(parser: argparse.ArgumentParser) -> None:
    """Add the options of a filter."""
    add = parser.add_argument
    add('--camera', nargs='+', help='only of these cameras')
    add('--person', nargs='+', help='only these persons')
    add('--of-modality', choices=MODALITY_NAMES, help='only of this modality')
    add('--from', dest='start', type=float, help='seconds since 1970')
    add('--to', dest='end', type=float, help='seconds since 1970')


def _where(options: argparse.Namespace) -> dict[str, Any]:
    return where_of(
        options.start,
        options.end,
        camera=options.camera,
        person=options.person,
        modality=options.of_modality,
    )


def search_parser() -> argparse.ArgumentParser:
    """Return the parser of ``mmgl search``."""
    parser = argparse.ArgumentParser(
        description='Print who in a gallery looks most like a person.'
    )
    add = parser.add_argument
    add('gallery', help='file of the gallery, or address of a Milvus server')
    add('images', nargs='+', help='files, folders or patterns')
    add('--modality', required=True, choices=MODALITY_NAMES)
    add('--top', type=positive, default=10, help='matches an image')
    add('--json', action='store_true', help='a line of JSON an image')
    _add_where(parser)
    add_embedder_options(parser)
    return parser


def run_search(arguments: Sequence[str] | None = None) -> None:
    """Search by command line arguments."""
    options = search_parser().parse_args(arguments)
    with report_errors():
        embedder = build_embedder(options)
        known = embedder.model_hash
        with Gallery.open(options.gallery, known, create=False) as gallery:
            stream = embedder.stream(options.images, options.modality)
            for name, row in readable(stream, 'raise'):
                (found,) = gallery.search(row, options.top, _where(options))
                if options.json:
                    matches = [vars(match) for match in found]
                    print(json.dumps(dict(image=name, matches=matches)))
                    continue
                print(name)
                for match in found:
                    known = ', '.join(
                        f'{k} {v}' for k, v in match.metadata.items()
                    )
                    print(f'  {match.score:.4f}  {match.name}  {known}')


def gallery_parser() -> argparse.ArgumentParser:
    """Return the parser of ``mmgl gallery``."""
    parser = argparse.ArgumentParser(description='Keep a gallery of people.')
    commands = parser.add_subparsers(dest='command', required=True)

    def command(name: str, text: str) -> argparse.ArgumentParser:
        part = commands.add_parser(name, help=text, description=text)
        part.add_argument('gallery', help='file, or address of Milvus')
        return part

    add = command('add', 'Add images of one camera, or replace them.')
    add.add_argument('images', nargs='+', help='files, folders or patterns')
    add.add_argument('--modality', required=True, choices=MODALITY_NAMES)
    add.add_argument('--camera')
    add.add_argument('--person', help='who is on all of them')
    add.add_argument(
        '--time', type=float, help='seconds since 1970 (default: now)'
    )
    add_embedder_options(add)
    _add_where(command('list', 'Print names and what is known.'))
    _add_where(command('count', 'Print how many images there are.'))
    delete = command('delete', 'Delete by names, or by a filter.')
    delete.add_argument('names', nargs='*')
    _add_where(delete)
    purge = command('purge', 'Delete what is older than is allowed to keep.')
    purge.add_argument(
        '--older-than', type=float, required=True, metavar='DAYS'
    )
    copy = command('copy', 'Add everything to another gallery.')
    copy.add_argument('target', help='file, or address of Milvus')
    return parser


def run_gallery(arguments: Sequence[str] | None = None) -> None:
    """Change a gallery by command line arguments."""
    options = gallery_parser().parse_args(arguments)
    with report_errors():
        if options.command == 'add':
            add_images(options)
            return
        with Gallery.open(options.gallery, create=False) as gallery:
            change(gallery, options)


def add_images(options: argparse.Namespace) -> None:
    """Embed images and put them into a gallery, block by block."""
    embedder = build_embedder(options)
    known = dict(
        camera=options.camera,
        person=options.person,
        modality=options.modality,
        time=time.time() if options.time is None else options.time,
    )
    stream = embedder.stream(
        options.images, options.modality, progress=sys.stderr.isatty()
    )
    found = readable(stream, 'report')
    # A gallery is begun when there is something to put into it.
    found, count = chain([next(found)], found), 0
    with Gallery.open(options.gallery, embedder.model_hash) as gallery:
        while block := list(islice(found, _BLOCK)):
            names, rows = zip(*block, strict=True)
            gallery.upsert(np.stack(rows), names, [known] * len(names))
            count += len(names)
        print(f'added {count} images, {gallery.count()} in all')


def change(gallery: Gallery, options: argparse.Namespace) -> None:
    """List, count, delete or copy."""
    if options.command == 'count':
        print(gallery.count(_where(options)))
    elif options.command == 'list':
        for name in gallery.names(_where(options)):
            (record,) = gallery.get([name])
            known = json.dumps(record.metadata, ensure_ascii=False)
            print(f'{name}  {known}')
    elif options.command == 'copy':
        with Gallery.open(options.target, gallery.model_hash) as target:
            print(f'copied {gallery.copy_to(target)} images')
    elif options.command == 'purge':
        if not 0 <= options.older_than < 1e6:
            raise ConfigError(
                f'--older-than must be days from 0, got {options.older_than}'
            )
        limit = time.time() - options.older_than * _DAY
        count = gallery.delete(where=dict(time=(None, limit)))
        timeless = gallery.count() - gallery.count(dict(time=(None, None)))
        print(f'deleted {count} images')
        if timeless:
            print(
                f'warning: {timeless} images have no time and stay',
                file=sys.stderr,
            )
    else:
        where = _where(options)
        if options.names and where:
            raise ConfigError('delete by names or by a filter, not by both')
        count = (
            gallery.delete(options.names)
            if options.names
            else gallery.delete(where=where)
        )
        print(f'deleted {count} images')
