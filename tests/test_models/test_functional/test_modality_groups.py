"""Batches apart by modality."""

import pytest
import torch

from mmgl.models.functional import modality_groups
from mmgl.models.functional.modality_groups import (
    ModalityGroups,
    join_rows,
    modality_indices,
    side_by_side,
    split_rows,
)

CPU = torch.device('cpu')


@pytest.mark.parametrize('modality', [[0, 1, 1, 0, 1], [1, 1], [0]])
def test_apart_and_together_again(modality):
    modality = torch.tensor(modality)
    x = torch.randn(len(modality), 3)
    rows = modality_indices(modality, CPU)
    apart = split_rows(x, rows)
    for number, group in enumerate(apart):
        assert group.equal(x[modality == number])
    assert join_rows(apart, rows).equal(x)


def test_a_modality_that_is_none():
    with pytest.raises(ValueError, match='got \\[0, 2\\]'):
        modality_indices(torch.tensor([0, 2]), CPU)


def test_one_process_has_the_groups_of_all():
    modality = torch.tensor([1, 0, 1])
    groups = ModalityGroups(modality, CPU)
    mine = groups.split(torch.arange(3.0))
    assert groups.gather(mine) is mine
    assert [x.tolist() for x in mine] == [[1], [0, 2]]
    assert [x.tolist() for x in groups.places()] == [[0], [0, 1]]


def test_modalities_at_once_on_a_device_if_they_are_even(monkeypatch):
    even = torch.randn(3, 2), torch.randn(3, 2)
    other = torch.randn(2), torch.randn(2)
    uneven = torch.randn(4), torch.randn(5)
    for number, row in enumerate(side_by_side(even, other)):
        assert row[0].equal(even[number][None])
        assert row[1].equal(other[number][None])
    monkeypatch.setattr(modality_groups, 'on_processor', lambda x: False)
    ((first, second),) = side_by_side(even, other)
    assert first.equal(torch.stack(even))
    assert second.equal(torch.stack(other))
    assert len(side_by_side(even, uneven)) == 2
