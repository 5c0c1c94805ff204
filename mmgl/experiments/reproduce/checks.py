"""Whether real data sets are there, before anything is planned or run."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from mmengine.config import Config

from mmgl.datasets import SYSUMM01, RegDB, ReIDDataset
from mmgl.datasets.verify import Report, verify_regdb, verify_sysu

_BASES = {'sysu': 'sysu_mm01', 'regdb': 'regdb'}
TITLES = {'sysu': 'SYSU-MM01', 'regdb': 'RegDB'}
_REMEDY = (
    'give its folder by --data-root {layout}=PATH, or put it where '
    'the configs look for it; docs/datasets.md describes the layout'
)


def default_root(root: Path, layout: str) -> Path:
    """Return where the configs look for a data set.

    Args:
        root: Folder with ``configs``, where the stages run.
        layout: 'sysu' or 'regdb'.

    Returns:
        Its folder.
    """
    base = root / f'configs/_base_/datasets/{_BASES[layout]}.py'
    return root / Config.fromfile(base, lazy_import=False).data_root


def describe_splits(
    layout: str, folder: Path, trials: Iterable[int | None] = (None,)
) -> list[str]:
    """Read the split files of a data set, without looking for images.

    Args:
        layout: 'sysu' or 'regdb'.
        folder: Its folder.
        trials: Trials of RegDB to read.

    Returns:
        Lines with the numbers of identities.

    Raises:
        FileNotFoundError: If the folder or a split file is missing.
        ValueError: If a split file is broken.
    """
    try:
        if layout == 'sysu':
            splits = {
                split: SYSUMM01(
                    str(folder), split, listing='protocol', lazy_init=True
                )
                for split in ('train', 'val', 'test')
            }
            return [
                f'{TITLES[layout]} in {folder}: '
                + ', '.join(
                    f'{_count(data)} in {split}'
                    for split, data in splits.items()
                )
            ]
        numbers = {
            tuple(
                _count(
                    RegDB(
                        str(folder),
                        split,
                        trial or 1,
                        listing='protocol',
                        lazy_init=True,
                    )
                )
                for split in ('train', 'test')
            )
            for trial in trials
        }
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f'{error} If the data set is elsewhere, '
            f'{_REMEDY.format(layout=layout)}.'
        ) from error
    return [
        f'{TITLES[layout]} in {folder}, {len(list(trials))} trials: '
        f'{train} in train, {test} in test'
        for train, test in sorted(numbers)
    ]


def _count(data: ReIDDataset) -> str:
    # The list alone: a finished data set would copy it and collect garbage.
    return (
        f'{data.metainfo["num_pids"]} identities '
        f'({len(data.load_data_list()):,} images)'
    )


def require_images(
    layout: str, folder: Path, trials: Iterable[int | None] = (None,)
) -> None:
    """Look for every image that the split files name.

    Args:
        layout: 'sysu' or 'regdb'.
        folder: Folder of the data set.
        trials: Trials of RegDB to check.

    Raises:
        FileNotFoundError: Naming the first things that are wrong.
    """
    report: Report = (
        verify_sysu(str(folder))
        if layout == 'sysu'
        else verify_regdb(str(folder), trials=[trial or 1 for trial in trials])
    )
    if report.problems:
        first = '; '.join(report.problems[:2])
        raise FileNotFoundError(
            f'{TITLES[layout]} in {folder} is not complete, '
            f'{len(report.problems)} problems: {first} ... '
            'tools/misc/verify_dataset.py lists all of them; restore the '
            f'files, or {_REMEDY.format(layout=layout)}.'
        )


def check_data(
    needed: Mapping[str, tuple[Path, set]], images: bool
) -> list[str]:
    """Check all data sets of a plan.

    Args:
        needed: Folder and trials by layout.
        images: Look for the images too.

    Returns:
        Lines with the numbers of identities.

    Raises:
        FileNotFoundError: If something is missing.
        ValueError: If a split file is broken.
    """
    lines = []
    for layout, (folder, trials) in needed.items():
        # Without a trial of its own, a config takes trial 1.
        trials = sorted({trial or 1 for trial in trials})
        lines += describe_splits(layout, folder, trials)
        if images:
            require_images(layout, folder, trials)
    return lines
