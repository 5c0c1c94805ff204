"""Checks of LLCM's folder that say what is wrong and where."""

import os.path as osp

from mmgl.protocols import llcm as protocol
from mmgl.protocols.split_files import read_id_list
from mmgl.structures import MODALITY_NAMES

from .checks import check_disjoint
from .llcm import (
    check_test_folders,
    id_file,
    person_images,
    persons_of,
    read_list,
)
from .reid_dataset import check_root
from .verify import Report, check_files


def verify_llcm(
    data_root: str, official: bool = False, decode: bool = False
) -> Report:
    """Check lists, folders and images of LLCM; see :func:`verify_sysu`."""
    check_root('--root', osp.join(data_root, protocol.IDX_FOLDER))
    report = Report()
    test = report.attempt(read_id_list, id_file(data_root)) or []
    rows, total = {}, 0
    for modality in protocol.FILE_WORDS:
        name = MODALITY_NAMES[modality]
        rows[modality] = report.attempt(read_list, data_root, modality) or []
        paths = [row.path for row in rows[modality]]
        report.counts[f'train {name} images'] = len(paths)
        check_files(report, data_root, paths, decode)
        report.attempt(check_test_folders, data_root, modality)
        images = []
        for pid in test:
            found = report.attempt(person_images, data_root, modality, pid)
            images += sum((found or {}).values(), [])
        report.counts[f'test {name} images'] = len(images)
        check_files(report, data_root, images, decode)
        total += len(paths) + len(images)
    persons = report.attempt(persons_of, rows) or {}
    where = f'idx: the training lists and {protocol.TEST_ID_NAME}'
    report.attempt(check_disjoint, where, persons.values(), test)
    report.counts.update(
        {'train ids': len(persons), 'test ids': len(test), 'images': total}
    )
    if official:
        ids = {
            f'{half} ids': number
            for half, number in protocol.OFFICIAL_IDS.items()
        }
        report.compare({**ids, 'images': protocol.OFFICIAL_IMAGES})
    return report
