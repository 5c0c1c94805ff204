import pytest
import torch

from mmgl.models.losses import CenterClusterLoss, PatternSeparationLoss


def naive_center_cluster(x, pids, margin):
    ids = sorted(set(pids.tolist()))
    centers = {i: x[pids == i].mean(0) for i in ids}
    pull = sum(
        (x[b] - centers[int(pids[b])]).norm() for b in range(len(x))
    ) / len(x)
    push = 0
    for i in ids:
        others = [
            torch.relu(margin - (centers[i] - centers[n]).norm())
            for n in ids
            if n != i
        ]
        push += sum(others) / len(others) / len(ids)
    return pull, push


@pytest.mark.parametrize('margin', [0.7, 4.0])
def test_center_cluster_equals_a_loop(margin):
    # Groups of different sizes, in mixed order.
    pids = torch.tensor([7, 3, 3, 9, 7, 3, 9, 9, 9, 7])
    x = torch.randn(10, 6, dtype=torch.float64, requires_grad=True)
    y = x.detach().clone().requires_grad_()
    loss = CenterClusterLoss(margin)(x, pids)
    pull, push = naive_center_cluster(y, pids, margin)
    assert (push > 0) == (margin == 4)
    torch.testing.assert_close(loss, pull + push)
    loss.backward()
    (pull + push).backward()
    torch.testing.assert_close(x.grad, y.grad)


def test_center_cluster_ignores_order():
    pids = torch.arange(12) % 3
    x, order = torch.randn(12, 6), torch.randperm(12)
    loss = CenterClusterLoss(3.0)
    torch.testing.assert_close(loss(x[order], pids[order]), loss(x, pids))


@pytest.mark.parametrize('scale', [1.0, 1e4])
def test_samples_on_their_center_pull_nothing(scale):
    # Equal samples, and an identity with one sample only.
    pids = torch.tensor([0, 0, 1, 1, 2])
    rows = torch.randn(3, 8).round(decimals=2)[pids] * scale
    x = rows.clone().requires_grad_()
    loss = CenterClusterLoss(0.0)(x, pids)
    loss.backward()
    assert loss.item() < 1e-5 * scale
    assert x.grad.isfinite().all()


def test_one_identity_has_nothing_to_push():
    x = torch.randn(4, 3, requires_grad=True)
    loss = CenterClusterLoss(100.0)(x, torch.zeros(4).long())
    torch.testing.assert_close(loss, (x - x.mean(0)).norm(dim=1).mean())


def test_equal_centers_have_a_finite_gradient():
    x = torch.tensor([[1.0, 0], [-1, 0], [0, 1], [0, -1]], requires_grad=True)
    loss = CenterClusterLoss(0.7)(x, torch.tensor([0, 0, 1, 1]))
    loss.backward()
    assert loss.item() == pytest.approx(1 + 0.7, abs=1e-5)
    assert x.grad.isfinite().all()


def test_center_cluster_in_half_precision():
    # Squares of these overflow fp16.
    x = (torch.randn(8, 32) * 300).half().requires_grad_()
    loss = CenterClusterLoss()(x, torch.arange(8) % 2)
    loss.backward()
    assert loss.dtype == torch.float32 and loss.isfinite()
    assert x.grad.isfinite().all()


@pytest.mark.parametrize('normalize', [False, True])
def test_pattern_separation_equals_a_loop(normalize):
    masks = torch.rand(3, 4, 5, 2, dtype=torch.float64, requires_grad=True)
    copy = masks.detach().clone().requires_grad_()
    loss = PatternSeparationLoss(normalize)(masks, None)
    want = sum(
        (copy[b, k] * copy[b, j]).sum()
        for b in range(3)
        for k in range(4)
        for j in range(k)
    )
    want = want / (3 * 6) / (10 if normalize else 1)
    torch.testing.assert_close(loss, want)
    loss.backward()
    want.backward()
    torch.testing.assert_close(masks.grad, copy.grad)


@pytest.mark.parametrize('size', [(24, 8), (16, 8), (6, 3)])
def test_separation_of_undecided_masks(size):
    # A mask convolution of weight 0.
    masks = torch.zeros(2, 6, *size).sigmoid()
    loss = PatternSeparationLoss()(masks, None)
    assert loss.item() == 0.25 * size[0] * size[1]
    disjoint = torch.eye(6).reshape(1, 6, 3, 2)
    assert PatternSeparationLoss()(disjoint, None) == 0


def test_mistakes():
    with pytest.raises(ValueError, match='margin'):
        CenterClusterLoss(-1)
    for shape in ((4, 8), (4, 1, 3, 2)):
        with pytest.raises(ValueError, match="feature='masks'"):
            PatternSeparationLoss()(torch.rand(shape), None)
