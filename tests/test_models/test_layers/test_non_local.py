import pytest
import torch

from mmgl.models.layers import NonLocalBlock


@pytest.mark.parametrize('training', [True, False])
def test_identity_at_start(training):
    block = NonLocalBlock(8, 4).train(training)
    x = torch.randn(2, 8, 6, 3)
    assert torch.equal(block(x), x)


@pytest.mark.parametrize('inter', [1, 4])
def test_equals_the_explicit_attention_matrix(inter):
    block = NonLocalBlock(8, inter).eval()
    torch.nn.init.normal_(block.bn.weight)
    torch.nn.init.normal_(block.bn.bias)
    x = torch.randn(2, 8, 6, 3)
    theta = block.theta(x).flatten(2)
    phi = block.phi(x).flatten(2)
    g = block.g(x).flatten(2)
    attention = torch.einsum('bmi,bmj->bij', theta, phi) / 18
    assert attention.shape == (2, 18, 18)
    y = torch.einsum('bij,bmj->bmi', attention, g).view(2, inter, 6, 3)
    want = x + block.bn(block.out(y))
    torch.testing.assert_close(block(x), want, rtol=1e-5, atol=1e-5)


def test_no_position_matrix_is_formed():
    block = NonLocalBlock(4, 1).eval()
    x = torch.randn(1, 4, 300, 300)  # 90000^2 floats would be 32 GB
    assert block(x).shape == x.shape


def test_bad_channels():
    with pytest.raises(ValueError, match='inter_channels'):
        NonLocalBlock(8, 0)
