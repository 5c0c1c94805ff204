import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mmgl.models.functional.distillation import BRANCHES, NETWORKS
from mmgl.models.functional.transport import (
    released_transport_cost,
    transport_cost,
)
from mmgl.models.heads import VariationalDistillationHead

OBS, REP, CLASSES = 8, 6, 5
LENGTHS = (
    {f'obs_{b}': OBS for b in BRANCHES}
    | {f'rep_{b}': REP for b in BRANCHES}
    | {'concat': 4 * OBS}
)
WEIGHTS = dict(infrared=0.5, visible=0.5, shared_gray=0.25, shared=0.25)


def build(**kwargs):
    """A head whose predictions are far from uniform, without dropout."""
    head = VariationalDistillationHead(LENGTHS, CLASSES, **kwargs)
    for module in head.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.6)
        elif isinstance(module, nn.Dropout):
            module.p = 0.0
    return head


def batch(n=12):
    features = {
        name: torch.randn(n, size, requires_grad=True)
        for name, size in LENGTHS.items()
    }
    return features, dict(
        pid=torch.arange(n) % CLASSES, modality=torch.arange(n) // 3 % 2
    )


def size(module):
    return sum(p.numel() for p in module.parameters())


def kl(p, q):
    return F.kl_div(q.log_softmax(1), p.softmax(1), reduction='batchmean')


def released_kl(teacher, student):
    """The malformed call of the public code."""
    return F.kl_div(
        teacher.detach().softmax(1), student.softmax(1), reduction='mean'
    )


def test_published_sizes_and_initial_values():
    lengths = {f'obs_{b}': 2048 for b in BRANCHES} | {
        f'rep_{b}': 512 for b in BRANCHES
    }
    head = VariationalDistillationHead(lengths, 395)
    for name in NETWORKS:
        assert size(head.representation[name]) == 233_355
        assert size(head.observation[name]) == 2048 * 395 + 395
    for layer in (
        head.observation['visible'],
        head.representation['shared'][0],
        head.representation['shared'][4],
    ):
        assert layer.weight.std().item() == pytest.approx(0.001, rel=0.05)
        assert not layer.bias.any()
    norm, relu, dropout = head.representation['shared'][1:4]
    assert torch.equal(norm.weight, torch.ones(256))
    assert relu.negative_slope == 0.1 and dropout.p == 0.5
    assert head.num_classes == 395


def test_branches_of_the_shared_network_share_classifiers():
    head, (features, _) = build(), batch()
    head.eval()
    logits = head(features)
    assert len(logits) == 8
    for branch, network in BRANCHES.items():
        torch.testing.assert_close(
            logits[f'obs_{branch}'],
            head.observation[network](features[f'obs_{branch}']),
        )
        torch.testing.assert_close(
            logits[f'rep_{branch}'],
            head.representation[network](features[f'rep_{branch}']),
        )


def test_terms_equal_their_definitions():
    head, (features, targets) = build(), batch()
    got = head.loss(features, targets)
    logits = head(features)
    ce = sum(
        WEIGHTS[b]
        * F.cross_entropy(
            logits[f'{kind}_{b}'], targets['pid'], label_smoothing=0.1
        )
        for b in BRANCHES
        for kind in ('obs', 'rep')
    )
    vsd = sum(
        kl(logits[f'obs_{b}'], logits[f'rep_{b}'])
        for b in ('infrared', 'visible')
    )
    vcd = (
        kl(logits['obs_shared'], logits['rep_shared_gray'])
        + kl(logits['obs_shared_gray'], logits['rep_shared'])
    ) / 2
    mean = (
        logits['rep_shared'].softmax(1) + logits['rep_shared_gray'].softmax(1)
    ) / 2
    vml = (
        sum(
            F.kl_div(
                mean.log(), logits[name].softmax(1), reduction='batchmean'
            )
            for name in ('rep_shared', 'rep_shared_gray')
        )
        / 2
    )
    cml, _ = transport_cost(
        logits['obs_infrared'].softmax(1), logits['obs_visible'].softmax(1)
    )
    for name, want in dict(
        ce=ce, vsd=vsd, vcd=vcd, vml=vml, cml=8 * cml
    ).items():
        assert want > 1e-2
        torch.testing.assert_close(got[f'loss_{name}'], want)
    hits = [
        (logits[f'obs_{b}'].argmax(1) == targets['pid']).float().mean()
        for b in BRANCHES
    ]
    assert got['accuracy'].item() == pytest.approx(100 * sum(hits).item() / 4)
    assert got['cml_marginal_error'] <= 0.01
    assert got['loss_vml'] <= math.log(2)


@pytest.mark.filterwarnings('ignore:reduction')
def test_released_mode():
    head, (features, targets) = (
        build(kl_mode='released', cml='released'),
        batch(),
    )
    head.ramp.fill_(0.0)  # is for the paper's terms
    got = head.loss(features, targets)
    logits = head(features)
    vsd = sum(
        released_kl(logits[f'obs_{b}'], logits[f'rep_{b}'])
        for b in ('infrared', 'visible')
    )
    vcd = (
        released_kl(logits['obs_shared'], logits['rep_shared_gray'])
        + released_kl(logits['obs_shared_gray'], logits['rep_shared'])
    ) / 2
    cml, _ = released_transport_cost(
        logits['obs_infrared'].softmax(1), logits['obs_visible'].softmax(1)
    )
    torch.testing.assert_close(got['loss_vsd'], 2 * vsd)
    torch.testing.assert_close(got['loss_vcd'], 2 * vcd)
    torch.testing.assert_close(got['loss_cml'], 8 * cml)
    assert 'loss_vml' not in got
    assert got['loss_vsd'] < 0


