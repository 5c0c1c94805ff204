"""One, two and four processes share an evaluation.

Takes some seconds: four interpreters have to import torch and the package.
"""

import json

import numpy as np
import pytest
import torch
import torch.multiprocessing as mp
from matlab_like import as_arrays, random_cells
from mmengine.dataset import DefaultSampler

from mmgl.evaluation.features_io import load_features
from mmgl.evaluation.metrics import row_gathering
from mmgl.evaluation.metrics.reid_metric import ReIDMetric
from mmgl.evaluation.ranking.match_ranks import HostRanks

SIZES = (2, 4)


def images():
    cells, permutations, ids = random_cells(
        np.random.default_rng(0), ids=6, least=10, most=11, absent=0
    )
    features, *labels = as_arrays(cells, ids)
    return (
        features.astype(np.float32),
        labels,
        {
            cam: {pid: entries[pid] for pid in ids}
            for cam, entries in permutations.items()
        },
    )


def evaluate(folder, name):
    """This process's part of a test, as mmengine's loop does it."""
    # Several blocks and chunks for each process.
    HostRanks.max_rows, row_gathering._CHUNK_ROWS = 7, 5
    features, labels, permutations = images()
    found = {}
    for protocol in ('sysu', 'regdb'):
        metric = ReIDMetric(
            protocol=protocol,
            out=str(folder / f'{name}_{protocol}.json'),
            dump=str(folder / f'{name}_{protocol}.npz'),
        )
        metric.dataset_meta = dict(
            dataset=protocol, trial=1, rand_perm_cam=permutations
        )
        # As many as in the data set, but the ranks are given a few more.
        indices = list(DefaultSampler(range(len(features)), shuffle=False))
        for start in range(0, len(indices), 8):
            metric.process(
                None,
                [
                    dict(
                        feature=torch.from_numpy(features[n]),
                        img_path=f'{n}',
                        **{
                            key: int(column[n])
                            for key, column in zip(
                                ('pid', 'camid', 'modality', 'index'),
                                labels,
                                strict=True,
                            )
                        },
                    )
                    for n in indices[start : start + 8]
                ],
            )
        found[protocol] = metric.evaluate(len(features))
        assert metric.results == []
    return found


def worker(rank, folder):
    torch.set_num_threads(1)
    for size in SIZES:
        if rank >= size:
            continue
        torch.distributed.init_process_group(
            'gloo',
            init_method=f'file://{folder}/store_{size}',
            rank=rank,
            world_size=size,
        )
        found = evaluate(folder, f'of_{size}')
        (folder / f'{size}_{rank}.json').write_text(json.dumps(found))
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp('shared')
    mp.spawn(worker, args=(folder,), nprocs=max(SIZES))
    return folder


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(HostRanks, 'max_rows', 7)
    monkeypatch.setattr(row_gathering, '_CHUNK_ROWS', 5)


@pytest.mark.parametrize('size', SIZES)
def test_any_number_of_processes_gives_the_same(
    size, folder, tmp_path, small_blocks
):
    features = images()[0]
    assert len(features) % 4  # some images are handed over twice
    one = evaluate(tmp_path, 'of_1')
    for rank in range(size):
        several = json.loads((folder / f'{size}_{rank}.json').read_text())
        assert several == one  # to the last bit
    for protocol in one:
        dump = load_features(folder / f'of_{size}_{protocol}.npz')
        assert np.array_equal(dump.features, features)
        assert dump.img_paths.tolist() == [
            str(n) for n in range(len(features))
        ]
        written = [
            (path / f'of_{n}_{protocol}.json').read_text()
            for path, n in ((folder, size), (tmp_path, 1))
        ]
        assert written[0] == written[1]


@pytest.mark.parametrize('sizes', [(1,), (5, 5), (3, 9, 4, 1)])
def test_rows_are_gathered_and_let_go(sizes, small_blocks):
    rows = torch.arange(2 * sum(sizes)).reshape(-1, 2)
    batches = list(rows.split(sizes))
    assert torch.equal(row_gathering.gather_rows(batches, len(rows)), rows)
    assert batches == []
    # What a sampler repeats at the end is left out.
    again = row_gathering.gather_rows([rows, rows[:1]], len(rows))
    assert torch.equal(again, rows)


def test_missing_and_repeated_images_are_errors():
    with pytest.raises(ValueError, match='hands over 3 images, but 4 of'):
        row_gathering.gather_rows([torch.ones(3, 2)], 4)
    with pytest.raises(ValueError, match='hands over 0 images'):
        ReIDMetric().evaluate(4)
    metric = ReIDMetric()
    sample = dict(feature=np.ones(3), pid=1, camid=1, modality=0, index=1)
    metric.process(None, [sample, sample])
    with pytest.raises(ValueError, match='1 of 2 images appear twice'):
        metric.evaluate(2)


def test_bad_features_name_their_images():
    sample = dict(pid=1, camid=1, modality=0, index=1)
    bad = dict(
        sample,
        feature=torch.tensor([1.0, float('nan')]),
        img_path='cam1/0001/0007.jpg',
    )
    with pytest.raises(ValueError, match='1 of 2 images.*cam1/0001/0007.jpg'):
        ReIDMetric().process(None, [dict(sample, feature=torch.ones(2)), bad])
