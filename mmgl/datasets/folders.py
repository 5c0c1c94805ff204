"""Folders of images that users give."""

import os
import os.path as osp
import posixpath
from collections.abc import Iterator
from pathlib import Path

from mmgl.structures import MODALITY_NAMES
from mmgl.utils.errors import ConfigError

from .listing import SPLIT_WORDS, Listing, make_columns, make_listing
from .sysu_mm01 import IMAGE_SUFFIXES


def read_folder(root: str) -> Listing:
    """List ``[SPLIT/]{visible,infrared}/[PERSON/]IMAGE``, sorted by path."""
    splits = [w for w in SPLIT_WORDS if osp.isdir(osp.join(root, w))]
    direct = [w for w in MODALITY_NAMES if osp.isdir(osp.join(root, w))]
    if bool(splits) == bool(direct):
        both = f'both {splits[0]} and {direct[0]}' if splits else 'neither'
        raise ConfigError(
            f'folder {root!r} has {both}; it must hold visible/PERSON and '
            'infrared/PERSON, or those below train, val, test (query, '
            'gallery); or name a table.'
        )
    columns = make_columns(['modality', 'split'] if splits else ['modality'])
    paths: list[str] = []
    for split in splits or ['']:
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
