"""Decode and resize the images of a data set once, into a mapped file.

Example:
    python tools/dataset_converters/pack_dataset.py --root data/SYSU-MM01 \
        --layout sysu --out data/packed/sysu_288x144 --workers 8
    python tools/train.py CONFIG --cfg-options \
        train_dataloader.dataset.packed=data/packed/sysu_288x144
    python tools/dataset_converters/pack_dataset.py \
        --out data/packed/sysu_288x144 --verify

Running it again goes on where it was stopped, and rewrites images whose
files have changed.
"""

import argparse
import sys
import time
from collections.abc import Iterable, Sequence

from mmgl.datasets import SYSUMM01, RegDB, ReIDDataset
from mmgl.datasets.pack_writer import INTERPOLATIONS, verify_pack, write_pack
from mmgl.protocols.regdb import TRIALS
from mmgl.utils.arguments import output_folder, positive
from mmgl.utils.compat import silence_upstream_warnings
from mmgl.utils.errors import report_errors

SPLITS = {'sysu': ('trainval', 'test'), 'regdb': ('train', 'test')}


def image_paths(root: str, layout: str, splits: Sequence[str]) -> set[str]:
    """Return the paths of the images of a data set, of all trials together."""
    datasets: Iterable[ReIDDataset]
    if layout == 'sysu':
        datasets = (SYSUMM01(root, split) for split in splits)
    else:
        datasets = (
            RegDB(root, split, trial, listing='protocol')
            for split in splits
            for trial in TRIALS
        )
    return {
        dataset.get_data_info(number)['img_path']
        for dataset in datasets
        for number in range(len(dataset))
    }


class Progress:
    """Print the share done and the rate."""

    def __init__(self) -> None:
        self._start: tuple[float, int] | None = None

    def __call__(self, done: int, total: int) -> None:
        """Report ``done`` of ``total`` images."""
        now = time.monotonic()
        if self._start is None:
            self._start = now, done
        began, first = self._start
        rate = (done - first) / max(now - began, 1e-6)
        print(
            f'{done}/{total} images, {rate:.0f} per second',
            file=sys.stderr,
            flush=True,
        )


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Decode and resize the images of a data set once.'
    )
    parser.add_argument('--root', help='folder of the data set')
    parser.add_argument('--layout', choices=tuple(SPLITS), default='sysu')
    parser.add_argument(
        '--out', type=output_folder, required=True, help='folder to write'
    )
    parser.add_argument('--height', type=positive, default=288)
    parser.add_argument('--width', type=positive, default=144)
    parser.add_argument(
        '--interpolation',
        choices=INTERPOLATIONS,
        default='lanczos',
        help='that of PILResize in the pipeline, or opencv for Resize',
    )
    parser.add_argument(
        '--splits', nargs='+', help='default: all images of the protocol'
    )
    parser.add_argument(
        '--workers', type=positive, default=1, help='number of processes'
    )
    parser.add_argument(
        '--overwrite', action='store_true', help='replace another pack'
    )
    parser.add_argument(
        '--verify',
        action='store_true',
        help='only read the pack and compare its checksums',
    )
    args = parser.parse_args(argv)
    if not args.verify and not args.root:
        parser.error('--root is required')
    return args


def main(argv: Sequence[str] | None = None) -> None:
    """Write or verify a pack."""
    args = parse_args(argv)
    silence_upstream_warnings()
    with report_errors():
        if args.verify:
            print(f'{args.out}: {verify_pack(args.out)} images, sound')
            return
        paths = image_paths(
            args.root, args.layout, args.splits or SPLITS[args.layout]
        )
        index = write_pack(
            args.root,
            paths,
            args.out,
            args.height,
            args.width,
            args.interpolation,
            args.workers,
            args.overwrite,
            Progress(),
        )
    size = len(index) * args.height * args.width * 3 / 2**30
    print(
        f'{args.out}: {len(index)} images of {args.height} x '
        f'{args.width}, {size:.2f} GiB; use it by --cfg-options '
        f'train_dataloader.dataset.packed={args.out}'
    )


if __name__ == '__main__':
    main()
