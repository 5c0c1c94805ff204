"""Write an NFS-style model whose search has ended without closed channels.

The file holds one network a modality and loads by
``mmgl.models.pruning.load_pruned``. Nothing is written unless it gives the
features of the checkpoint; docs/methods/nfs.md says what is removed.
"""

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from mmgl.checkpoints.reader import trust
from mmgl.config.loading import checked_config
from mmgl.models.backbones.base_resnet import STAGES
from mmgl.models.pruned_backbone import STREAMS, channel_subsets
from mmgl.models.pruning import prune_model, save_pruned
from mmgl.utils.compat import silence_upstream_warnings
from mmgl.utils.errors import report_errors
from mmgl.utils.files import check_output

from .models import build_model
from .parsers import pruning_parser

# Largest difference of the feature maps in fp64, relative to the largest
# value: the same products are added in another order.
TOLERANCE = 1e-9


def build_headless(config: str, checkpoint: str) -> tuple[Any, dict[str, Any]]:
    """Build the model of a checkpoint without heads; also its plain config."""
    cfg = checked_config(config)
    cfg.model['heads'] = None
    return build_model(cfg, checkpoint), cfg.model.to_dict()


@torch.no_grad()
def check_equal(model: Any, pruned: Any, size: tuple[int, int]) -> float:
    """Compare the feature maps of random images in fp64.

    Returns the largest difference, relative to the largest value; ValueError
    if it is more than rounding.
    """
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(4, 3, *size, generator=generator).double()
    modality = torch.tensor([0, 1, 1, 0])
    want, got = (
        copy.deepcopy(m.backbone).double()(images, modality)
        for m in (model, pruned)
    )
    difference = float((got - want).abs().max() / want.abs().max())
    if not difference < TOLERANCE:
        raise ValueError(
            f'the pruned network differs from the checkpoint by '
            f'{difference:.1e} of its largest value; nothing was written'
        )
    return difference


@torch.no_grad()
def measure(
    backbone: nn.Module, modality: int, size: tuple[int, int]
) -> float:
    """Count 10^9 multiplications and additions of one image."""
    counter = FlopCounterMode(display=False)
    with counter:
        backbone(torch.zeros(1, 3, *size), torch.tensor([modality]))
    return counter.get_total_flops() / 1e9


def count(module: nn.Module) -> int:
    """Count the parameters of a module."""
    return sum(p.numel() for p in module.parameters())


def report(model: Any, pruned: Any, size: tuple[int, int]) -> None:
    """Print what is left of each modality's network."""
    for name, subsets in channel_subsets(model.backbone).items():
        stages = ', '.join(
            f'{int(kept.sum())}/{len(kept)}' for kept in subsets.values()
        )
        stems = model.backbone.stem_names
        stem = stems[min(STREAMS[name], len(stems) - 1)]
        whole = sum(
            count(getattr(model.backbone, part)) for part in (stem, *STAGES)
        )
        left = count(getattr(pruned.backbone, name))
        costs = [
            measure(m.backbone, STREAMS[name], size) for m in (pruned, model)
        ]
        print(
            f'{name}: channels of layer1..4 {stages}; parameters {left:,} '
            f'of {whole:,}; {costs[0]:.3f} of {costs[1]:.3f} GFLOP'
        )


def run_pruning(arguments: Sequence[str] | None = None) -> None:
    """Prune, compare, write and report."""
    args = pruning_parser().parse_args(arguments)
    silence_upstream_warnings()
    if args.trust_checkpoint:
        trust(args.checkpoint)
    with report_errors():
        check_output(args.out, inputs=[args.config, args.checkpoint])
        model, cfg = build_headless(args.config, args.checkpoint)
        difference = check_equal(model, prune_model(model), args.size)
        pruned = save_pruned(model, cfg, args.out)
        report(model, pruned, args.size)
    print(f'feature maps differ by {difference:.1e} in fp64; wrote {args.out}')
