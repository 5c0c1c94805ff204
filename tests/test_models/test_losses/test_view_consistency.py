import pytest
import torch

from mmgl.models.heads import ClassifierHead
from mmgl.models.losses import ViewConsistencyLoss


def batch(classes=5):
    """Three images of two views, two of one, rows in any order."""
    view = torch.tensor([0, 1, 0, 1, 0, 0, 1, 0])
    source = torch.tensor([0, 0, 1, 1, 2, 3, 3, 4])
    order = torch.randperm(len(view))
    logits = torch.randn(len(view), classes, requires_grad=True)
    return logits, dict(view=view[order], source=source[order])


def loop(logits, targets):
    view, source = targets['view'].tolist(), targets['source'].tolist()
    terms = []
    for i, row in enumerate(logits):
        for j, other in enumerate(logits):
            if view[i] == 0 and view[j] == 1 and source[i] == source[j]:
                q = other.detach().softmax(0)
                terms.append(
                    -sum(q[c] * row.log_softmax(0)[c] for c in range(len(row)))
                )
    assert len(terms) == 3
    return sum(terms) / len(terms)


def test_equals_loop_with_gradient():
    logits, targets = batch()
    got = ViewConsistencyLoss(loss_weight=0.5)(logits, targets)
    want = 0.5 * loop(logits, targets)
    torch.testing.assert_close(got, want)
    gradient = torch.autograd.grad(got, logits)[0]
    torch.testing.assert_close(gradient, torch.autograd.grad(want, logits)[0])
    # Nobody but the students learns: not the teacher, not single views.
    learns = gradient.abs().sum(1) > 0
    paired = torch.tensor([s in (0, 1, 3) for s in targets['source']])
    assert torch.equal(learns, (targets['view'] == 0) & paired)


def test_reverse_direction_and_order():
    logits, targets = batch()
    swapped = dict(targets, view=1 - targets['view'])
    torch.testing.assert_close(
        ViewConsistencyLoss(student=1, teacher=0)(logits, targets),
        ViewConsistencyLoss()(logits, swapped),
    )
    order = torch.randperm(len(logits))
    shuffled = {name: t[order] for name, t in targets.items()}
    torch.testing.assert_close(
        ViewConsistencyLoss()(logits[order], shuffled),
        ViewConsistencyLoss()(logits, targets),
    )


def test_least_where_both_views_agree():
    # The cross-entropy of a distribution with itself is its entropy.
    row = torch.randn(5)
    targets = dict(view=torch.tensor([0, 1]), source=torch.tensor([0, 0]))
    got = ViewConsistencyLoss()(torch.stack([row, row]), targets)
    entropy = torch.distributions.Categorical(logits=row).entropy()
    torch.testing.assert_close(got, entropy)
    other = ViewConsistencyLoss()(torch.stack([-row, row]), targets)
    assert other > entropy


def test_fp32_under_autocast():
    logits, targets = batch()
    with torch.autocast('cpu', dtype=torch.bfloat16):
        got = ViewConsistencyLoss()(logits, targets)
    assert got.dtype == torch.float32
    torch.testing.assert_close(got, ViewConsistencyLoss()(logits, targets))
    half = ViewConsistencyLoss()(logits.half(), targets)
    assert half.dtype == torch.float32


def test_mistakes():
    logits, targets = batch()
    with pytest.raises(ValueError, match='Views'):
        ViewConsistencyLoss()(logits, {})
    with pytest.raises(ValueError, match=r'views 0 and 2.*makes 2 view'):
        ViewConsistencyLoss(teacher=2)(logits, targets)
    with pytest.raises(ValueError, match='two different'):
        ViewConsistencyLoss(1, 1)


# ----------------------------------------------------------- in the classifier
def head_and_data(**kwargs):
    head = ClassifierHead(6, 5, **kwargs)
    _, targets = batch()
    targets.update(pid=targets['source'], modality=targets['source'] % 2)
    return head, {'bn': torch.randn(8, 6)}, targets


def test_classifier_head_adds_it():
    head, features, targets = head_and_data(
        consistency=dict(type='ViewConsistencyLoss', loss_weight=2.0)
    )
    out = head.loss(features, targets)
    assert set(out) == {'loss', 'accuracy', 'loss_consistency'}
    want = ViewConsistencyLoss(loss_weight=2.0)(head(features), targets)
    torch.testing.assert_close(out['loss_consistency'], want)


@pytest.mark.parametrize(
    'consistency', [None, dict(type='ViewConsistencyLoss', loss_weight=0)]
)
def test_classifier_head_skips_it(consistency):
    head, features, targets = head_and_data(consistency=consistency)
    assert head.consistency is None
    assert set(head.loss(features, targets)) == {'loss', 'accuracy'}
