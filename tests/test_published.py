"""Plain names train what the public code of a method trains."""

import math

import pytest
import torch

from mmgl.config.loading import load_config
from mmgl.registry import MODELS
from mmgl.utils.compat import registry_scope
from mmgl.utils.paths import config_dir

LEAVES = config_dir() / 'mmgl/finetune'


def leaves(method):
    """All leaves of a plain name."""
    return sorted(path.name for path in LEAVES.glob(f'{method}_*.py'))


def triplet_loss(leaf):
    """The metric loss of a leaf."""
    heads = load_config(LEAVES / leaf).model.heads
    with registry_scope('mmgl'):
        return MODELS.build(heads.triplet.loss)


def batch(median):
    """64 rows of 8 identities at a median distance."""
    x = torch.randn(64, 2048, generator=torch.Generator().manual_seed(0))
    x *= median / torch.pdist(x).median()
    return x.requires_grad_(), torch.arange(64) % 8


@pytest.mark.parametrize('leaf', leaves('agw'))
def test_agw_has_the_published_loss(leaf):
    loss = triplet_loss(leaf)
    for median, value in ((13.5, 0.816), (20.3, 18.71), (40.5, 40.74)):
        x, pids = batch(median)
        got = loss(x, pids)
        assert got.item() == pytest.approx(value, rel=1e-3)
        assert torch.autograd.grad(got, x)[0].isfinite().all()
    x, pids = batch(107.8)
    got = loss(x, pids)
    assert got.item() == math.inf
    assert torch.autograd.grad(got, x)[0].isnan().any()


@pytest.mark.parametrize('leaf', leaves('caj') + leaves('caj-plus'))
def test_caj_has_the_published_loss(leaf):
    loss = triplet_loss(leaf)
    for median, value in ((1.0, 0.6919), (13.5, 0.7232)):
        x, pids = batch(median)
        got = loss(x, pids)
        assert got.item() == pytest.approx(value, rel=1e-3)
        assert torch.autograd.grad(got, x)[0].abs().max() > 0
    for median in (20.3, 107.8):
        x, pids = batch(median)
        got = loss(x, pids)
        assert got.item() == 88
        assert torch.autograd.grad(got, x)[0].abs().max() == 0


@pytest.mark.parametrize('leaf', leaves('agw-exact') + leaves('caj-exact'))
def test_exact_variants_are_finite_at_any_distance(leaf):
    loss = triplet_loss(leaf)
    for median, value in ((40.5, 0.9926), (107.8, 3.227)):
        x, pids = batch(median)
        got = loss(x, pids)
        assert got.item() == pytest.approx(value, rel=1e-3)
        assert torch.autograd.grad(got, x)[0].isfinite().all()


@pytest.mark.parametrize('leaf', leaves('mpanet'))
def test_mpanet_starts_erases_and_scores_as_published(leaf):
    cfg = load_config(LEAVES / leaf)
    assert cfg.model.heads.id.init_std is None
    (erase,) = (
        step
        for step in cfg.train_dataloader.dataset.pipeline
        if 'Erasing' in step.type
    )
    # The defaults of torchvision 0.4, 0 being the mean colour.
    assert erase == dict(
        type='ChannelRandomErasing',
        prob=0.5,
        area_range=(0.02, 0.33),
        aspect_range=(0.3, 3.3),
        max_tries=10,
        fill=(0, 0, 0),
    )
    raw = 'regdb' in leaf
    assert cfg.model.get('normalize', True) is not raw
    assert cfg.test_evaluator.get('distance', 'cosine') == (
        'euclidean' if raw else 'cosine'
    )
