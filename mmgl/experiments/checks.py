"""Whether real data sets are there, before anything is planned or run."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmgl.datasets import SYSUMM01, RegDB, ReIDDataset
from mmgl.datasets.verify import verify_regdb, verify_sysu

from .options import Options

_BASES = {'sysu': 'sysu_mm01', 'regdb': 'regdb'}
TITLES = {'sysu': 'SYSU-MM01', 'regdb': 'RegDB'}
_REMEDY = (
    'give its folder by --data-root {layout}=PATH, or put it where '
    'the configs look for it; docs/datasets.md describes the layout'
)


def data_folder(options: Options, layout: str) -> Path:
    """Return the folder of a data set, given or that of the configs."""
    if given := options.data_root.get(layout):
        return given
    base = options.root / f'configs/_base_/datasets/{_BASES[layout]}.py'
    found = Config.fromfile(base, lazy_import=False).data_root
    return options.root / str(found)


def describe_splits(
    layout: str, folder: Path, trials: Collection[int] = (1,)
) -> list[str]:
    """Count identities by the split files, without looking for images.

    FileNotFoundError and ValueError name what is missing or broken.
    """
    how: dict[str, Any] = dict(listing='protocol', lazy_init=True)
    head, root = f'{TITLES[layout]} in {folder}', str(folder)
    try:
        if layout == 'sysu':
            sets = [SYSUMM01(root, s, **how) for s in ('train', 'val', 'test')]
            lines = {_count(sets)}
        else:
            head += f', {len(trials)} trials'
            halves = ('train', 'test')
            lines = {
                _count([RegDB(root, s, trial, **how) for s in halves])
                for trial in trials
            }
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f'{error} If the data set is elsewhere, '
            f'{_REMEDY.format(layout=layout)}.'
        ) from error
    return [f'{head}: {line}' for line in sorted(lines)]


def _count(sets: Collection[ReIDDataset]) -> str:
    # The list alone: a finished data set would copy it and collect garbage.
    return ', '.join(
        f'{data.metainfo["num_pids"]} identities '
        f'({len(data.load_data_list()):,} images) in {data.split}'
        for data in sets
    )


def check_data(
    options: Options, reads: Mapping[str, Collection[int | None]], images: bool
) -> list[str]:
    """Count the identities of the data sets of a plan, trials by layout.

    Also looks for each image if told so.
    """
    lines = []
    for layout in sorted(reads, reverse=True):
        folder = data_folder(options, layout)
        # Without a trial of its own, a config takes trial 1.
        trials = sorted({trial or 1 for trial in reads[layout]})
        lines += describe_splits(layout, folder, trials)
        if not images:
            continue
        if layout == 'sysu':
            problems = verify_sysu(str(folder)).problems
        else:
            problems = verify_regdb(str(folder), trials=trials).problems
        if problems:
            raise FileNotFoundError(
                f'{TITLES[layout]} in {folder} is not complete, '
                f'{len(problems)} problems: {"; ".join(problems[:2])} ... '
                'tools/misc/verify_dataset.py lists all of them; restore the '
                f'files, or {_REMEDY.format(layout=layout)}.'
            )
    return lines
