"""Schedule and optimiser groups of the NFS-style configs."""

import pytest
from mmengine.optim import build_optim_wrapper

from mmgl.config.loading import load_config
from mmgl.engine.hooks import SearchPhaseHook
from mmgl.models.backbones import TwoStreamResNet
from mmgl.registry import HOOKS
from mmgl.utils.compat import registry_scope
from mmgl.utils.paths import config_dir

NAMES = ('r50_64-120e_sysu', 'r50_64-120e_regdb', 'r18-narrow_synthetic')


def load(name):
    return load_config(config_dir() / f'mmgl/finetune/nfs_{name}.py')


def search_hook(cfg):
    with registry_scope('mmgl'):
        hooks = [HOOKS.build(item) for item in cfg.custom_hooks]
    (hook,) = (h for h in hooks if isinstance(h, SearchPhaseHook))
    return hook


@pytest.mark.parametrize('name', NAMES)
def test_no_change_of_the_learning_rate_while_searching(name):
    cfg = load(name)
    hook = search_hook(cfg)
    warm_up, drops = cfg.param_scheduler
    assert warm_up.end <= hook.warmup_end
    assert min(drops.milestones) >= hook.search_end
    assert hook.search_end < cfg.train_cfg.max_epochs
    assert cfg.custom_hooks[0].type == 'IterationSeedHook'


@pytest.mark.parametrize('name', NAMES)
def test_search_parameters_have_their_own_rate_and_no_decay(name):
    cfg = load(name)
    plugins = cfg.model.backbone.plugins
    assert list(plugins) == ['layer1', 'layer2', 'layer3', 'layer4']
    backbone = TwoStreamResNet(18, 8, plugins=plugins)
    optimizer = build_optim_wrapper(backbone, cfg.optim_wrapper).optimizer
    names = {id(p): n for n, p in backbone.named_parameters()}
    search, full = (0.05, 1e-3) if 'synthetic' in name else (3e-3, 3.5e-4)
    for group in optimizer.param_groups:
        (parameter,) = group['params']
        own = names[id(parameter)].startswith('plugins.')
        rate = full
        if own:
            kernel = 'pixel_weight' in names[id(parameter)]
            rate = 3e-3 if kernel else search
        assert group['lr'] == pytest.approx(rate), names[id(parameter)]
        assert group['weight_decay'] == (0 if own else 5e-4)


def test_the_recipe():
    cfg = load(NAMES[0])
    heads = cfg.model.heads
    assert heads.id.loss.label_smoothing == 0.1
    assert heads.triplet.loss.margin == 0.3
    assert (heads.contrast.loss_weight, heads.contrast.feature) == (0.5, 'bn')
    (erase,) = (
        step
        for step in cfg.train_dataloader.dataset.pipeline
        if step.type == 'mmpretrain.RandomErasing'
    )
    assert erase.erase_prob == 0.5
