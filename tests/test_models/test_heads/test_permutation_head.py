import pytest
import torch
from torch.nn import functional as F

from mmgl.models.heads import PermutationHead

LOSS = dict(type='PermutationReconstructionLoss', noise_factor=0)


def batch(size):
    return dict(
        modality=torch.arange(size) % 2,
        permutation=torch.stack([torch.randperm(6) for _ in range(size)]),
    )


def test_logits_and_accuracy():
    head = PermutationHead(36, 6, LOSS, norm='none')
    head.fc.weight.data.copy_(torch.eye(36))
    targets = batch(4)
    truth = F.one_hot(targets['permutation'], 6).float()
    assert torch.equal(head(truth.flatten(1), targets['modality']), truth)
    losses = head.loss(dict(pool=40 * truth.flatten(1)), targets)
    assert losses['top1'] == 1
    assert losses['loss'].item() == pytest.approx(0, abs=1e-5)


def test_row_and_column_offsets_do_not_change_the_accuracy():
    head = PermutationHead(36, 6, LOSS, norm='none')
    head.fc.weight.data.copy_(torch.eye(36))
    targets = batch(8)
    logits = 3 * F.one_hot(targets['permutation'], 6).float()
    logits += 20 * torch.rand(8, 1, 6)
    assert head.loss(dict(pool=logits.flatten(1)), targets)['top1'] == 1


@pytest.mark.parametrize('norm', ['bn', 'modality_bn', 'none'])
def test_initial_loss_is_that_of_uniform_matrices(norm):
    torch.manual_seed(0)
    head = PermutationHead(64, 6, LOSS, norm=norm)
    value = head.loss(dict(pool=torch.randn(16, 64)), batch(16))['loss']
    assert value.item() == pytest.approx(35 / 12, rel=0.05)


def test_norm_removes_what_all_images_share():
    head = PermutationHead(16, 6, LOSS)
    feature, targets = torch.randn(8, 16), batch(8)
    one = head(feature, targets['modality'])
    two = head(feature + 100, targets['modality'])
    assert torch.allclose(one, two, atol=1e-3)


def test_bad_arguments():
    with pytest.raises(ValueError, match='num_stripes=6'):
        PermutationHead(8, 6, LOSS).loss(
            dict(pool=torch.randn(2, 8)),
            dict(
                modality=torch.tensor([0, 1]),
                permutation=torch.tensor([[0, 1, 2]] * 2),
            ),
        )
    with pytest.raises(ValueError, match='norm'):
        PermutationHead(8, 6, LOSS, norm='ln')
