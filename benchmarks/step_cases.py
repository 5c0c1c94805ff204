"""What the benchmark of the training step measures."""

import argparse
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from full_size_step import benchmark_config
from mmengine.logging import MMLogger
from mmengine.optim import build_optim_wrapper
from mmengine.runner import Runner
from torch import nn
from torch.utils._pytree import tree_leaves, tree_map

from mmgl.models.backbones import TwoStreamResNet
from mmgl.registry import MODELS
from mmgl.structures import routing_modality
from mmgl.utils.compat import registry_scope
from mmgl.utils.paths import config_dir

# Name and config, at full size.
METHODS = {
    'mmgl': 'pretrain/mmgl_two-stream_r50_96-100e_sysu.py',
    'one-stream': 'finetune/one-stream_r50_64-81e_sysu.py',
    'agw': 'finetune/agw_r50_64-81e_sysu.py',
    'ddag': 'finetune/ddag_r50_64-81e_sysu.py',
    'nfs': 'finetune/nfs_r50_64-120e_sysu.py',
    'caj': 'finetune/caj_r50_96-100e_sysu.py',
    'mutual-info': 'finetune/mutual-info_r50_128-600e_sysu.py',
    'mpanet': 'finetune/mpanet_r50_128-140e_sysu.py',
}

PAIRS = 96  # 16 persons, as many as a batch of MutualInfo has


def add_method_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--only``.

    Args:
        parser: The parser of a benchmark.
    """
    parser.add_argument(
        '--only',
        nargs='+',
        choices=list(METHODS),
        default=list(METHODS),
        metavar='METHOD',
        help=f'of {", ".join(METHODS)}',
    )


def quieten_log() -> None:
    """Keep mmengine from naming every parameter."""
    MMLogger.get_instance('benchmark', log_level='WARNING')


class GivenMaps(nn.Module):
    """Stands in for a backbone and gives maps of its size at no cost.

    Args:
        maps: Output of a backbone for the whole batch, of any structure.
        out_channels (int): Channels of the maps.
    """

    def __init__(self, maps, out_channels: int) -> None:
        super().__init__()
        self.maps = maps
        self.out_channels = out_channels

    def forward(self, *inputs):
        """Give the maps; their gradients are kept apart each time."""
        return tree_map(lambda one: one.detach().requires_grad_(), self.maps)


@dataclass
class StepCase:
    """One method with a batch of its own size.

    Attributes:
        name: Name in :data:`METHODS`.
        model: The whole model.
        bare: Two-stream ResNet of the same depth and stride without modules.
        batch: A batch as the loader gives it.
        loader: The loader, of as many steps as asked for.
        optim: Optimizer wrapper of the model.
        bare_optim: SGD of the bare backbone.
        autocast: Makes the context of the bare backbone's forward pass.
    """

    name: str
    model: nn.Module
    bare: nn.Module
    batch: dict
    loader: object
    optim: object
    bare_optim: object
    autocast: Callable = nullcontext

    def prepared(self) -> dict:
        """The batch as the model gets it."""
        return self.model.data_preprocessor(self.batch, True)

    def whole_step(self) -> None:
        """A step of the training."""
        self.model.train_step(self.batch, self.optim)

    def bare_pass(self, inputs, modality) -> None:
        """Forward and backward pass of the bare backbone."""
        with self.autocast():
            maps = self.bare(inputs, modality)
        _backward(maps)

    def backbone_pass(self, inputs, modality) -> None:
        """The same of the method's own backbone, its losses included."""
        backbone = self.model.backbone
        maps = backbone(inputs, modality)
        losses = getattr(backbone, 'auxiliary_losses', dict)()
        _backward(
            (maps, [value for name, value in losses.items() if 'loss' in name])
        )


def _backward(outputs) -> None:
    """Backward pass of a gradient of ones."""
    leaves = [one for one in tree_leaves(outputs) if one.requires_grad]
    torch.autograd.backward(leaves, [torch.ones_like(one) for one in leaves])


def build_case(
    name: str,
    data_root: str,
    work_dir: Path,
    options: argparse.Namespace,
    bf16: bool = False,
) -> StepCase:
    """Build a method as tools/train.py does.

    Args:
        name: Name in :data:`METHODS`.
        data_root: Images in the layout of SYSU-MM01.
        work_dir: Scratch folder.
        options: ``steps`` of the loader, ``workers``, ``device`` and
            ``cfg_options``.
        bf16: Forward passes under bfloat16 autocast.

    Returns:
        The case, in training mode on the device.
    """
    cfg = benchmark_config(
        argparse.Namespace(
            config=config_dir() / 'mmgl' / METHODS[name],
            cfg_options=options.cfg_options,
            steps=options.steps,
            amp=False,
        ),
        data_root,
        str(work_dir),
    )
    loader = cfg.train_dataloader
    loader['num_workers'] = options.workers
    loader['persistent_workers'] = options.workers > 0
    with registry_scope():
        loader = Runner.build_dataloader(loader, seed=0)
        torch.manual_seed(0)
        model = MODELS.build(cfg.model).to(options.device).train()
        wrapper, autocast = dict(cfg.optim_wrapper), nullcontext
        if bf16:
            device_type = torch.device(options.device).type
            wrapper.update(
                type='AutocastOptimWrapper', device_type=device_type
            )
            autocast = partial(torch.autocast, device_type, torch.bfloat16)
        optim = build_optim_wrapper(model, wrapper)
    network = cfg.model.backbone
    network = network.get('network', network)
    bare = TwoStreamResNet(
        depth=network.depth,
        base_channels=network.get('base_channels', 64),
        last_stride=network.get('last_stride', 1),
    )
    bare = bare.to(options.device).train()
    bare_optim = torch.optim.SGD(
        bare.parameters(), lr=1e-4, momentum=0.9, weight_decay=5e-4
    )
    return StepCase(
        name,
        model,
        bare,
        next(iter(loader)),
        loader,
        optim,
        bare_optim,
        autocast,
    )


def without_backbone(case: StepCase) -> None:
    """Put maps of the right size in the place of the backbone.

    Args:
        case: The case; its model has no backbone to train afterwards.
    """
    data = case.prepared()
    modality = routing_modality(data['targets'])
    first = data['inputs'][:2], torch.tensor([0, 1])
    with torch.no_grad():
        small = case.model.backbone(*first)
    count = len(modality)
    maps = tree_map(
        lambda one: torch.rand(count, *one.shape[1:], device=one.device), small
    )
    case.model.backbone = GivenMaps(maps, case.model.backbone.out_channels)
