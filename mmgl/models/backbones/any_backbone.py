"""Any feature extractor as a one- or two-stream backbone."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mmgl.registry import MODELS
from mmgl.utils.checks import require

from ..functional.modality_groups import modality_indices
from .networks import build_network, find_module
from .routing import check_modality, route

# Layers that classify, in the files of torchvision, timm and others.
CLASSIFIERS = ('fc.', '_fc.', 'head.', 'head_dist.', 'classifier.')
# The network inside mmpretrain's adapter of timm.
TIMM = 'timm_model.'


class _Streams:
    """The stems, and whose turn it is: rows of each, or one for all."""

    def __init__(self, stems: list[nn.ModuleDict]) -> None:
        self.stems = stems
        self.rows: Sequence[Tensor] = ()
        self.only: int | None = 0 if len(stems) == 1 else None


class _Entrance(nn.Module):
    """Stands in the trunk where a module of the stem was."""

    def __init__(self, streams: _Streams, key: str) -> None:
        super().__init__()
        # No children: the parameters are the stems'.
        self.streams = streams
        self.key = key

    def forward(self, x: Tensor) -> Tensor:
        """Run the module of the stem, each image through that of its own."""
        parts = [stem[self.key] for stem in self.streams.stems]
        if self.streams.only is None:
            return route(parts, self.streams.rows, x)
        x = parts[self.streams.only](x)
        if not isinstance(x, Tensor):
            raise TypeError(f'{self.key} gives more than one tensor')
        return x


@MODELS.register_module()
class AnyBackbone(nn.Module):
    """A network of mmpretrain, timm or your own, with one stem or two.

    Images ``(B, 3, H, W)`` and modality numbers ``(B,)`` give the map
    ``(B, out_channels, h, w)`` that the network puts out last; tokens
    ``(B, L, C)`` of a transformer are laid out as h x w. All but the stem
    sees the mixed batch, as in ``TwoStreamResNet``. Weights of the same
    network are loaded by ``mmgl.checkpoints.fit``.

    Args:
        network: Config of the network, ``mmpretrain.MobileNetV2`` for
            example, or ``mmpretrain.TIMMBackbone``.
        stem: Names of the modules, inside the network, that each modality has
            of its own; each takes one tensor and gives one.
        two_stream: Whether there are two stems, which start from different
            random weights.
        stride_one: Names of modules whose strides become 1, for a finer map.
        class_token: What becomes of class tokens: 'drop', or 'add' the first
            to all others.

    Example:
        >>> backbone = AnyBackbone(
        ...     dict(type='mmpretrain.MobileNetV2'), stem=['conv1'])
        >>> backbone(torch.rand(2, 3, 96, 48), torch.tensor([0, 1])).shape
        torch.Size([2, 1280, 3, 2])
    """

    def __init__(
        self,
        network: Mapping[str, Any],
        stem: Sequence[str],
        two_stream: bool = True,
        stride_one: Sequence[str] = (),
        class_token: str = 'drop',
    ) -> None:
        super().__init__()
        good = class_token in ('drop', 'add')
        require(self, good, "class_token 'drop' or 'add'", class_token)
        good = bool(stem) and not isinstance(stem, str)
        require(self, good, 'stem as a list of module names', stem)
        self.class_token = class_token
        self._stem_modules = tuple(stem)
        names = ('visible_stem', 'infrared_stem') if two_stream else ('stem',)
        networks = [build_network(network, stride_one) for _ in names]
        self.trunk = networks[0]
        self._tensors = {
            k: v.shape for k, v in self.trunk.state_dict().items()
        }
        for name, donor in zip(names, networks, strict=True):
            parts = {_key(m): find_module(donor, m, 'stem') for m in stem}
            self.add_module(name, nn.ModuleDict(parts))
        self._streams = _Streams([getattr(self, name) for name in names])
        for module in stem:
            parent, _, child = module.rpartition('.')
            entrance = _Entrance(self._streams, _key(module))
            setattr(self.trunk.get_submodule(parent), child, entrance)
        self.out_channels = self._try(network)

    def _try(self, network: Mapping[str, Any]) -> int:
        """Count the channels of the map of one image, whose size may vary."""
        size = network.get('img_size', (128, 64))
        size = (size, size) if isinstance(size, int) else tuple(size)
        only, self._streams.only = self._streams.only, 0
        self.eval()
        try:
            with torch.no_grad():
                feature_map = self._map(torch.zeros(1, 3, *size))
        except (AssertionError, RuntimeError, TypeError) as error:
            raise ValueError(
                f'AnyBackbone: {network["type"]} with the stem '
                f'{list(self._stem_modules)} does not run on an image of '
                f'{size[0]} x {size[1]} pixels: {error}'
            ) from error
        finally:
            self._streams.only = only
            self.train()
        return feature_map.shape[1]

    def forward(self, x: Tensor, modality: Tensor) -> Tensor:
        """Compute the map of the network's last output.

        A modality that does not fit the batch is a TypeError or ValueError.
        """
        streams = self._streams
        if streams.only is not None and len(streams.stems) > 1:
            return self._map(x)
        check_modality(self, x, modality)
        if streams.only is None:
            streams.rows = modality_indices(modality, x.device)
        try:
            return self._map(x)
        finally:
            streams.rows = ()

    def use_only(self, modality: int) -> None:
        """Take all images to be of one modality, from now on."""
        self._streams.only = min(modality, len(self._streams.stems) - 1)

    def _map(self, x: Tensor) -> Tensor:
        """Run the network and lay its last output out as (B, C, h, w)."""
        output = self.trunk(x)
        while isinstance(output, tuple | list):
            output = output[-1]
        if not isinstance(output, Tensor) or output.ndim not in (3, 4):
            shape = getattr(output, 'shape', type(output).__name__)
            raise ValueError(
                'AnyBackbone needs a network that puts out maps (B, C, h, w) '
                f'or tokens (B, L, C), got {shape}; mmpretrain pools unless '
                "it is told out_type='featmap' or gap_before_final_norm=False"
            )
        if output.ndim == 3:
            return self._laid_out(output, int(x.shape[2]), int(x.shape[3]))
        inner = getattr(self.trunk, 'timm_model', None)
        if getattr(inner, 'output_fmt', '') == 'NHWC':
            return output.permute(0, 3, 1, 2)
        return output

    def _laid_out(self, tokens: Tensor, height: int, width: int) -> Tensor:
        """Tokens (B, L, C) of the pieces of an image as (B, C, h, w)."""
        inner = getattr(self.trunk, 'timm_model', self.trunk)
        extra = getattr(inner, 'num_prefix_tokens', None)
        if extra is None:
            extra = getattr(inner, 'num_extra_tokens', 0)
        pieces = tokens[:, extra:]
        count = int(pieces.shape[1])
        rows = round(math.sqrt(count * height / width))
        if rows == 0 or count % rows:
            raise ValueError(
                f'AnyBackbone: {count} tokens of an image of {height} x '
                f'{width} pixels are no whole rows'
            )
        if self.class_token == 'add':
            if not extra:
                raise ValueError(
                    "AnyBackbone.class_token='add': the network puts out no "
                    "class token; set it to 'drop'"
                )
            pieces = pieces + tokens[:, :1]
        # Not len(), which tracing takes for a constant.
        grid = (tokens.shape[0], -1, rows, count // rows)
        return pieces.transpose(1, 2).reshape(grid)

    def own_names(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Rename the tensors of a file of the same network.

        Those of the one stem become ``stem.*``; classifiers are left out.
        Where none of the file's names is the network's, as of MobileNetV2 in
        torchvision, tensors go by their order, if all shapes agree.
        """
        given = {k.removeprefix(TIMM): v for k, v in state.items()}
        own = {name.removeprefix(TIMM): name for name in self._tensors}
        given = {
            name: value
            for name, value in given.items()
            if name in own or not name.startswith(CLASSIFIERS)
        }
        if not given.keys() & own.keys() and self._same_order(given):
            own = dict(zip(given, self._tensors, strict=True))
        return {
            self._own_name(own[name]) if name in own else name: value
            for name, value in given.items()
        }

    def _same_order(self, given: Mapping[str, Tensor]) -> bool:
        """Tell whether tensors look like those of the network, in order."""
        return [(k.split('.')[-1], v.shape) for k, v in given.items()] == [
            (k.split('.')[-1], v) for k, v in self._tensors.items()
        ]

    def _own_name(self, name: str) -> str:
        """Name here of a tensor of the network, with one stem."""
        for module in self._stem_modules:
            if name.startswith(f'{module}.'):
                return f'stem.{_key(module)}{name.removeprefix(module)}'
        return f'trunk.{name}'

    def get_layer_depth(self, name: str) -> tuple[int, int]:
        """Return the layer of a parameter, and the number of layers.

        As mmpretrain's optimizer constructor with rates by layer asks.
        """
        depth = getattr(self.trunk, 'get_layer_depth', None)
        if depth is None:
            raise ValueError(
                f'AnyBackbone: {type(self.trunk).__name__} does not number '
                'its layers; use paramwise_cfg.custom_keys with lr_mult'
            )
        own, layers = depth(name.removeprefix('trunk.'))
        return (own if name.startswith('trunk.') else 0), layers


def _key(module: str) -> str:
    """Name of a module as a key, which has no dots."""
    return module.replace('.', '_')
