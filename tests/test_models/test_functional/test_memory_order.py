"""What keeps the order of maps in memory."""

import pytest
import torch
from torch import nn

from mmgl.models.functional.memory_order import (
    in_memory_as,
    in_order_of,
    reorder_rows,
    stripe_means,
)

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


@pytest.mark.parametrize('order', ORDERS)
@pytest.mark.parametrize('images', ORDERS)
def test_images_come_as_the_first_convolution_has_its_weights(order, images):
    conv = nn.Conv2d(3, 8, 7, padding=3).to(memory_format=order)
    x = torch.randn(2, 3, 12, 6).to(memory_format=images)
    kept = in_order_of(conv.weight, x)
    assert kept.equal(x)
    assert (kept is x) == (order == images)
    assert conv(kept).is_contiguous(memory_format=order)


@pytest.mark.parametrize('order', ORDERS)
@pytest.mark.parametrize('rows', [6, 18])
def test_stripe_means_equal_pooling(order, rows):
    x = torch.randn(2, 5, rows, 3).to(memory_format=order)
    other = x.clone().requires_grad_()
    x.requires_grad_()
    ours = stripe_means(x, 6)
    expected = nn.functional.adaptive_avg_pool2d(other, (6, 1))
    expected = expected.squeeze(-1).transpose(1, 2)
    torch.testing.assert_close(ours, expected)
    weight = torch.randn_like(ours)
    ours.backward(weight)
    expected.backward(weight)
    torch.testing.assert_close(x.grad, other.grad)
    assert x.grad.is_contiguous(memory_format=order)
