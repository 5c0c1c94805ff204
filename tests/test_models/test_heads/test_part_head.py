import math

import pytest
import torch

from mmgl.models.heads import PartHead


def batch(size=8, channels=16, rows=12):
    return (
        torch.randn(size, channels, rows, 4),
        dict(
            modality=torch.tensor([0, 1] * (size // 2)),
            permutation=torch.stack([torch.randperm(6) for _ in range(size)]),
        ),
    )


def test_stripes_are_row_means_and_one_projection_serves_all():
    head = PartHead(1, 6, 1, norm='none')
    rows = torch.arange(12.0).view(1, 1, 12, 1).expand(2, 1, 12, 5)
    head.projection.weight.data.fill_(1)
    parts = head(rows, torch.tensor([0, 1]))
    expected = torch.tensor([0.5, 2.5, 4.5, 6.5, 8.5, 10.5])
    assert torch.allclose(parts.squeeze(-1), expected.expand(2, 6))


def test_position_loss_starts_near_chance():
    torch.manual_seed(0)
    feature_map, targets = batch(32)
    losses = PartHead(16, 6, 64).loss(dict(map=feature_map), targets)
    assert losses['loss_position'].item() == pytest.approx(
        math.log(6), abs=0.05
    )


@pytest.mark.parametrize('norm', ['modality_bn', 'bn', 'ln', 'none'])
def test_every_norm_gives_all_terms_and_gradients(norm):
    feature_map, targets = batch()
    feature_map.requires_grad_()
    head = PartHead(
        16, 6, 8, norm=norm, contrast=dict(type='PartCycleContrastiveLoss')
    )
    losses = head.loss(dict(map=feature_map), targets)
    assert set(losses) == {'loss_position', 'loss_pcc', 'top1', 'consistency'}
    (losses['loss_position'] + losses['loss_pcc']).backward()
    assert feature_map.grad.abs().max() > 0
    assert all(p.grad is not None for p in head.parameters())


def test_bn_equals_torch_over_all_parts():
    feature_map, targets = batch()
    head = PartHead(16, 6, 8, norm='bn')
    stripes = feature_map.view(8, 16, 6, 2, 4).mean(dim=(3, 4))
    flat = head.projection(stripes.transpose(1, 2)).flatten(0, 1)
    expected = torch.nn.functional.batch_norm(
        flat, None, None, training=True
    ).view(8, 6, 8)
    assert torch.allclose(
        head(feature_map, targets['modality']), expected, atol=1e-5
    )


def test_rows_that_do_not_divide_and_bad_arguments():
    with pytest.raises(ValueError, match='num_stripes=5'):
        PartHead(16, 5)(batch()[0], batch()[1]['modality'])
    with pytest.raises(ValueError, match='norm'):
        PartHead(16, 6, norm='batch')
    with pytest.raises(ValueError, match='no loss'):
        PartHead(16, 6, position=False)


@pytest.mark.parametrize(
    'norm, split',
    [('modality_bn', False), ('bn', True), ('ln', True), ('none', True)],
)
def test_only_modality_bn_does_not_feel_an_offset(norm, split):
    """PCC asks the backbone to close a gap unless the norm hides it."""
    torch.manual_seed(0)
    modality = torch.tensor([0, 1] * 32)
    head = PartHead(
        256,
        6,
        norm=norm,
        contrast=dict(type='PartCycleContrastiveLoss', loss_weight=1.0),
    )
    offset = torch.randn(256).view(1, -1, 1, 1)
    sign = (2 * modality - 1).view(-1, 1, 1, 1)
    feature_map = torch.randn(64, 256, 6, 3)
    targets = dict(
        modality=modality,
        permutation=torch.stack([torch.randperm(6) for _ in range(64)]),
    )
    size = torch.tensor(1.0, requires_grad=True)
    losses = head.loss(dict(map=feature_map + size * sign * offset), targets)
    (slope,) = torch.autograd.grad(losses['loss_pcc'], size)
    # log(2BN - 1) = 6.64 is the loss of fully collapsed features.
    assert (losses['loss_pcc'] > 15) == split
    assert (slope > 0.1) == split
    if not split:
        assert losses['loss_pcc'] < 3
        assert slope.abs() < 1e-4
