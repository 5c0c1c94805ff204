"""Write an NFS-style model whose search has ended without closed channels.

The file holds one network a modality and loads by
``mmgl.models.pruning.load_pruned``. Nothing is written unless it gives the
features of the checkpoint; docs/methods/nfs.md says what is removed.
"""

import argparse
import copy

import torch
from torch.utils.flop_counter import FlopCounterMode

from mmgl.checkpoints.provenance import check_state, read_checkpoint
from mmgl.config.loading import forget_init, load_config
from mmgl.models.backbones.base_resnet import STAGES
from mmgl.models.pruned_backbone import STREAMS, channel_subsets
from mmgl.models.pruning import prune_model, save_pruned
from mmgl.registry import MODELS
from mmgl.utils.compat import registry_scope, silence_upstream_warnings
from mmgl.utils.errors import report_errors

# Largest difference of the feature maps in fp64, relative to the largest
# value: the same products are added in another order.
TOLERANCE = 1e-9


def parse_args(argv=None):
    """Read the command line.

    Args:
        argv (list[str], optional): Arguments; by default those of the
            process.

    Returns:
        argparse.Namespace: The options.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config of the training run')
    parser.add_argument('checkpoint', help='a checkpoint of it')
    parser.add_argument('out', help='file to write')
    parser.add_argument(
        '--size',
        type=int,
        nargs=2,
        default=(288, 144),
        metavar=('HEIGHT', 'WIDTH'),
        help='image size of the report',
    )
    return parser.parse_args(argv)


def build(config, checkpoint):
    """Build the model of a checkpoint.

    Args:
        config (str): Path of the config.
        checkpoint (str): Path of the checkpoint.

    Returns:
        tuple: Model in evaluation mode and its config as a plain dict.
    """
    cfg = load_config(config)
    forget_init(cfg)
    cfg.model['heads'] = None
    cfg = cfg.model.to_dict()
    model = MODELS.build(copy.deepcopy(cfg)).eval()
    state = read_checkpoint(checkpoint)['state_dict']
    check_state(model, state, checkpoint)
    model.load_state_dict(
        {k: v for k, v in state.items() if not k.startswith('heads.')}
    )
    return model, cfg


@torch.no_grad()
def check_equal(model, pruned, size):
    """Compare the feature maps of random images in fp64.

    Args:
        model (ReIDModel): The model with gates.
        pruned (ReIDModel): The model without closed channels.
        size (tuple[int, int]): Image height and width.

    Returns:
        float: Largest difference, relative to the largest value.

    Raises:
        ValueError: If they differ by more than rounding.
    """
    images = torch.randn(
        4, 3, *size, generator=torch.Generator().manual_seed(0)
    ).double()
    modality = torch.tensor([0, 1, 1, 0])
    want, got = (
        copy.deepcopy(m.backbone).double()(images, modality)
        for m in (model, pruned)
    )
    difference = float((got - want).abs().max() / want.abs().max())
    if not difference < TOLERANCE:
        raise ValueError(
            f'the pruned network differs from the checkpoint by '
            f'{difference:.1e} of its largest value; nothing '
            'was written'
        )
    return difference


@torch.no_grad()
def measure(backbone, modality, size):
    """Count what one image of a modality costs.

    Args:
        backbone (nn.Module): Backbone ``(images, modality) -> map``.
        modality (int): 0 visible or 1 infrared.
        size (tuple[int, int]): Image height and width.

    Returns:
        float: Multiplications and additions, in units of 10^9.
    """
    counter = FlopCounterMode(display=False)
    with counter:
        backbone(torch.zeros(1, 3, *size), torch.tensor([modality]))
    return counter.get_total_flops() / 1e9


def count(module):
    """Count the parameters of a module.

    Args:
        module (nn.Module): The module.

    Returns:
        int: Their number.
    """
    return sum(p.numel() for p in module.parameters())


def report(model, pruned, size):
    """Print what is left of each modality's network.

    Args:
        model (ReIDModel): The model with gates.
        pruned (ReIDModel): The model without closed channels.
        size (tuple[int, int]): Image height and width.
    """
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


def main(argv=None):
    """Prune, compare, write and report."""
    args = parse_args(argv)
    silence_upstream_warnings()
    with report_errors(), registry_scope('mmgl'):
        model, cfg = build(args.config, args.checkpoint)
        difference = check_equal(model, prune_model(model), args.size)
        pruned = save_pruned(model, cfg, args.out)
        report(model, pruned, args.size)
    print(f'feature maps differ by {difference:.1e} in fp64; wrote {args.out}')


if __name__ == '__main__':
    main()
