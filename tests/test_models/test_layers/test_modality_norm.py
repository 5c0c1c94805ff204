import pytest
import torch
from forked_ranks import run_ranks

from mmgl.models.layers.modality_norm import ModalityBatchNorm


def test_equals_one_batch_norm_a_modality():
    modality = torch.tensor([0, 1, 1, 0, 1])
    x = torch.randn(5, 3, 8) + 4 * modality.view(-1, 1, 1)
    layer = ModalityBatchNorm(8)
    references = [torch.nn.BatchNorm1d(8) for _ in range(2)]
    out = layer(x, modality)
    for side, reference in enumerate(references):
        expected = reference(x[modality == side].flatten(0, 1))
        assert torch.allclose(
            out[modality == side].flatten(0, 1), expected, atol=1e-5
        )
        assert torch.allclose(
            layer.running_mean[side], reference.running_mean, atol=1e-6
        )
        assert torch.allclose(
            layer.running_var[side], reference.running_var, atol=1e-5
        )
    layer.eval()
    out = layer(x, modality)
    for side, reference in enumerate(references):
        reference.eval()
        assert torch.allclose(
            out[modality == side].flatten(0, 1),
            reference(x[modality == side].flatten(0, 1)),
            atol=1e-5,
        )


def test_gradient_equals_batch_norm():
    modality = torch.tensor([0, 1, 0, 1])
    x = torch.randn(4, 3, 6, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(4, 3, 6, dtype=torch.float64)
    layer = ModalityBatchNorm(6).double()
    (grad,) = torch.autograd.grad((layer(x, modality) * weight).sum(), x)
    for side in (0, 1):
        part = x[modality == side].flatten(0, 1)
        out = torch.nn.functional.batch_norm(part, None, None, training=True)
        (expected,) = torch.autograd.grad(
            (out * weight[modality == side].flatten(0, 1)).sum(), part
        )
        assert torch.allclose(
            grad[modality == side].flatten(0, 1), expected, atol=1e-9
        )


def test_missing_modality_leaves_its_statistics():
    layer = ModalityBatchNorm(4)
    out = layer(torch.randn(3, 2, 4), torch.zeros(3, dtype=torch.long))
    assert torch.isfinite(out).all()
    assert torch.equal(layer.running_mean[1], torch.zeros(4))
    assert torch.equal(layer.running_var[1], torch.ones(4))


def test_a_modality_offset_cannot_split_the_output():
    modality = torch.tensor([0, 1] * 8)
    x = torch.randn(16, 6, 8) + 50 * modality.view(-1, 1, 1)
    out = ModalityBatchNorm(8)(x, modality)
    means = [out[modality == side].mean(dim=(0, 1)) for side in (0, 1)]
    assert torch.allclose(means[0], means[1], atol=1e-4)


def test_shared_statistics_are_plain_batch_norm():
    x, modality = torch.randn(6, 3, 8) + 2, torch.tensor([0, 1, 1, 0, 1, 1])
    layer, reference = ModalityBatchNorm(8, False), torch.nn.BatchNorm1d(8)
    out = layer(x, modality).flatten(0, 1)
    assert torch.allclose(out, reference(x.flatten(0, 1)), atol=1e-5)
    layer.eval(), reference.eval()
    out = layer(x, modality).flatten(0, 1)
    assert torch.allclose(out, reference(x.flatten(0, 1)), atol=1e-5)


def normed_share(rank, per_modality, world=2):
    """A rank's share of four images and what follows from it."""
    torch.manual_seed(0)
    layer = ModalityBatchNorm(4, per_modality).double()
    torch.nn.init.normal_(layer.weight)
    x = torch.randn(4, 3, 4, dtype=torch.float64) + 2
    weight = torch.randn_like(x)
    # The first of two ranks has no infrared image.
    modality = torch.tensor([0, 0, 0, 1])
    share = slice(rank * 4 // world, (rank + 1) * 4 // world)
    x = x[share].requires_grad_()
    out = layer(x, modality[share])
    (out * weight[share]).sum().backward()
    running = layer.running_mean, layer.running_var
    return [one.tolist() for one in (out.detach(), x.grad, *running)]


@pytest.mark.parametrize('per_modality', [True, False])
def test_ranks_share_their_statistics(per_modality, tmp_path):
    shares = run_ranks(tmp_path, normed_share, per_modality)
    expected = normed_share(0, per_modality, world=1)
    for number, whole in enumerate(expected):
        found = [share[number] for share in shares]
        # Outputs and gradients are of a rank, running statistics of all.
        joined = found[0] + found[1] if number < 2 else found[0]
        torch.testing.assert_close(joined, whole)
        assert number < 2 or found[0] == found[1]


def test_a_single_vector_is_its_own_mean():
    layer = ModalityBatchNorm(4)
    torch.nn.init.normal_(layer.bias)
    out = layer(torch.randn(2, 1, 4), torch.tensor([0, 1]))
    torch.testing.assert_close(out, layer.bias.expand(2, 1, 4))
    assert layer.running_var.equal(torch.full((2, 4), 0.9))
