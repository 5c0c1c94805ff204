"""The code for features on an accelerator, on tensors of the host."""

import numpy as np
import pytest
import torch

from mmgl.evaluation.ranking import (
    device_ranks,
    distances_between,
    feature_arrays,
    score_galleries,
)
from mmgl.evaluation.ranking.device_ranks import DeviceDistances
from mmgl.evaluation.reports import evaluate_regdb, evaluate_sysu

CAMERAS = np.array([1, 2, 3, 4, 5, 6])


@pytest.fixture
def everything_on_device(monkeypatch):
    """Make tensors of the host count as being on an accelerator."""
    for module in ('feature_arrays', 'distances'):
        monkeypatch.setattr(
            f'mmgl.evaluation.ranking.{module}.is_on_accelerator',
            torch.is_tensor,
        )


@pytest.fixture
def sysu():
    pids, camids, index = (
        part.ravel()
        for part in np.meshgrid(
            np.arange(8), CAMERAS, np.arange(1, 12), indexing='ij'
        )
    )
    rng = np.random.default_rng(0)
    features = (
        rng.normal(size=(len(pids), 16)) + 2 * rng.normal(size=(8, 16))[pids]
    )
    features[::7] = features[3]  # equal images, ties between identities
    return (
        features.astype(np.float32),
        pids,
        camids,
        np.isin(camids, (3, 6)).astype(int),
        index,
    )


def assert_close(found, expected):
    for one, other in zip(found, expected, strict=True):
        assert one == pytest.approx(other, abs=1e-9)


@pytest.mark.parametrize('ties', ['expected', 'gallery_order'])
def test_reports_equal_those_of_the_host(sysu, ties, everything_on_device):
    features, *labels = sysu
    tensor = torch.from_numpy(features)
    arguments = dict(shots=(1, 3), trials=3, draw='random_seeded', ties=ties)
    assert_close(
        evaluate_sysu(tensor, *labels, **arguments),
        evaluate_sysu(features, *labels, **arguments),
    )
    assert_close(
        evaluate_regdb(tensor, labels[0], labels[2], ties=ties),
        evaluate_regdb(features, labels[0], labels[2], ties=ties),
    )
    # Euclidean distances are those of the host in any case.
    assert evaluate_regdb(
        tensor, labels[0], labels[2], 'euclidean'
    ) == evaluate_regdb(features, labels[0], labels[2], 'euclidean')


@pytest.mark.parametrize('few', [0, 64])
def test_counting_and_sorting_agree(few, monkeypatch, everything_on_device):
    monkeypatch.setattr('mmgl.evaluation.ranking.device_ranks._FEW', few)
    rng = np.random.default_rng(1)
    query, gallery = rng.normal(size=(30, 4)), rng.normal(size=(200, 4))
    q, g = rng.integers(0, 9, 30), rng.integers(0, 9, 200)
    for cmc in ('unique_identity', 'standard'):
        (found,) = score_galleries(
            DeviceDistances(
                torch.from_numpy(query), torch.from_numpy(gallery)
            ),
            q,
            g,
            cmc=cmc,
            memory=200 * 8 * 7,
        )
        (expected,) = score_galleries(
            distances_between(query, gallery), q, g, cmc=cmc
        )
        np.testing.assert_allclose(found.cmc, expected.cmc, atol=1e-12)
        assert found.as_dict() == pytest.approx(expected.as_dict())


def test_equal_rows_get_equal_distances(everything_on_device):
    generator = torch.Generator().manual_seed(0)
    gallery = torch.randn(40, 33, generator=generator)
    gallery = gallery[torch.randint(0, 40, (333,), generator=generator)]
    gallery[0] = -torch.zeros(33)
    gallery[1] = torch.zeros(33)
    distances = DeviceDistances(
        torch.randn(9, 33, generator=generator), gallery
    ).rows(np.arange(9))
    for one in range(0, 333, 9):
        same = (gallery == gallery[one]).all(dim=1)
        equal = (distances == distances[:, [one]]).all(dim=0)
        assert torch.equal(same, equal)


def test_half_precision_is_widened_and_inputs_stay(everything_on_device):
    features = torch.randn(6, 8).half()
    before = features.clone()
    distances = DeviceDistances(features, features)
    assert distances.rows(np.arange(6)).dtype == torch.float32
    assert torch.equal(features, before)


def test_errors(everything_on_device):
    good = torch.ones(3, 2)
    bad = torch.tensor([[1.0, 2.0], [float('inf'), 1.0], [1.0, 1.0]])
    with pytest.raises(ValueError, match=r'gallery features has NaN.* 1 of'):
        DeviceDistances(good, bad)
    with pytest.raises(ValueError, match='2 columns and gallery features 3'):
        DeviceDistances(good, torch.ones(3, 3))
    with pytest.raises(ValueError, match='shape'):
        DeviceDistances(torch.ones(3), good)
    with pytest.raises(ValueError, match='1: infrared image of identity 4'):
        evaluate_regdb(bad, [3, 4, 5], [0, 1, 1])


def test_only_accelerators_count():
    for values in ([1], np.ones(2), torch.ones(2)):
        assert not feature_arrays.is_on_accelerator(values)
    assert feature_arrays.is_on_accelerator(torch.ones(2, device='meta'))


def test_memory_is_bounded(monkeypatch, everything_on_device):
    monkeypatch.setattr(DeviceDistances, 'memory', 2**18)
    monkeypatch.setattr(device_ranks, '_PART_BYTES', 2**16)
    rng = np.random.default_rng(0)
    query, gallery = (
        torch.from_numpy(rng.normal(size=(n, 8)).astype(np.float32))
        for n in (200, 1000)
    )
    pids, blocks, parts = np.arange(1000) % 200, [], []
    rows, rank = DeviceDistances.rows, device_ranks._rank

    def record(*arguments):
        blocks.append(rows(*arguments))
        return blocks[-1]

    def record_part(part, *arguments):
        parts.append(part.nbytes)
        return rank(part, *arguments)

    monkeypatch.setattr(DeviceDistances, 'rows', record)
    monkeypatch.setattr(device_ranks, '_rank', record_part)
    score_galleries(
        DeviceDistances(query, gallery), pids[:200], pids, cmc='standard'
    )
    assert sum(map(len, blocks)) == 200 and len(blocks) == 4
    assert max(block.nbytes for block in blocks) <= 2**18
    # They share their memory.
    assert len({block.data_ptr() for block in blocks}) == 1
    assert sum(parts) == 200 * 1000 * 4 and max(parts) <= 2**16


def test_default_memory_leaves_room_for_the_features():
    """A part is copied, and ranking takes up to four times as much again."""
    largest = DeviceDistances.memory + 5 * device_ranks._PART_BYTES
    assert largest <= 2**30 * 3 / 4
