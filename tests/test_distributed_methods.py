"""Every fine-tuning method and pretext task on several processes.

The batches are those of the configs' own samplers and pipelines. What
compares views is in test_distributed_rivals.py. Takes a minute.
"""

import pytest
import torch
from distributed_parts import (
    check_same_step,
    mean_step,
    step_on_ranks,
    without_chance,
)
from mmengine.dataset import pseudo_collate

from mmgl.config.loading import load_config
from mmgl.models.layers import FeatureSearchCell
from mmgl.registry import DATA_SAMPLERS, DATASETS, MODELS
from mmgl.utils.compat import registry_scope
from mmgl.utils.paths import config_dir

# The images of two modalities of a whole batch, with or without labels.
IDENTITIES, INSTANCES, UNLABELLED = 4, 2, 8
NO_DROPOUT = {'model.heads.graph.dropout': 0.0}
CONSISTENCY = {'model.heads.id.consistency': dict(type='ViewConsistencyLoss')}
# With the published margin no two centers are near enough to count.
WIDE_MARGIN = {'model.heads.center.loss.margin': 100.0}
# Name of the config, epoch and options.
CASES = {
    'one-stream': ('finetune/one-stream', 0, {}),
    'agw': ('finetune/agw', 0, {}),
    'ddag': ('finetune/ddag', 0, NO_DROPOUT),
    'nfs': ('finetune/nfs', 0, {}),
    'caj': ('finetune/caj', 0, {}),
    'caj-plus': ('finetune/caj', 0, CONSISTENCY),
    'mutual-info': ('finetune/mutual-info', 0, {}),
    'mpanet': ('finetune/mpanet', 0, WIDE_MARGIN),
    'colorization': ('ssl/colorization_two-stream', 0, {}),
    'jigsaw': ('ssl/jigsaw_two-stream', 0, {}),
    # The first of its stages, which leaves the others out, and the last.
    'psl-first': ('ssl/psl_two-stream', 0, {}),
    'psl-last': ('ssl/psl_two-stream', 6, {}),
}


def load(case, root):
    name, epoch, options = CASES[case]
    cfg = load_config(config_dir() / f'mmgl/{name}_r18-narrow_synthetic.py')
    cfg.train_dataloader.dataset['data_root'] = root
    backbone = cfg.model.backbone
    backbone.get('network', backbone).update(base_channels=16)
    cfg.merge_from_dict(options)
    return cfg, epoch


def build(cfg):
    torch.manual_seed(0)
    with registry_scope('mmgl'):
        model = MODELS.build(cfg.model).train()
    for module in model.modules():
        if isinstance(module, FeatureSearchCell):
            module.set_phase('search', 0.5)
    # Zeros and ones would hide what lies behind them.
    with torch.no_grad():
        for parameter in model.parameters():
            if (parameter == parameter.flatten()[0]).all():
                parameter += 0.1 * torch.randn_like(parameter)
    return without_chance(model).double()


def share(cfg, epoch, rank, world):
    """This rank's share of the first batch, as the model gets it."""
    loader = cfg.train_dataloader
    if loader.sampler.type == 'IdentitySampler':
        options = dict(num_ids=IDENTITIES // world, num_instances=INSTANCES)
    else:
        options = dict(batch_size=UNLABELLED // world)
    with registry_scope('mmgl'):
        dataset = DATASETS.build(loader.dataset)
        sampler = DATA_SAMPLERS.build(
            {
                **loader.sampler,
                **options,
                'dataset': dataset,
                'seed': 0,
                'rank': rank,
                'world_size': world,
            }
        )
    sampler.set_epoch(epoch)
    draws = iter(sampler)
    return pseudo_collate(
        [dataset[next(draws)] for _ in range(sampler.batch_size)]
    )


def step(rank, world, cfg, epoch):
    model = build(cfg)
    data = model.data_preprocessor(share(cfg, epoch, rank, world), True)
    return mean_step(
        model, data, world, cfg.get('find_unused_parameters', False)
    )


@pytest.mark.parametrize('case', list(CASES))
def test_same_losses_and_gradients_as_one_process(
    case, tiny_sysu, tmp_path, monkeypatch
):
    # In fp32 some gradients of attention are little more than round-off.
    monkeypatch.setattr(torch.Tensor, 'float', torch.Tensor.double)
    # Noise is drawn by the shape of a rank's batch.
    monkeypatch.setattr(
        'mmgl.models.layers.feature_search_cell.logistic_noise',
        torch.zeros_like,
    )
    cfg, epoch = load(case, tiny_sysu)
    one = step(0, 1, cfg, epoch)
    for world in (2, 4):
        check_same_step(
            one, step_on_ranks(tmp_path, world, step, cfg, epoch), rel=1e-9
        )
