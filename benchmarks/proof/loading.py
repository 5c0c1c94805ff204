"""Images per second that the workers of one loader deliver together.

Drawn JPEG files of 150-240 x 320-480 pixels, heavier than real crops, through
the pipelines at 288 x 144, on the clock, after more batches than the workers
have prepared ahead.
"""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from data_loading import IMAGES_EACH, KINDS, data_sets, large_and_noisy
from data_peers import SIZE
from data_workers import RATE, measure_workers
from images import write_images

from mmgl.datasets import SYSUMM01
from mmgl.datasets.pack_writer import write_pack
from mmgl.utils.compat import silence_upstream_warnings

from .findings import Findings
from .part_options import parse_part, part_parser

PAIRS = 100
ENOUGH = 3


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and write the findings."""
    options = parse_part(part_parser('Measure the loading of images.'), argv)
    silence_upstream_warnings()
    findings = Findings(options.out)
    with tempfile.TemporaryDirectory(dir=options.scratch) as name:
        folder = Path(name)
        root = str(folder / 'data')
        write_images(
            Path(root), PAIRS, IMAGES_EACH, large_and_noisy(), quality=90
        )
        dataset = SYSUMM01(root, 'train')
        paths = [
            dataset.get_data_info(n)['img_path'] for n in range(len(dataset))
        ]
        write_pack(root, paths, str(folder / 'pack'), *SIZE)
        for kind in KINDS:
            for source, images in data_sets(root, folder, kind).items():
                if options.left() < ENOUGH:
                    findings.note(f'{kind}, {source}: not reached.')
                    continue
                findings.add(
                    *measure_workers(
                        kind,
                        {source: images},
                        options.sizes.workers,
                        options.sizes.turns,
                    )
                )
    if not findings.content['figures']:
        sys.exit(f'loading: nothing measured; the goal is {RATE} images/s')


if __name__ == '__main__':
    main()
