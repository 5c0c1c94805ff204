import torch

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
