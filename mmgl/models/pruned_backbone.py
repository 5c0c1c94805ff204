"""Remove the channels that hard search cells close.

A closed channel of a shared stage is 0 behind the cell. It is read by the
first block of the next stage (or by pooling) and written by the last block
of its own stage, so that

- the rows of the last convolution and norm of the last block, and
- the columns of the first convolution and of the shortcut of the next block

can be removed without changing any other value. The earlier blocks of a
stage read the channel through their shortcuts and stay whole. Since each
modality keeps channels of its own, each gets a network of its own.
"""

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from mmgl.structures.modality import INFRARED, VISIBLE

from .backbones.base_resnet import STAGES, BaseReIDResNet
from .backbones.resnet_parts import ARCHITECTURES
from .backbones.routing import route
from .functional.feature_search import pixel_logits
from .functional.modality_groups import modality_indices
from .layers import FeatureSearchCell

STREAMS = {'visible': VISIBLE, 'infrared': INFRARED}
# Channels to keep, boolean (C,), by modality name and stage.
Subsets = Mapping[str, Mapping[str, Tensor]]


class SelectChannels(nn.Module):
    """The shortcut of a pruned block: some channels, by a boolean (C,)."""

    index: Tensor

    def __init__(self, kept: Tensor) -> None:
        super().__init__()
        self.register_buffer('index', kept.nonzero().flatten())

    def forward(self, x: Tensor) -> Tensor:
        """Select from ``(B, C, h, w)``."""
        return x.index_select(1, self.index)


class HardPixelGate(nn.Module):
    """Selection of pixels by one modality of a hard search cell."""

    weight: Tensor
    bias: Tensor

    def __init__(self, cell: FeatureSearchCell, modality: int) -> None:
        super().__init__()
        self.num_channels = cell.in_channels
        bias = cell.pixel_biases()[modality : modality + 1]
        self.register_buffer('weight', cell.pixel_weight.detach().clone())
        self.register_buffer('bias', bias.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        """Set the pixels that are not selected to 0."""
        logits = pixel_logits(x, self.num_channels, self.weight, self.bias)
        return x * (logits > 0).to(x.dtype)


class PrunedStream(nn.Module):
    """The network of one modality without closed channels, a copy."""

    kept: Tensor
    places: Tensor

    def __init__(
        self,
        backbone: BaseReIDResNet,
        modality: int,
        subsets: Mapping[str, Tensor],
    ) -> None:
        super().__init__()
        # One stem serves both modalities.
        stems = backbone.stems()
        self.stem = copy.deepcopy(stems[min(modality, len(stems) - 1)])
        bottleneck = ARCHITECTURES[backbone.depth][2] > 1
        kept = None
        for name in STAGES:
            stage: Any = copy.deepcopy(backbone.get_submodule(name))
            if kept is not None:
                _prune_inputs(stage[0], kept)
            kept = subsets[name]
            _prune_outputs(stage[-1], kept, 3 if bottleneck else 2)
            self.add_module(name, stage)
        self.gates = nn.ModuleDict(
            {
                name: HardPixelGate(cell, modality)
                for name, cell in search_cells(backbone).items()
                if cell.by_pixel
            }
        )
        last = subsets[STAGES[-1]]
        self.register_buffer('kept', last.nonzero().flatten())
        # Closed channels are found behind the last one.
        places = torch.where(last, last.cumsum(0) - 1, last.sum())
        self.register_buffer('places', places, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the map of images of the modality, closed channels 0."""
        x = self.stem(x)
        for name in STAGES:
            x = self.get_submodule(name)(x)
            if name in self.gates:
                x = self.gates[name](x)
        return functional.pad(x, (0, 0, 0, 0, 0, 1))[:, self.places]


class PrunedBackbone(nn.Module):
    """Two pruned networks in the place of a backbone with hard cells.

    The backbone, a one- or two-stream ResNet without other plugins or
    non-local blocks, is not changed. ``subsets`` are those of
    :func:`channel_subsets` by default.
    """

    def __init__(
        self, backbone: BaseReIDResNet, subsets: Subsets | None = None
    ) -> None:
        super().__init__()
        if len(backbone.non_local):
            raise ValueError(
                'PrunedBackbone: non-local blocks read closed '
                'channels; set model.backbone.non_local=None'
            )
        subsets = subsets or channel_subsets(backbone)
        self.out_channels = backbone.out_channels
        for name, modality in STREAMS.items():
            kept = subsets[name]
            empty = [stage for stage in STAGES if not kept[stage].any()]
            if empty:
                raise ValueError(
                    f'PrunedBackbone: nothing is left of {empty} for '
                    f'{name} images; raise channel_target of the cells'
                )
            self.add_module(name, PrunedStream(backbone, modality, kept))

    def forward(self, x: Tensor, modality: Tensor) -> Tensor:
        """Compute the feature map ``(B, C, h, w)`` in the order of ``x``."""
        streams = [self.get_submodule(name) for name in STREAMS]
        return route(streams, modality_indices(modality, x.device), x)


def search_cells(backbone: BaseReIDResNet) -> dict[str, FeatureSearchCell]:
    """Search cells by stage; another plugin is a ValueError."""
    cells = {}
    for stage, plugin in backbone.plugins.items():
        if not isinstance(plugin, FeatureSearchCell):
            raise ValueError(
                f'cannot prune behind model.backbone.plugins.{stage}, a '
                f'{type(plugin).__name__}; only FeatureSearchCell is known'
            )
        cells[stage] = plugin
    return cells


def channel_subsets(backbone: BaseReIDResNet) -> dict[str, dict[str, Tensor]]:
    """Channels each modality keeps: all behind a stage without a cell."""
    cells = search_cells(backbone)
    return {
        name: {
            stage: cells[stage].channel_subsets()[modality].cpu()
            if stage in cells
            else torch.ones(backbone.stage_channels(stage), dtype=torch.bool)
            for stage in STAGES
        }
        for name, modality in STREAMS.items()
    }


def _prune_inputs(block: Any, kept: Tensor) -> None:
    """Remove the columns of all convolutions that read the input."""
    for conv in (block.conv1, block.downsample[0]):
        columns = kept.to(conv.weight.device)
        conv.weight = nn.Parameter(conv.weight.detach()[:, columns])
        conv.in_channels = conv.weight.shape[1]


def _prune_outputs(block: Any, kept: Tensor, last: int) -> None:
    """Remove the rows of the last convolution and norm and of the shortcut."""
    conv = block.get_submodule(f'conv{last}')
    norm = block.get_submodule(f'bn{last}')
    rows = kept.to(conv.weight.device)
    for part in (conv, norm):
        for name, value in part.named_parameters():
            setattr(part, name, nn.Parameter(value.detach()[rows]))
    norm.running_mean = norm.running_mean[rows]
    norm.running_var = norm.running_var[rows]
    conv.out_channels = norm.num_features = int(kept.sum())
    # The last block of a stage has a plain shortcut: all stages have two
    # blocks or more.
    block.downsample = SelectChannels(kept)
