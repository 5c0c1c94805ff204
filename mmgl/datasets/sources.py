"""What users give: folders of images, and tables as CSV or Parquet."""

import csv
import os
import os.path as osp
import posixpath
from collections.abc import Iterator, Sequence
from pathlib import Path

from mmgl.structures import MODALITY_NAMES
from mmgl.utils.errors import ConfigError, missing_packages, nearest, one_line

from .listing import (
    COLUMNS,
    MISSING,
    SPLIT_WORDS,
    Listing,
    make_columns,
    make_listing,
)
from .sysu_mm01 import IMAGE_SUFFIXES


def read_folder(root: str) -> Listing:
    """List ``[SPLIT/]{visible,infrared}/[PERSON/]IMAGE``, sorted by path."""
    splits = _split_folders(root)
    columns = make_columns(['modality', 'split'] if splits else ['modality'])
    paths: list[str] = []
    for split in splits or ['']:
        _check_names(root, split, MODALITY_NAMES)
        for word in MODALITY_NAMES:
            folder = posixpath.join(split, word)
            for path, person in _walk(root, folder):
                if bool(person) != ('pid' in columns):
                    if paths:
                        raise ConfigError(
                            f'folder {root!r} has images with and without a '
                            f'folder of their person, such as {path!r}; put '
                            'all of them into visible/PERSON and '
                            'infrared/PERSON, or none.'
                        )
                    columns.update(make_columns(['pid']))
                paths.append(path)
                cells = dict(pid=person, modality=word, split=split)
                for name, column in columns.items():
                    column.add(cells[name], path)
    if not paths:
        raise ConfigError(
            f'folder {root!r} holds no image; put {", ".join(IMAGE_SUFFIXES)} '
            'files into visible/PERSON and infrared/PERSON.'
        )
    return make_listing(root, paths, columns)


def _split_folders(root: str) -> list[str]:
    """List the splits of a folder, none where it is not divided."""
    splits = [w for w in SPLIT_WORDS if osp.isdir(osp.join(root, w))]
    direct = [w for w in MODALITY_NAMES if osp.isdir(osp.join(root, w))]
    if not splits:
        _check_names(root, '', MODALITY_NAMES)
    if not direct:
        _check_names(root, '', SPLIT_WORDS)
    if bool(splits) == bool(direct):
        both = 'neither visible nor train'
        if splits:
            both = f'both {splits[0]} and {direct[0]}'
        raise ConfigError(
            f'folder {root!r} has {both}; it must hold visible/PERSON and '
            'infrared/PERSON, or those below train, val, test (query, '
            'gallery); or name a table.'
        )
    return splits


def _check_names(root: str, folder: str, words: Sequence[str]) -> None:
    """Refuse a folder that looks like one of the words and is none."""
    names = [
        n for n, is_dir in image_entries(osp.join(root, folder)) if is_dir
    ]
    lacking = [word for word in words if word not in names]
    for name in names:
        similar = nearest(name.lower(), lacking, 0.75)
        if name not in words and similar:
            raise ConfigError(
                f'{posixpath.join(folder, name)!r} in {root!r} is not read'
                f'{similar}; rename or remove it.'
            )


def _walk(root: str, folder: str) -> Iterator[tuple[str, str]]:
    """Yield path and person ('' without one) of the images of a modality."""
    for name, is_dir in image_entries(osp.join(root, folder)):
        below = posixpath.join(folder, name)
        if not is_dir:
            yield below, ''
            continue
        for file, nested in image_entries(osp.join(root, below)):
            if nested:
                raise ConfigError(
                    f'{posixpath.join(below, file)!r} in {root!r} is a folder '
                    f'inside that of person {name!r}; put the images '
                    'directly there, or name a table.'
                )
            yield posixpath.join(below, file), name


def image_entries(folder: str) -> list[tuple[str, bool]]:
    """Folders and images of a folder, sorted; hidden ones are left out."""
    if not osp.isdir(folder):
        return []
    with os.scandir(folder) as found:
        return sorted(
            (entry.name, entry.is_dir())
            for entry in found
            if not entry.name.startswith('.')
            and (
                entry.is_dir()
                or Path(entry.name).suffix.lower() in IMAGE_SUFFIXES
            )
        )


NEEDED = ('path', 'modality')


