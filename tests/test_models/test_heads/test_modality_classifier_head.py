import pytest
import torch
import torch.nn.functional as F

from mmgl.models.heads import ModalityClassifierHead, modality_classifier_head
from mmgl.registry import MODELS


def make(rate=0.3, **kwargs):
    """A head whose averages differ from its classifiers."""
    head = ModalityClassifierHead(8, 5, **kwargs)
    for layer in (head.visible, head.infrared):
        layer.weight.data.normal_()
    head.update_average(rate)
    return head


def batch(modality=(0, 1, 1, 0, 0, 1, 0)):
    modality = torch.tensor(modality)
    features = {'bn': torch.randn(len(modality), 8, requires_grad=True)}
    return features, {
        'pid': torch.randint(5, modality.shape),
        'modality': modality,
    }


def naive(head, features, targets):
    """Identity losses, and both directions of the divergence."""
    own = {0: [], 1: []}
    forward, backward = [], []
    for x, y, m in zip(
        features['bn'],
        targets['pid'],
        targets['modality'].tolist(),
        strict=True,
    ):
        weight = (head.visible, head.infrared)[m].weight
        other = (head.infrared_average, head.visible_average)[m]
        p = (weight @ x).softmax(0)
        q = (other @ x.detach()).softmax(0).detach()
        own[m].append(-p[y].log())
        forward.append((p * (p / q).log()).sum())
        backward.append((q * (q / p).log()).sum())
    means = [sum(v) / len(v) for v in (own[0], own[1], forward, backward)]
    return dict(
        zip(
            ('visible', 'infrared', 'student_first', 'teacher_first'),
            means,
            strict=True,
        )
    )


@pytest.mark.parametrize('direction', ['student_first', 'teacher_first'])
def test_equals_a_loop_with_gradients(direction):
    head = make(kl_direction=direction)
    features, targets = batch()
    copy = {'bn': features['bn'].detach().clone().requires_grad_()}
    out = head.loss(features, targets)
    want = naive(head, copy, targets)
    torch.testing.assert_close(out['loss_visible'], want['visible'])
    torch.testing.assert_close(out['loss_infrared'], want['infrared'])
    torch.testing.assert_close(out['loss_kl'], 2.5 * want[direction])
    total = sum(v for k, v in out.items() if 'loss' in k)
    total.backward()
    got = [features['bn'].grad] + [p.grad.clone() for p in head.parameters()]
    head.zero_grad()
    (want['visible'] + want['infrared'] + 2.5 * want[direction]).backward()
    expected = [copy['bn'].grad] + [p.grad for p in head.parameters()]
    for a, b in zip(got, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_no_gradient_reaches_or_passes_the_averages():
    head = make(kl_direction='teacher_first')
    features, targets = batch()
    assert {n for n, _ in head.named_parameters()} == {
        'visible.weight',
        'infrared.weight',
    }
    assert not head.visible_average.requires_grad
    # A constant student: what is left would be the teacher's path.
    head.visible.weight.data.zero_()
    head.infrared.weight.data.zero_()
    head.loss(features, targets)['loss_kl'].backward()
    assert (features['bn'].grad == 0).all()


@pytest.mark.parametrize('modality, absent', [(0, 'infrared'), (1, 'visible')])
def test_a_batch_of_one_modality(modality, absent):
    head = make()
    features, targets = batch([modality] * 4)
    out = head.loss(features, targets)
    assert out[f'loss_{absent}'] == 0
    assert all(value.isfinite() for value in out.values())
    sum(v for k, v in out.items() if 'loss' in k).backward()
    # In the graph, as DDP demands of every parameter.
    assert (getattr(head, absent).weight.grad == 0).all()


def test_order_plays_no_role():
    head = make()
    features, targets = batch()
    order = torch.randperm(7)
    shuffled = head.loss(
        {'bn': features['bn'][order]},
        {k: v[order] for k, v in targets.items()},
    )
    for key, value in head.loss(features, targets).items():
        torch.testing.assert_close(shuffled[key], value)


def test_averages_start_as_copies_and_move():
    head = ModalityClassifierHead(8, 5)
    old = head.visible.weight.detach().clone()
    assert torch.equal(head.visible_average, old)
    head.visible.weight.data += 1
    assert torch.equal(head.visible_average, old)
    head.update_average(0.25)
    torch.testing.assert_close(head.visible_average, old + 0.25)
    torch.testing.assert_close(
        head.infrared_average, head.infrared.weight.detach()
    )
    assert set(head.state_dict()) == {
        'visible.weight',
        'infrared.weight',
        'visible_average',
        'infrared_average',
    }


def test_equal_classifiers_and_averages_have_no_divergence():
    head = ModalityClassifierHead(8, 5)
    head.infrared.load_state_dict(head.visible.state_dict())
    head.update_average(1.0)
    features, targets = batch()
    assert abs(head.loss(features, targets)['loss_kl'].item()) < 1e-6


def test_accuracy_is_of_the_own_modality():
    head = make()
    features, targets = batch()
    logits = torch.where(
        targets['modality'][:, None] == 0,
        head.visible(features['bn']),
        head.infrared(features['bn']),
    )
    targets['pid'] = logits.argmax(1)
    targets['pid'][0] = (targets['pid'][0] + 1) % 5
    assert head.loss(features, targets)['accuracy'].item() == pytest.approx(
        600 / 7
    )


def test_training_without_the_hook_is_refused(monkeypatch):
    monkeypatch.setattr(modality_classifier_head, 'PATIENCE', 3)
    head = ModalityClassifierHead(8, 5)
    features, targets = batch()
    for _ in range(3):
        head.loss(features, targets)
    with pytest.raises(RuntimeError, match='ClassifierEmaHook'):
        head.loss(features, targets)
    head.update_average(0.1)
    head.loss(features, targets)
    head.eval()
    for _ in range(5):
        F.relu(head.loss(features, targets)['loss_kl'])


def test_mistakes():
    with pytest.raises(ValueError, match='num_classes'):
        ModalityClassifierHead(8, 0)
    with pytest.raises(ValueError, match='kl_direction'):
        MODELS.build(
            dict(
                type='ModalityClassifierHead',
                in_channels=8,
                num_classes=5,
                kl_direction='both',
            )
        )
    with pytest.raises(ValueError, match='from 0 to 1'):
        make(rate=1.5)