def gradient(term, **kwargs):
    """Names of the features a term moves."""
    head, (features, targets) = build(**kwargs), batch()
    head.loss(features, targets)[f'loss_{term}'].backward()
    return {
        name
        for name, value in features.items()
        if value.grad is not None and value.grad.abs().max() > 1e-6
    }


@pytest.mark.parametrize(
    'term, names',
    [
        ('ce', set(LENGTHS) - {'concat'}),
        ('vsd', {'rep_infrared', 'rep_visible'}),
        ('vcd', {'rep_shared', 'rep_shared_gray'}),
        ('vml', {'rep_shared', 'rep_shared_gray'}),
        ('cml', {'obs_infrared', 'obs_visible'}),
    ],
)
def test_what_a_term_moves(term, names):
    assert gradient(term) == names


@pytest.mark.parametrize(
    'term, kwargs',
    [
        ('vsd', dict(kl_mode='released')),
        ('vcd', dict(kl_mode='released')),
        ('cml', dict(cml='released')),
        ('cml', dict(cml='kl')),
    ],
)
def test_other_modes_move_the_same(term, kwargs):
    assert gradient(term, **kwargs) == gradient(term)


def test_kl_between_the_two_predictions_of_an_image():
    head, (features, targets) = build(cml='kl'), batch()
    got = head.loss(features, targets)
    logits = head(features)
    a, b = logits['obs_infrared'], logits['obs_visible']
    torch.testing.assert_close(got['loss_cml'], (kl(a, b) + kl(b, a)) / 2)
    assert 'cml_marginal_error' not in got


def test_nothing_to_distil_when_predictions_agree():
    """All branches alike: only the cross-entropy is left."""
    head, (features, targets) = build(), batch()
    with torch.no_grad():
        for name in NETWORKS:
            head.observation[name].load_state_dict(
                head.observation['shared'].state_dict()
            )
            # So that the representation classifier gives the same logits.
            head.representation[name] = head.observation[name]
    shared = 3 * features['obs_shared']
    features = dict.fromkeys(features, shared)
    got = head.loss(features, targets)
    for term in ('vsd', 'vcd', 'vml'):
        assert got[f'loss_{term}'].item() == pytest.approx(0, abs=1e-6)


def test_order_plays_no_role():
    for cml in ('sinkhorn', 'kl'):
        head, (features, targets) = build(cml=cml), batch(20)
        want = head.loss(features, targets)
        order = torch.randperm(20)
        got = head.loss(
            {k: v[order] for k, v in features.items()},
            {k: v[order] for k, v in targets.items()},
        )
        for name, value in want.items():
            if 'loss' in name:
                torch.testing.assert_close(
                    got[name], value, rtol=2e-3, atol=1e-5
                )


def test_ramp_and_weights():
    head, (features, targets) = (
        build(loss_weights=dict(vsd=3.0, ce=0.0, cml=4.0)),
        batch(),
    )
    full = head.loss(features, targets)
    assert 'loss_ce' not in full
    head.ramp.fill_(0.25)
    part = head.loss(features, targets)
    for term, factor in dict(vsd=0.25, vcd=0.25, vml=0.25, cml=1.0).items():
        assert part[f'loss_{term}'].item() == pytest.approx(
            factor * full[f'loss_{term}'].item(), rel=1e-5
        )
    plain, _ = transport_cost(
        *(
            head(features)[f'obs_{b}'].softmax(1)
            for b in ('infrared', 'visible')
        )
    )
    torch.testing.assert_close(full['loss_cml'], 4 * plain)
    assert 'ramp' not in head.state_dict()


def test_finite_and_fp32_under_autocast():
    head, (features, targets) = build(), batch()
    with torch.autocast('cpu', dtype=torch.bfloat16):
        losses = head.loss(
            {k: (100 * v).bfloat16() for k, v in features.items()}, targets
        )
    sum(v for k, v in losses.items() if 'loss' in k).backward()
    for name, value in losses.items():
        assert value.dtype == torch.float32 and torch.isfinite(value), name
    assert all(
        torch.isfinite(v.grad).all()
        for v in features.values()
        if v.grad is not None
    )


@pytest.mark.parametrize(
    'kwargs, match',
    [
        (dict(kl_mode='fixed'), 'kl_mode'),
        (dict(cml='emd'), 'cml'),
        (dict(loss_weights=dict(vdc=1.0)), r"\['vdc'\]"),
    ],
)
def test_mistakes(kwargs, match):
    with pytest.raises(ValueError, match=match):
        VariationalDistillationHead(LENGTHS, CLASSES, **kwargs)


def test_mistakes_in_what_it_is_put_on():
    with pytest.raises(ValueError, match='num_classes'):
        VariationalDistillationHead(LENGTHS, 0)
    with pytest.raises(ValueError, match="rep_shared'.*MutualBottleneckNeck"):
        VariationalDistillationHead(
            {k: v for k, v in LENGTHS.items() if k != 'rep_shared'}, CLASSES
        )
