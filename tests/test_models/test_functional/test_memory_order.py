"""What keeps the order of maps in memory."""

import pytest
import torch
from torch import nn

from mmgl.models.functional.memory_order import in_memory_as, reorder_rows

ORDERS = [torch.contiguous_format, torch.channels_last]


@pytest.mark.parametrize('order', ORDERS)
@pytest.mark.parametrize('rows', [1, 2, 9])
def test_rows_and_their_gradient(order, rows):
    torch.manual_seed(rows)
    x = torch.randn(rows, 4, 6, 3).to(memory_format=order)
    other = x.clone().requires_grad_()
    x.requires_grad_()
    places = torch.randperm(rows)
    out, expected = reorder_rows(x, places), other[places]
    assert out.equal(expected)
    grad = torch.randn_like(out)
    out.backward(grad)
    expected.backward(grad)
    assert x.grad.equal(other.grad)
    assert x.grad.is_contiguous(memory_format=order)


@pytest.mark.parametrize('order', ORDERS)
@pytest.mark.parametrize('channels', [1, 2, 5])
def test_what_is_behind_follows(order, channels):
    x = torch.randn(2, 8, 6, 3).to(memory_format=order)
    y = torch.randn(2, channels, 18).view(2, channels, 6, 3)
    kept = in_memory_as(x, y)
    assert kept.equal(y)
    behind = nn.Conv2d(channels, 8, 1)(kept)
    assert behind.is_contiguous(memory_format=order)
    assert (kept is y) == (order == torch.contiguous_format)
