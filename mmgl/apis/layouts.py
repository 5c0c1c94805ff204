"""Data sets on the command line: a folder, its layout, and a split."""

import argparse
import os.path as osp
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mmgl.protocols.regdb import TRIALS

if TYPE_CHECKING:
    from mmgl.datasets import ReIDDataset

# Data of one's own; see docs/own_data.md.
OWN = ('table', 'folder')
LAYOUTS = ('sysu', 'regdb', 'llcm', *OWN)


def add_layout(parser: argparse.ArgumentParser, required: bool) -> None:
    """Add --root, --layout and --table; without a default if required."""
    add = parser.add_argument
    add('--root', required=required, help='folder of the data set')
    add(
        '--layout',
        required=required,
        choices=LAYOUTS,
        default=None if required else LAYOUTS[0],
        help='table and folder: data of your own, see docs/own_data.md',
    )
    add('--table', help='CSV or Parquet file of --layout table')


def check_layout(
    options: argparse.Namespace, parser: argparse.ArgumentParser
) -> None:
    """Refuse a table that is missing or not asked for."""
    if (options.table is None) == (options.layout == 'table'):
        parser.error('--layout table needs --table, and nothing else does')


def open_split(
    options: argparse.Namespace, split: str, trial: int = 1, **more: Any
) -> 'ReIDDataset':
    """Open a split of the data set that the options name."""
    from mmgl.datasets import LLCM, SYSUMM01, RegDB, ReIDTable

    if options.layout in OWN:
        return ReIDTable(options.root, split, options.table, **more)
    if options.layout == 'regdb':
        return RegDB(options.root, split, trial, **more)
    kinds: dict[str, type[ReIDDataset]] = dict(sysu=SYSUMM01, llcm=LLCM)
    return kinds[options.layout](options.root, split, **more)


def image_paths(
    options: argparse.Namespace, splits: Sequence[str] | None = None
) -> set[str]:
    """List the images of splits, of all trials together; by default all."""
    if splits is None and options.layout in OWN:
        from mmgl.datasets.reid_table import read_listing

        listing = read_listing(options.root, options.table)
        return {osp.join(options.root, path) for path in listing.paths}
    if splits is None:
        splits = 'trainval' if options.layout == 'sysu' else 'train', 'test'
    regdb = options.layout == 'regdb'
    # What a folder lacks of RegDB's lists is an error.
    more = dict(listing='protocol') if regdb else {}
    datasets = [
        open_split(options, split, trial, **more)
        for split in splits
        for trial in (TRIALS if regdb else (1,))
    ]
    return {
        dataset.get_data_info(number)['img_path']
        for dataset in datasets
        for number in range(len(dataset))
    }
