import pytest
import torch
from torch.nn import functional as F

from mmgl.models.heads import GraphAttentionHead


@pytest.fixture
def head():
    return GraphAttentionHead(8, 3, num_heads=2, dropout=0).double()


@pytest.fixture
def batch():
    features = dict(
        pool=torch.randn(9, 8, dtype=torch.float64, requires_grad=True)
    )
    pids = torch.tensor([0, 1, 2, 0, 1, 2, 0, 0, 2])
    return features, dict(pid=pids)


def naive_layer(layer, x, pids):
    """Every node in turn, every pair by its concatenation."""
    rows = []
    for i in range(len(x)):
        row = []
        for weight, vectors in zip(layer.weight, layer.vectors, strict=True):
            friends = [j for j in range(len(x)) if pids[j] == pids[i]]
            scores = torch.stack(
                [
                    F.leaky_relu(
                        torch.cat([x[i] @ weight, x[j] @ weight])
                        @ vectors.flatten(),
                        0.2,
                    )
                    for j in friends
                ]
            )
            shares = scores.exp() / scores.exp().sum()
            mean = sum(
                a * (x[j] @ weight)
                for a, j in zip(shares, friends, strict=True)
            )
            row.append(F.elu(mean))
        rows.append(torch.cat(row))
    return torch.stack(rows)


def test_against_loops_with_gradients(head, batch):
    features, targets = batch
    pids = targets['pid']
    logits = naive_layer(
        head.output, naive_layer(head.hidden, features['pool'], pids), pids
    )
    want = -sum(
        logits[i, p] - logits[i].exp().sum().log() for i, p in enumerate(pids)
    ) / len(pids)
    got = head.loss(features, targets)
    torch.testing.assert_close(got['loss'], want)
    inputs = [features['pool'], *head.parameters()]
    for a, b in zip(
        torch.autograd.grad(got['loss'], inputs),
        torch.autograd.grad(want, inputs),
        strict=True,
    ):
        assert b.norm() > 0
        torch.testing.assert_close(a, b)
    hits = (logits.argmax(1) == pids).sum().item()
    assert got['accuracy'].item() == pytest.approx(100 * hits / 9)
    assert set(got) == {'loss', 'nll', 'weight', 'accuracy'}


def test_other_identities_play_no_role(head, batch):
    features, targets = batch
    x, pids = features['pool'].detach(), targets['pid']
    want = head(x, pids)
    moved = x.clone()
    moved[pids == 1] += 5
    got = head(moved, pids)
    torch.testing.assert_close(got[pids != 1], want[pids != 1])
    assert not torch.allclose(got[pids == 1], want[pids == 1])
    # Images of an identity do play one.
    moved = x.clone()
    moved[0] += 5
    assert not torch.allclose(head(moved, pids)[3], want[3])


def test_order_of_the_batch_plays_no_role(head, batch):
    features, targets = batch
    order = torch.randperm(9)
    got = head.loss(
        dict(pool=features['pool'][order]), dict(pid=targets['pid'][order])
    )
    torch.testing.assert_close(
        got['loss'], head.loss(features, targets)['loss']
    )


def test_weights_scale_the_loss_but_not_the_likelihood(batch):
    head = GraphAttentionHead(8, 3, dropout=0, loss_weight=0.5).double()
    full = head.loss(*batch)
    assert full['loss'].item() == pytest.approx(0.5 * full['nll'].item())
    head.ramp.fill_(0.25)
    less = head.loss(*batch)
    torch.testing.assert_close(less['loss'], full['loss'] / 4)
    assert less['nll'] == full['nll'] and less['weight'] == 0.125
    assert not less['nll'].requires_grad
    head.ramp.zero_()
    head.loss(*batch)['loss'].backward()
    assert all((p.grad == 0).all() for p in head.parameters())


def test_dropout_in_training_only(batch):
    head = GraphAttentionHead(8, 3, dropout=0.5).double()
    x, pids = batch[0]['pool'], batch[1]['pid']
    assert not torch.equal(head(x, pids), head(x, pids))
    head.eval()
    assert torch.equal(head(x, pids), head(x, pids))


def test_fp32_under_autocast():
    head = GraphAttentionHead(8, 3, dropout=0)
    x, pids = torch.randn(6, 8), torch.arange(6) % 3
    want = head.loss(dict(pool=x), dict(pid=pids))['loss']
    with torch.autocast('cpu', dtype=torch.bfloat16):
        got = head.loss(dict(pool=x), dict(pid=pids))['loss']
    assert got.dtype == torch.float32 and torch.equal(got, want)


def test_sizes_and_initialisation_of_ddag():
    head = GraphAttentionHead(2048, 395)
    assert head.hidden.weight.shape == (4, 2048, 512)
    assert head.output.weight.shape == (1, 2048, 395)
    # 4 heads of a 2048 x 512 matrix and a vector of 1024, and one of
    # 2048 x 395 and 790.
    assert sum(p.numel() for p in head.parameters()) == 5_008_150
    for tensor, bound in (
        (head.hidden.weight, 1.414 * (6 / 2560) ** 0.5),
        (head.output.weight, 1.414 * (6 / 2443) ** 0.5),
        (head.hidden.vectors, 1.414 * (6 / 1025) ** 0.5),
    ):
        assert 0.99 * bound < tensor.abs().max() <= bound
    assert head.ramp == 1 and 'ramp' in head.state_dict()


@pytest.mark.parametrize(
    'bad',
    [
        dict(num_classes=0),
        dict(num_heads=0),
        dict(dropout=1.0),
        dict(hidden_channels=0),
        dict(num_heads=9),
    ],
)
def test_bad_settings(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        GraphAttentionHead(**{**dict(in_channels=8, num_classes=3), **bad})
