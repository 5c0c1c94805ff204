import math

import cv2
import numpy as np
import pytest
import torch

from mmgl.models.functional.colour import (
    ab_bins,
    rebalancing_weights,
    rgb_to_lab,
    soft_encode,
    soft_histogram,
)


def lab_of(*rgb):
    return rgb_to_lab(torch.tensor(rgb).view(3, 1, 1)).flatten().tolist()


# -------------------------------------------------------------------- colours
def test_lab_equals_cv2():
    image = np.random.rand(32, 16, 3).astype(np.float32)
    image[:4] /= 50  # the linear part
    expected = cv2.cvtColor(image, cv2.COLOR_RGB2Lab)
    got = rgb_to_lab(torch.from_numpy(image).permute(2, 0, 1))
    # cv2 interpolates in tables.
    error = np.abs(got.permute(1, 2, 0).numpy() - expected)
    assert error.max() < 0.8 and error.mean() < 0.15


@pytest.mark.parametrize(
    'rgb, lab',
    [
        ((1.0, 0.0, 0.0), (53.24, 80.09, 67.20)),
        ((0.0, 1.0, 0.0), (87.73, -86.18, 83.18)),
        ((0.0, 0.0, 1.0), (32.30, 79.19, -107.86)),
        ((1.0, 1.0, 1.0), (100.0, 0.0, 0.0)),
        ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0)),
    ],
)
def test_lab_of_known_colours(rgb, lab):
    assert lab_of(*rgb) == pytest.approx(lab, abs=0.02)


def test_greys_have_no_colour():
    grey = torch.rand(2, 1, 5, 4).expand(-1, 3, -1, -1)
    lab = rgb_to_lab(grey)
    assert lab[:, 1:].abs().max() < 1e-3
    darker = lab[:, 0].flatten().argsort()
    assert torch.equal(darker, grey[:, 0].flatten().argsort())


def test_lab_keeps_its_precision_in_mixed_precision():
    image = torch.rand(1, 3, 4, 4)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        assert torch.equal(rgb_to_lab(image), rgb_to_lab(image.float()))


# ----------------------------------------------------------------------- bins
def test_bins_cover_the_gamut():
    bins = ab_bins(10)
    assert bins.shape == (261, 2)
    assert len(torch.unique(bins, dim=0)) == 261
    assert (bins % 10 == 0).all() and (bins == 0).all(1).any()
    ab = rgb_to_lab(torch.rand(3, 100, 100))[1:].flatten(1).t()
    nearest = torch.cdist(ab, bins).min(dim=1).values
    # Inside a cell of the grid no point is farther from its middle.
    assert nearest.max() <= 5 * math.sqrt(2) + 1e-3


def naive_encode(ab, bins, k, sigma):
    rows = []
    for point in ab.tolist():
        far = [math.dist(point, b) for b in bins.tolist()]
        order = sorted(range(len(far)), key=far.__getitem__)[:k]
        weight = [math.exp(-(far[i] ** 2) / (2 * sigma**2)) for i in order]
        rows.append(
            {i: w / sum(weight) for i, w in zip(order, weight, strict=True)}
        )
    return rows


def test_soft_encoding_equals_a_naive_loop():
    bins = ab_bins(20)
    # Off the grid, so that no two bins are equally far.
    ab = torch.rand(10, 2) * 120 - 60.3
    index, weight = soft_encode(ab, bins, 5, 5.0)
    assert weight.sum(1).tolist() == pytest.approx([1] * 10)
    for i, w, expected in zip(
        index.tolist(),
        weight.tolist(),
        naive_encode(ab, bins, 5, 5.0),
        strict=True,
    ):
        assert dict(zip(i, w, strict=True)) == pytest.approx(
            expected, abs=1e-5
        )


def test_a_colour_on_a_bin_belongs_to_it():
    bins = ab_bins()
    index, weight = soft_encode(bins, bins)
    assert torch.equal(index[:, 0], torch.arange(len(bins)))
    # Four neighbours at a distance of 10, two deviations.
    grey = (bins == 0).all(1)
    share = 1 / (1 + 4 * math.exp(-2))
    assert weight[grey, 0].item() == pytest.approx(share)
    # One bin only: hard targets.
    assert (soft_encode(bins, bins, 1)[1] == 1).all()


def test_far_colours_are_encoded_too():
    index, weight = soft_encode(torch.tensor([[400.0, 300.0]]), ab_bins())
    assert torch.isfinite(weight).all() and weight[0, 0] > 0.2


def test_half_precision_does_not_move_targets():
    ab = torch.rand(50, 2) * 100 - 50
    with torch.autocast('cpu', dtype=torch.bfloat16):
        index, _ = soft_encode(ab, ab_bins())
    assert torch.equal(index, soft_encode(ab, ab_bins())[0])


def test_decoding_what_was_encoded():
    bins = ab_bins()
    ab = rgb_to_lab(torch.rand(3, 40, 40))[1:].flatten(1).t()
    index, weight = soft_encode(ab, bins)
    dense = torch.zeros(len(ab), len(bins)).scatter_(1, index, weight)
    # The annealed mean at a temperature of nearly 0.
    mode = (dense.log() / 1e-3).softmax(dim=-1) @ bins
    assert (mode - ab).norm(dim=1).max() <= 5 * math.sqrt(2) + 1e-2


# -------------------------------------------------------------------- weights
def test_histogram_equals_a_naive_loop():
    index = torch.randint(0, 7, (50, 3))
    weight = torch.rand(50, 3)
    expected = [0.0] * 7
    for i, w in zip(
        index.flatten().tolist(), weight.flatten().tolist(), strict=True
    ):
        expected[i] += w
    got = soft_histogram(index, weight, 7)
    assert got.tolist() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize('share', [0.1, 0.5, 1.0])
def test_expected_weight_is_one(share):
    prior = torch.rand(260).softmax(0)
    weight = rebalancing_weights(prior, share)
    assert (prior * weight).sum().item() == pytest.approx(1)
    raw = 1 / ((1 - share) * prior + share / 260)
    assert torch.allclose(weight / weight[0], raw / raw[0])


def test_weights_of_a_known_prior():
    prior = torch.full((260,), 0.7 / 259)
    prior[0] = 0.3
    weight = rebalancing_weights(prior)
    assert weight[0].item() == pytest.approx(0.031, abs=1e-3)
    assert weight[1].item() == pytest.approx(1.415, abs=5e-3)
    assert torch.allclose(
        rebalancing_weights(torch.full((5,), 0.2)), torch.ones(5)
    )