def read_table(path: str, root: str) -> Listing:
    """Read a CSV file (UTF-8, commas, a header) or a Parquet file.

    Relative paths in it start from ``root``.
    """
    if not osp.isfile(path):
        raise FileNotFoundError(
            f'there is no table {path!r}; name a CSV or Parquet file, below '
            'data_root or absolute.'
        )
    parquet = path.lower().endswith(('.parquet', '.pq'))
    rows = _parquet_rows(path) if parquet else _csv_rows(path)
    _, header = next(rows, (0, []))
    places = _places(path, [str(word).strip() for word in header])
    columns = make_columns(places)
    pairs = [(column, places[name]) for name, column in columns.items()]
    start = osp.abspath(root)
    paths: dict[str, str] = {}
    for number, row in rows:
        where = f'row {number} of {path!r}'
        if len(row) != len(header):
            raise ConfigError(
                f'{where} has {len(row)} cells, the header {len(header)}; '
                'put texts with commas into quotes.'
            )
        image = _image_path(row[places['path']], where)
        file = posixpath.join(start, image)
        if file in paths:
            raise ConfigError(
                f'{where} names {image!r} a second time; name each image once.'
            )
        paths[file] = image
        for column, place in pairs:
            column.add(row[place], where)
    if not paths:
        raise ConfigError(f'table {path!r} has no rows; name some images.')
    unread = [word for word in header if word not in COLUMNS]
    return make_listing(path, list(paths.values()), columns, unread)


def _places(path: str, header: Sequence[str]) -> dict[str, int]:
    """Find the known columns in a header."""
    repeated = sorted({w for w in header if header.count(w) > 1})
    if repeated:
        raise ConfigError(f'table {path!r} has two columns {repeated[0]!r}.')
    for name in COLUMNS:
        others = [word for word in header if word not in COLUMNS]
        similar = nearest(name, others, 0.75)
        if name not in header and (name in NEEDED or similar):
            hint = f' but one{similar[14:-2]}; call it so' if similar else ''
            raise ConfigError(
                f'table {path!r} has no column {name!r}{hint}; its header is '
                f'{",".join(header)[:80]!r}, that of a table is '
                f'{",".join(COLUMNS)!r}, separated by commas.'
            )
    return {name: header.index(name) for name in COLUMNS if name in header}


def _image_path(text: str, where: str) -> str:
    """Check the path of an image: absolute, or below the root."""
    path = text.strip().replace('\\', '/')
    if path in MISSING:
        raise ConfigError(f'{where} has no path; leave the row out.')
    if not osp.isabs(path) and '..' in path.split('/'):
        raise ConfigError(
            f'{where}: {path[:80]!r} leads out of data_root; write the path '
            'below it, or absolute.'
        )
    return posixpath.normpath(path)


def _csv_rows(path: str) -> Iterator[tuple[int, list[str]]]:
    """Yield header and rows with their line numbers."""
    try:
        with open(path, encoding='utf-8-sig', newline='') as file:
            reader = csv.reader(file, strict=True)
            for row in reader:
                if row:
                    yield reader.line_num, row
    except UnicodeDecodeError as error:
        raise ConfigError(
            f'table {path!r} is no text in UTF-8; save it as CSV (UTF-8).'
        ) from error
    except csv.Error as error:
        raise ConfigError(
            f'line {reader.line_num} of table {path!r} cannot be read '
            f'({error}); save it as CSV (UTF-8) anew.'
        ) from error


def _parquet_rows(path: str) -> Iterator[tuple[int, list[str]]]:
    """Yield header and rows, in texts, with their numbers from 1."""
    with missing_packages(f'table {path!r}, unless saved as CSV,'):
        import pyarrow
        import pyarrow.parquet as parquet
    number = 0
    try:
        with parquet.ParquetFile(path) as file:
            yield 0, list(file.schema_arrow.names)
            for batch in file.iter_batches():
                columns = [column.to_pylist() for column in batch.columns]
                for row in zip(*columns, strict=True):
                    number += 1
                    yield number, ['' if c is None else str(c) for c in row]
    except (pyarrow.ArrowException, OSError) as error:
        raise ConfigError(
            f'table {path!r} is no sound Parquet file '
            f'({one_line(error):.120}); write it anew.'
        ) from error
