"""The learning rates that a config comes to, for the tests."""

from mmengine.optim import build_optim_wrapper
from mmengine.registry import PARAM_SCHEDULERS
from torch import nn


def learning_rates(cfg, iters_per_epoch):
    """Rates of (backbone, rest) at every iteration of a schedule."""
    model = nn.ModuleDict(dict(backbone=nn.Linear(2, 2), neck=nn.Linear(2, 2)))
    wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    schedulers = []
    for item in cfg.param_scheduler:
        item = dict(item, optimizer=wrapper)
        kind = PARAM_SCHEDULERS.get(item.pop('type'))
        if item.pop('convert_to_iter_based', False):
            item.update(epoch_length=iters_per_epoch)
            schedulers.append(kind.build_iter_from_epoch(**item))
        else:
            schedulers.append(kind(**item))
    owner = {id(p): n.split('.')[0] for n, p in model.named_parameters()}
    rows = []
    for _ in range(cfg.train_cfg.max_epochs):
        for _ in range(iters_per_epoch):
            rows.append(
                {
                    owner[id(p)]: group['lr']
                    for group in wrapper.optimizer.param_groups
                    for p in group['params']
                }
            )
            wrapper.step()
            for scheduler in schedulers:
                if not scheduler.by_epoch:
                    scheduler.step()
        for scheduler in schedulers:
            if scheduler.by_epoch:
                scheduler.step()
    return ([row['backbone'] for row in rows], [row['neck'] for row in rows])
