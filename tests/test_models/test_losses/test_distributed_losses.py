"""Two processes must train as one on the same global batch."""

from types import SimpleNamespace

import pytest
import torch
import torch.distributed as dist
from forked_ranks import run_ranks

from mmgl.engine.hooks import ClassifierEmaHook, DynamicLossWeightHook
from mmgl.models.functional.distillation import BRANCHES
from mmgl.models.heads import (
    GraphAttentionHead,
    ModalityClassifierHead,
    VariationalDistillationHead,
)
from mmgl.models.layers import FeatureSearchCell
from mmgl.models.losses import (
    BatchHardTripletLoss,
    CenterClusterLoss,
    CrossModalityContrastiveLoss,
    DiverseEmbeddingLoss,
    EnhancedSquaredDifferenceLoss,
    RankedListLoss,
    WeightedRegularizedTripletLoss,
)

WORLD = 2


def _loss_and_gradient(rank, loss, x, pids, weight):
    weight = weight.clone().requires_grad_()
    part = slice(rank * len(x) // WORLD, (rank + 1) * len(x) // WORLD)
    value = loss(x[part] @ weight, pids[part])
    value.backward()
    mean = torch.stack([value.detach()])
    dist.all_reduce(mean)
    dist.all_reduce(weight.grad)  # what DDP does, with the division below
    return (mean / WORLD).tolist(), (weight.grad / WORLD).tolist()


def with_modality(loss):
    """Each rank has each identity in both modalities."""
    return lambda x, pids: loss(x, pids, torch.arange(len(x)) // 4 % 2)


@pytest.mark.parametrize(
    'loss',
    [
        WeightedRegularizedTripletLoss(),
        WeightedRegularizedTripletLoss(published=True),
        BatchHardTripletLoss(),
        CenterClusterLoss(),
        CenterClusterLoss(margin=3.0),
        EnhancedSquaredDifferenceLoss(),
        EnhancedSquaredDifferenceLoss(gamma=0.1, alpha=2.0, published=True),
        with_modality(CrossModalityContrastiveLoss()),
        with_modality(CrossModalityContrastiveLoss('infonce')),
        with_modality(RankedListLoss()),
        with_modality(
            lambda x, *labels: DiverseEmbeddingLoss()(
                x.unflatten(1, (3, 2)), *labels
            )
        ),
    ],
)
def test_loss_and_gradient_equal_one_process(tmp_path, loss):
    # Identities 0..3 cross the border between the ranks.
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(16, 5, generator=generator)
    weight = torch.randn(5, 6, generator=generator)
    pids = torch.arange(16) % 4
    single = weight.clone().requires_grad_()
    want = loss(x @ single, pids)
    want.backward()
    for value, grad in run_ranks(
        tmp_path, _loss_and_gradient, loss, x, pids, weight
    ):
        assert value[0] == pytest.approx(want.item(), rel=1e-6, abs=1e-6)
        torch.testing.assert_close(
            torch.tensor(grad), single.grad, rtol=1e-5, atol=1e-5
        )
    # Without the exchange the ranks would see other negatives.
    half = loss(x[:8] @ weight, pids[:8]) + loss(x[8:] @ weight, pids[8:])
    assert abs(half.item() / 2 - want.item()) > 1e-3


def _head_gradients(rank, head, x, pids):
    part = slice(rank * len(x) // WORLD, (rank + 1) * len(x) // WORLD)
    value = head.loss(dict(pool=x[part]), dict(pid=pids[part]))['loss']
    value.backward()
    mean = [value.detach(), *(p.grad for p in head.parameters())]
    for tensor in mean:
        dist.all_reduce(tensor)
    return [(tensor / WORLD).tolist() for tensor in mean]


def test_graph_of_all_ranks_equals_one_process(tmp_path):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(16, 6, generator=generator)
    pids = torch.arange(16) % 4
    head = GraphAttentionHead(6, 4, num_heads=2, dropout=0)
    for got in run_ranks(tmp_path, _head_gradients, head, x, pids):
        head.zero_grad()
        want = head.loss(dict(pool=x), dict(pid=pids))['loss']
        want.backward()
        for a, b in zip(
            got,
            [want.detach(), *(p.grad for p in head.parameters())],
            strict=True,
        ):
            torch.testing.assert_close(
                torch.tensor(a), b, rtol=1e-5, atol=1e-6
            )
    # Without the exchange an image would attend to half of its identity.
    half = head.loss(dict(pool=x[:8]), dict(pid=pids[:8]))['loss']
    half = (half + head.loss(dict(pool=x[8:]), dict(pid=pids[8:]))['loss']) / 2
    assert abs(half.item() - want.item()) > 1e-3


def _head_loss_and_gradient(rank, head, x, targets, world):
    part = slice(rank * len(x) // world, (rank + 1) * len(x) // world)
    losses = head.loss(
        {'bn': x[part]}, {k: v[part] for k, v in targets.items()}
    )
    losses = {k: v for k, v in losses.items() if 'loss' in k}
    sum(losses.values()).backward()
    values = [v.detach() for v in losses.values()]
    values += [p.grad for p in head.parameters()]
    if world > 1:
        for value in values:
            dist.all_reduce(value)
    return [(value / world).tolist() for value in values]


def test_modality_classifiers_equal_one_process(tmp_path):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(12, 5, generator=generator)
    # One infrared image on the first rank, four on the second.
    modality = torch.tensor([0, 0, 0, 1, 0, 0, 1, 1, 0, 1, 1, 0])
    targets = {'pid': torch.arange(12) % 4, 'modality': modality}
    head = ModalityClassifierHead(5, 4)
    for layer in (head.visible, head.infrared):
        torch.nn.init.normal_(layer.weight, generator=generator)
    double = run_ranks(
        tmp_path, _head_loss_and_gradient, head, x, targets, WORLD
    )
    single = _head_loss_and_gradient(0, head, x, targets, 1)
    for result in double:
        for got, want in zip(result, single, strict=True):
            torch.testing.assert_close(
                torch.tensor(got), torch.tensor(want), rtol=1e-5, atol=1e-6
            )


def _distillation(rank, head, features, pids, world):
    part = slice(rank * len(pids) // world, (rank + 1) * len(pids) // world)
    losses = head.loss(
        {k: v[part] for k, v in features.items()}, dict(pid=pids[part])
    )
    losses = {k: v for k, v in losses.items() if 'loss' in k}
    sum(losses.values()).backward()
    values = [v.detach() for v in losses.values()]
    values += [p.grad for p in head.parameters()]
    if world > 1:
        for value in values:
            dist.all_reduce(value)
    return [(value / world).tolist() for value in values]


@pytest.mark.parametrize(
    'kwargs', [{}, dict(cml='kl'), dict(cml='released', kl_mode='released')]
)
def test_distillation_equals_one_process(tmp_path, kwargs):
    generator = torch.Generator().manual_seed(0)
    features = {
        f'{kind}_{branch}': torch.randn(12, 6, generator=generator)
        for kind in ('obs', 'rep')
        for branch in BRANCHES
    }
    head = VariationalDistillationHead(dict.fromkeys(features, 6), 4, **kwargs)
    for layers in head.representation.values():
        # Batch norm and dropout work on the batch of a rank, as everywhere.
        layers[1], layers[3] = torch.nn.Identity(), torch.nn.Identity()
    for parameter in head.parameters():
        torch.nn.init.normal_(parameter, generator=generator)
    pids = torch.arange(12) % 4
    double = run_ranks(tmp_path, _distillation, head, features, pids, WORLD)
    single = _distillation(0, head, features, pids, 1)
    for result in double:
        for got, want in zip(result, single, strict=True):
            torch.testing.assert_close(
                torch.tensor(got), torch.tensor(want), rtol=1e-4, atol=1e-5
            )
    if 'cml' not in kwargs:
        # Transport between the halves of the batch is another one.
        parts = [slice(0, 6), slice(6, 12), slice(0, 12)]
        first, second, whole = (
            head.loss(
                {k: v[part] for k, v in features.items()}, dict(pid=pids[part])
            )['loss_cml'].item()
            for part in parts
        )
        assert (first + second) / 2 > whole + 0.05


def _selection(rank, cell, x, modality):
    part = slice(rank * len(x) // WORLD, (rank + 1) * len(x) // WORLD)
    cell(x[part], modality[part])
    value = cell.auxiliary_losses()['loss_selection']
    value.backward()
    mean = [value.detach(), *(p.grad for p in cell.parameters())]
    for tensor in mean:
        dist.all_reduce(tensor)
    return [(tensor / WORLD).tolist() for tensor in mean]


def test_selection_loss_of_all_ranks_equals_one_process(tmp_path, monkeypatch):
    # Noise, which is drawn by the shape of a rank's batch, is left out.
    monkeypatch.setattr(
        'mmgl.models.layers.feature_search_cell.logistic_noise',
        torch.zeros_like,
    )
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(8, 5, 6, 3, generator=generator)
    modality = torch.arange(8) % 2
    cell = FeatureSearchCell(5, init_logit=0.5)
    torch.nn.init.normal_(cell.pixel_weight, generator=generator)
    cell.set_phase('search', 0.5)
    ranks = run_ranks(tmp_path, _selection, cell, x, modality)
    cell(x, modality)
    want = cell.auxiliary_losses()['loss_selection']
    want.backward()
    for got in ranks:
        for a, b in zip(
            got,
            [want.detach(), *(p.grad for p in cell.parameters())],
            strict=True,
        ):
            torch.testing.assert_close(
                torch.tensor(a), b, rtol=1e-5, atol=1e-7
            )


def _dynamic_weight(rank, model):
    hook = DynamicLossWeightHook()
    runner = SimpleNamespace(model=model, epoch=0, train_loop=None)
    hook.before_train(runner)
    hook.before_train_epoch(runner)
    for loss in (1.0 + rank, 3.0 + rank):
        hook.after_train_iter(
            runner, 0, outputs={'id/loss': torch.tensor(loss)}
        )
    hook.after_train_epoch(runner)
    return model.heads['graph'].ramp.tolist()


def test_dynamic_weight_is_that_of_all_ranks(tmp_path):
    model = torch.nn.Module()
    model.heads = torch.nn.ModuleDict(dict(graph=GraphAttentionHead(6, 4)))
    # Means of 2 and 3.
    assert run_ranks(tmp_path, _dynamic_weight, model) == pytest.approx(
        [1 / 3.5, 1 / 3.5]
    )


def _classifier_averages(rank):
    """Whether the ranks hold the same averages after steps of their own."""
    torch.manual_seed(rank)
    model = torch.nn.Module()
    model.heads = torch.nn.ModuleDict(
        dict(modality=ModalityClassifierHead(5, 4))
    )
    model.forward = lambda *args: model.heads['modality'].loss(*args)
    wrapped = torch.nn.parallel.DistributedDataParallel(model)
    optimizer = torch.optim.SGD(model.parameters(), 0.5)
    runner = SimpleNamespace(
        model=wrapped,
        epoch=0,
        optim_wrapper=SimpleNamespace(should_update=lambda: True),
    )
    hook = ClassifierEmaHook(rate=0.3)
    hook.before_train(runner)
    start = model.heads['modality'].visible_average.clone()
    for _ in range(3):
        optimizer.zero_grad()
        losses = wrapped(
            dict(bn=torch.randn(6, 5)),
            dict(pid=torch.randint(4, (6,)), modality=torch.arange(6) % 2),
        )
        sum(v for k, v in losses.items() if 'loss' in k).backward()
        optimizer.step()
        hook.after_train_iter(runner, 0)
    own = torch.cat(
        [
            model.heads['modality'].visible_average,
            model.heads['modality'].infrared_average,
        ]
    )
    parts = [torch.empty_like(own) for _ in range(WORLD)]
    dist.all_gather(parts, own)
    return [torch.equal(*parts), not torch.equal(start, own[:4])]


def test_averaged_classifiers_are_one_on_all_ranks(tmp_path):
    assert run_ranks(tmp_path, _classifier_averages) == [[True, True]] * 2
