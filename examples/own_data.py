"""A data set of one's own: a folder and a table of its images.

    python examples/own_data.py FOLDER

FOLDER has `images.csv` with the columns path, person, camera, modality
(visible or infrared) and split (train or test). The class is all that a config
needs: `dataset=dict(type='TableOfPeople', data_root=..., split='train')`.
"""

import argparse
import csv
from collections import Counter
from pathlib import Path
from typing import Any

from mmgl.datasets import ReIDDataset
from mmgl.datasets.samplers import IdentitySampler
from mmgl.registry import DATASETS
from mmgl.structures import MODALITY_NAMES


@DATASETS.register_module()
class TableOfPeople(ReIDDataset):
    """People as ``images.csv`` lists them."""

    SPLITS = ('train', 'test')

    def read_metainfo(self) -> dict[str, Any]:
        """Number the persons of the split from 0."""
        with open(Path(self.data_root) / 'images.csv') as table:
            rows = [
                r for r in csv.DictReader(table) if r['split'] == self.split
            ]
        self.rows = rows
        pids = sorted({int(row['person']) for row in rows})
        return dict(
            dataset='table', split=self.split, num_pids=len(pids), pids=pids
        )

    def load_data_list(self) -> list[dict[str, Any]]:
        """List the images; ``index`` counts those of a person and camera."""
        labels = {raw: n for n, raw in enumerate(self._metainfo['pids'])}
        counts: Counter[tuple[int, int]] = Counter()
        entries = []
        for row in self.rows:
            raw, camera = int(row['person']), int(row['camera'])
            counts[raw, camera] += 1
            modality = MODALITY_NAMES.index(row['modality'])
            entries.append(
                self.make_entry(
                    row['path'].split('/'), labels[raw], raw, camera,
                    modality, counts[raw, camera],
                )
            )  # fmt: skip
        return entries


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument('folder')
    args = parser.parse_args()
    people = TableOfPeople(args.folder, 'train')
    print(f'{people.metainfo["num_pids"]} persons, {len(people)} images')
    sampler = IdentitySampler(people, num_ids=2, num_instances=2, seed=0)
    first = [draw.index for draw in sampler][:8]
    for index in first:
        entry = people.get_data_info(index)
        print(
            entry['raw_pid'],
            MODALITY_NAMES[entry['modality']],
            entry['img_path'],
        )


if __name__ == '__main__':
    main()
