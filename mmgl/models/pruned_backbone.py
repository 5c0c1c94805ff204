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

import torch
from torch import Tensor, nn

from mmgl.structures.modality import INFRARED, VISIBLE

from .backbones.base_resnet import STAGES, BaseReIDResNet, modality_indices
from .backbones.resnet_parts import Bottleneck
from .functional.feature_search import pixel_logits
from .layers import FeatureSearchCell

STREAMS = {'visible': VISIBLE, 'infrared': INFRARED}


class SelectChannels(nn.Module):
    """Keep some channels; the shortcut of a pruned block.

    Args:
        kept: Boolean ``(C,)``.
    """

    def __init__(self, kept: Tensor) -> None:
        super().__init__()
        self.register_buffer('index', kept.nonzero().flatten())

    def forward(self, x: Tensor) -> Tensor:
        """Select.

        Args:
            x: Feature map ``(B, C, h, w)``.

        Returns:
            Feature map ``(B, kept, h, w)``.
        """
        return x.index_select(1, self.index)


class HardPixelGate(nn.Module):
    """Selection of pixels by one modality of a hard search cell.

    Args:
        cell: The cell.
        modality: 0 visible or 1 infrared.
    """

    def __init__(self, cell: FeatureSearchCell, modality: int) -> None:
        super().__init__()
        self.num_channels = cell.in_channels
        bias = cell.pixel_biases()[modality : modality + 1]
        self.register_buffer('weight', cell.pixel_weight.detach().clone())
        self.register_buffer('bias', bias.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        """Set the pixels that are not selected to 0.

        Args:
            x: Feature map ``(B, kept, h, w)``.

        Returns:
            Feature map of the same shape.
        """
        logits = pixel_logits(x, self.num_channels, self.weight, self.bias)
        return x * (logits > 0).to(x.dtype)


class PrunedStream(nn.Module):
    """The network of one modality without closed channels.

    Args:
        backbone: Backbone with hard cells; it is not changed.
        modality: 0 visible or 1 infrared.
        subsets: Boolean ``(C,)`` of each stage, the channels to keep.
    """

    def __init__(
        self,
        backbone: BaseReIDResNet,
        modality: int,
        subsets: dict[str, Tensor],
    ) -> None:
        super().__init__()
        names = backbone.stem_names
        self.stem = copy.deepcopy(
            getattr(backbone, names[min(modality, len(names) - 1)])
        )
        before = None
        for name in STAGES:
            stage = copy.deepcopy(getattr(backbone, name))
            if before is not None:
                _prune_inputs(stage[0], before)
            before = subsets[name]
            _prune_outputs(stage[-1], before)
            self.add_module(name, stage)
        self.gates = nn.ModuleDict(
            {
                name: HardPixelGate(cell, modality)
                for name, cell in search_cells(backbone).items()
                if cell.by_pixel
            }
        )
        self.out_channels = len(before)
        self.register_buffer('kept', before.nonzero().flatten())

    def forward(self, x: Tensor) -> Tensor:
        """Compute the feature map.

        Args:
            x: Images ``(B, 3, H, W)`` of the modality.

        Returns:
            Feature map ``(B, out_channels, h, w)``; closed channels are 0,
            so that both modalities have the same feature space.
        """
        x = self.stem(x)
        for name in STAGES:
            x = getattr(self, name)(x)
            if name in self.gates:
                x = self.gates[name](x)
        full = x.new_zeros(len(x), self.out_channels, *x.shape[2:])
        return full.index_copy(1, self.kept, x)


class PrunedBackbone(nn.Module):
    """Two pruned networks in the place of a backbone with hard cells.

    Args:
        backbone: A one- or two-stream ResNet with
            :class:`~.layers.FeatureSearchCell` plugins; it is not changed.
        subsets: As returned by :func:`channel_subsets`, which is the
            default.

    Raises:
        ValueError: If the backbone has other plugins or non-local blocks,
            or a stage would be left without channels.
    """

    def __init__(
        self,
        backbone: BaseReIDResNet,
        subsets: dict[str, dict[str, Tensor]] | None = None,
    ) -> None:
        super().__init__()
        if hasattr(backbone, 'non_local'):
            raise ValueError(
                'PrunedBackbone: non-local blocks read closed '
                'channels; set model.backbone.non_local=None'
            )
        subsets = subsets or channel_subsets(backbone)
        self.out_channels = backbone.out_channels
        for name, modality in STREAMS.items():
            empty = [s for s in STAGES if not subsets[name][s].any()]
            if empty:
                raise ValueError(
                    f'PrunedBackbone: nothing is left of {empty} for '
                    f'{name} images; raise channel_target of the cells'
                )
            self.add_module(
                name, PrunedStream(backbone, modality, subsets[name])
            )

    def forward(self, x: Tensor, modality: Tensor) -> Tensor:
        """Compute the feature map.

        Args:
            x: Images ``(B, 3, H, W)``.
            modality: Modality numbers ``(B,)``.

        Returns:
            Feature map ``(B, out_channels, h, w)`` in the order of ``x``.
        """
        indices = modality_indices(modality, x.device)
        parts = [
            stream(x[index])
            for index, stream in zip(
                indices, (self.visible, self.infrared), strict=True
            )
            if len(index)
        ]
        return torch.cat(parts)[torch.cat(indices).argsort()]


def search_cells(backbone: BaseReIDResNet) -> dict[str, FeatureSearchCell]:
    """Find the search cells of a backbone.

    Args:
        backbone: The backbone.

    Returns:
        Cell by stage.

    Raises:
        ValueError: If a plugin is no search cell.
    """
    plugins = dict(getattr(backbone, 'plugins', {}).items())
    for stage, plugin in plugins.items():
        if not isinstance(plugin, FeatureSearchCell):
            raise ValueError(
                f'cannot prune behind model.backbone.plugins.{stage}, a '
                f'{type(plugin).__name__}; only FeatureSearchCell is known'
            )
    return plugins


def channel_subsets(backbone: BaseReIDResNet) -> dict[str, dict[str, Tensor]]:
    """Channels that each modality keeps behind each stage.

    Args:
        backbone: Backbone with search cells.

    Returns:
        Boolean ``(C,)`` by 'visible' or 'infrared' and by stage; all True
        behind a stage without a cell.

    Raises:
        ValueError: If a plugin is no search cell.
    """
    cells = search_cells(backbone)
    subsets = {}
    for name, modality in STREAMS.items():
        subsets[name] = {
            stage: cells[stage].channel_subsets()[modality].cpu()
            if stage in cells
            else torch.ones(backbone.stage_channels(stage), dtype=torch.bool)
            for stage in STAGES
        }
    return subsets


def _prune_inputs(block: nn.Module, kept: Tensor) -> None:
    """Remove the columns of all convolutions that read the input."""
    _slice_conv(block.conv1, columns=kept)
    _slice_conv(block.downsample[0], columns=kept)


def _prune_outputs(block: nn.Module, kept: Tensor) -> None:
    """Remove the rows of the last convolution and of the shortcut."""
    last = 3 if isinstance(block, Bottleneck) else 2
    _slice_conv(getattr(block, f'conv{last}'), rows=kept)
    norm = getattr(block, f'bn{last}')
    for name in ('weight', 'bias'):
        value = getattr(norm, name).detach()
        setattr(norm, name, nn.Parameter(value[kept.to(value.device)]))
    for name in ('running_mean', 'running_var'):
        value = getattr(norm, name)
        setattr(norm, name, value[kept.to(value.device)])
    norm.num_features = int(kept.sum())
    # The last block of a stage has a plain shortcut: all stages have two
    # blocks or more.
    block.downsample = SelectChannels(kept)


def _slice_conv(
    conv: nn.Conv2d, rows: Tensor | None = None, columns: Tensor | None = None
) -> None:
    weight = conv.weight.detach()
    if rows is not None:
        weight = weight[rows.to(weight.device)]
    if columns is not None:
        weight = weight[:, columns.to(weight.device)]
    conv.weight = nn.Parameter(weight.clone())
    conv.out_channels, conv.in_channels = weight.shape[:2]
