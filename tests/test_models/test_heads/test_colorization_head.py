import copy
import math

import pytest
import torch

from mmgl.models.functional.colour import (
    rebalancing_weights,
    rgb_to_lab,
    soft_encode,
)
from mmgl.models.heads import ColorizationHead


def colours(n=4, height=32, width=16):
    return rgb_to_lab(torch.rand(n, 3, height, width))[:, 1:]


def parts(n=4):
    """A head, feature maps at stride 16, colours, and who has any."""
    head = ColorizationHead(8, hidden_channels=16)
    visible = torch.arange(n) % 2 == 0
    return head, torch.randn(n, 8, 2, 1), colours(n), visible


def loss_of(head, features, ab, visible):
    targets = dict(ab=ab, modality=(~visible).long())
    return head.loss(dict(map=features), targets)


def test_logits_are_at_stride_4():
    head, features, _, _ = parts()
    assert head(features).shape == (4, 261, 8, 4)
    assert ColorizationHead(8, upsample=1)(features).shape == (4, 261, 2, 1)


def test_uniform_logits_give_ln_q_times_the_mean_weight():
    head, features, ab, visible = parts()
    torch.nn.init.zeros_(head.classifier.weight)
    loss = loss_of(head, features, ab, visible)['loss']
    balance = rebalancing_weights(head.prior)
    total = 0.0
    for image, coloured in zip(ab, visible.tolist(), strict=True):
        small = torch.nn.functional.avg_pool2d(image[None], 4)[0]
        small = small.flatten(1).t() if coloured else torch.zeros(32, 2)
        index, _ = soft_encode(small, head.bins)
        total += balance[index[:, 0]].sum().item()
    assert loss.item() == pytest.approx(
        math.log(261) * total / (4 * 32), rel=1e-4
    )


def test_loss_starts_near_chance():
    head = ColorizationHead(8, hidden_channels=16, uniform_share=1.0)
    _, features, ab, visible = parts()
    # All weights are 1: ln Q.
    loss = loss_of(head, features, ab, visible)['loss']
    assert loss.item() == pytest.approx(math.log(261), abs=0.05)


def test_loss_equals_a_naive_loop():
    head, features, ab, _ = parts(2)
    visible = torch.ones(2, dtype=torch.bool)
    out = loss_of(head, features, ab, visible)
    probability = head(features).softmax(1)
    balance = rebalancing_weights(head.prior)
    total, right = 0.0, 0
    for image in range(2):
        for row in range(8):
            for column in range(4):
                patch = ab[
                    image,
                    :,
                    4 * row : 4 * row + 4,
                    4 * column : 4 * column + 4,
                ]
                index, weight = soft_encode(
                    patch.mean((1, 2))[None], head.bins
                )
                p = probability[image, :, row, column]
                total -= (
                    balance[index[0, 0]]
                    * (weight[0] * p[index[0]].log()).sum()
                )
                right += int(p.argmax() == index[0, 0])
    assert out['loss'].item() == pytest.approx(total.item() / 64, rel=1e-4)
    assert out['top1'].item() == pytest.approx(right / 64)


def test_prior_is_the_average_of_visible_images():
    head, features, _, visible = parts()
    batches = [colours() for _ in range(3)]
    for ab in batches:
        loss_of(head, features, ab, visible)
    # In one go: batches of the same size count alike.
    other = ColorizationHead(8, hidden_channels=16)
    joined = torch.cat([ab[visible] for ab in batches])
    loss_of(
        other,
        features.repeat(2, 1, 1, 1)[:6],
        joined,
        torch.ones(6, dtype=torch.bool),
    )
    assert head.prior.sum().item() == pytest.approx(1, abs=1e-4)
    assert torch.allclose(head.prior, other.prior, atol=1e-5)
    assert head.prior_batches == 3


def test_infrared_images_are_grey_whatever_their_colour():
    head, features, ab, visible = parts()
    grey = ab.clone()
    grey[~visible] = 50.0
    first, second = (
        loss_of(copy.deepcopy(head), features, x, visible) for x in (ab, grey)
    )
    assert torch.equal(first['loss'], second['loss'])


def test_batches_without_colours():
    head, features, ab, visible = parts()
    loss_of(head, features, ab, visible)
    prior = head.prior.clone()
    out = loss_of(head, features, ab, torch.zeros(4, dtype=torch.bool))
    assert torch.equal(head.prior, prior) and head.prior_batches == 1
    assert torch.isfinite(out['loss'])
    assert out['top1'] == 0


def test_prior_is_saved_and_rests_in_evaluation():
    head, features, ab, visible = parts()
    assert {'prior', 'prior_batches'} <= set(head.state_dict())
    assert 'bins' not in head.state_dict()
    loss_of(head.eval(), features, ab, visible)
    assert head.prior_batches == 0


def test_wrong_share_is_refused():
    with pytest.raises(ValueError, match='uniform_share'):
        ColorizationHead(8, uniform_share=0.0)
