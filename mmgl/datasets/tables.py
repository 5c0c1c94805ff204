"""Tables of images that users give: CSV and Parquet."""

import csv
import os.path as osp
import posixpath
from collections.abc import Iterator, Sequence

from mmgl.utils.errors import ConfigError, nearest

from .listing import COLUMNS, MISSING, Listing, make_columns, make_listing

NEEDED = ('path', 'modality')


def read_table(path: str) -> Listing:
    """Read a CSV file (UTF-8, commas, a header) or a Parquet file."""
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
    paths: dict[str, None] = {}
    for number, row in rows:
        where = f'row {number} of {path!r}'
        if len(row) != len(header):
            raise ConfigError(
                f'{where} has {len(row)} cells, the header {len(header)}; '
                'put texts with commas into quotes.'
            )
        image = _image_path(row[places['path']], where)
        if image in paths:
            raise ConfigError(
                f'{where} names {image!r} a second time; name each image once.'
            )
        paths[image] = None
        for column, place in pairs:
            column.add(row[place], where)
    if not paths:
        raise ConfigError(f'table {path!r} has no rows; name some images.')
    unread = [word for word in header if word not in COLUMNS]
    return make_listing(path, list(paths), columns, unread)


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
    try:
        import pyarrow
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise ConfigError(
            f'table {path!r} is Parquet, which needs pyarrow: pip install '
            'pyarrow, or save it as CSV.'
        ) from error
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
        why = ' '.join(str(error).split())
        raise ConfigError(
            f'table {path!r} is no sound Parquet file ({why[:120]}); write '
            'it anew.'
        ) from error
