"""What one-stream and two-stream residual networks share."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmgl.registry import MODELS
from mmgl.utils.checks import require

from ..layers import NonLocalBlock
from ..protocols import HasAuxiliaryLosses, Tensors
from .resnet_parts import (
    ARCHITECTURES,
    ResNetStem,
    build_stages,
    init_residual,
    non_local_places,
)

STAGES = ('layer1', 'layer2', 'layer3', 'layer4')


class BaseReIDResNet(nn.Module):
    """Stem(s) and shared trunk of Table I of the MMGL paper.

    Images ``(B, 3, H, W)`` and modality numbers ``(B,)`` give feature maps
    ``(B, out_channels, h, w)``. Subclasses name their stems in
    ``stem_names`` and route images to them. Pre-trained weights are loaded by
    ``mmgl.checkpoints.fit``.

    Args:
        depth: 18, 34, 50 or 101.
        base_channels: Channels of the stem; 64 is the standard width.
        last_stride: Stride of the last stage; 1 keeps the finer feature map
            used for person re-identification.
        non_local: None, or 'agw' for non-local blocks at the places of AGW.
        non_local_channels: Channels inside a non-local block: 1 as
            published, another number, or 'half' for half of its input.
        plugins: Stage name and config (None for none) of a layer behind that
            stage, called as ``layer(x, modality)``, which keeps the shape; a
            missing ``in_channels`` is filled in.
        num_stages: Stages from the first on, 2 to 4; initial weights may have
            the others.
        norm_eval: Keep batch norm statistics frozen while training; scale
            and shift stay trainable.
    """

    stem_names: tuple[str, ...] = ()

    def __init__(
        self,
        depth: int = 50,
        base_channels: int = 64,
        last_stride: int = 1,
        non_local: str | None = None,
        non_local_channels: int | str = 1,
        plugins: Mapping[str, Mapping[str, Any] | None] | None = None,
        norm_eval: bool = False,
        num_stages: int = len(STAGES),
    ) -> None:
        super().__init__()
        depths, width = tuple(ARCHITECTURES), base_channels
        require(self, depth in depths, f'depth as one of {depths}', depth)
        good = _is_count(width)
        require(self, good, 'base_channels as positive int', width)
        good = last_stride in (1, 2)
        require(self, good, 'last_stride 1 or 2', last_stride)
        good = non_local in (None, 'agw')
        require(self, good, "non_local None or 'agw'", non_local)
        inside = non_local_channels
        good = inside == 'half' or _is_count(inside)
        rule = "non_local_channels as positive int or 'half'"
        require(self, good, rule, inside)
        good = num_stages in range(2, len(STAGES) + 1)
        require(self, good, 'num_stages 2 to 4', num_stages)
        self.depth = depth
        self.norm_eval = norm_eval
        self.stem_channels = width
        self.stages, left_out = STAGES[:num_stages], STAGES[num_stages:]
        # What a checkpoint may have besides.
        self.left_out = tuple(f'{name}.' for name in left_out)
        self.out_channels = (width * ARCHITECTURES[depth][2]) << num_stages - 1
        for name in self.stem_names:
            self.add_module(name, ResNetStem(width))
        stages = build_stages(depth, width, last_stride)
        for name, stage in zip(self.stages, stages, strict=False):
            self.add_module(name, stage)
        for name in (*self.stem_names, *self.stages):
            init_residual(self.get_submodule(name))
        # Empty ones stay: they add nothing to a checkpoint.
        self.non_local = nn.ModuleDict()
        places = non_local_places(depth) if non_local == 'agw' else []
        for stage_name, index in places:
            if stage_name not in self.stages:
                continue
            channels = self.stage_channels(stage_name)
            self.non_local[f'{stage_name}_{index}'] = NonLocalBlock(
                channels, inside if isinstance(inside, int) else channels // 2
            )
        self.plugins = nn.ModuleDict()
        self._build_plugins(plugins or {})

    @property
    def copies(self) -> int:
        """Maps that come out for an image."""
        plugins = self.plugins.values()
        return max([1, *(getattr(p, 'copies', 1) for p in plugins)])

    def stage_channels(self, stage: str) -> int:
        """Channels that a stage, 'layer1' to 'layer4', puts out."""
        behind = len(self.stages) - 1 - self.stages.index(stage)
        return self.out_channels >> behind

    def _build_plugins(
        self, plugins: Mapping[str, Mapping[str, Any] | None]
    ) -> None:
        named = {stage for stage, cfg in plugins.items() if cfg}
        unknown = sorted(named - set(self.stages) | set(plugins) - set(STAGES))
        if unknown:
            raise ValueError(
                f'{type(self).__name__}.plugins: no stage '
                f'{unknown}; choose among {self.stages}'
            )
        before = self.stem_channels
        for stage in self.stages:
            if cfg := plugins.get(stage):
                default = dict(in_channels=self.stage_channels(stage))
                kind = cfg.get('type')
                kind = MODELS.get(kind) if isinstance(kind, str) else kind
                if hasattr(kind, 'takes_input'):
                    default['low_channels'] = before
                self.plugins[stage] = MODELS.build({**default, **cfg})
            before = self.stage_channels(stage)

    def auxiliary_losses(self) -> Tensors:
        """``STAGE_KEY`` and scalar of what plugins have, if any."""
        return {
            f'{stage}_{key}': value
            for stage, plugin in self.plugins.items()
            if isinstance(plugin, HasAuxiliaryLosses)
            for key, value in plugin.auxiliary_losses().items()
        }

    def stems(self) -> list[nn.Module]:
        """The stems, in the order of ``stem_names``."""
        return [self.get_submodule(name) for name in self.stem_names]

    def forward_stem(self, x: Tensor, modality: Tensor) -> Tensor:
        """Run the stem(s): ``(B, base_channels, H / 4, W / 4)``."""
        raise NotImplementedError

    def forward_trunk(
        self, x: Tensor, modality: Tensor, stages: Sequence[str] | None = None
    ) -> Tensor:
        """Run shared stages, by default all, with blocks and plugins.

        ``x`` is the output of the stem, or of the stage before the first.
        """
        for stage in self.stages if stages is None else stages:
            before = x
            blocks = self.get_submodule(stage).children()
            for index, block in enumerate(blocks):
                x = block(x)
                name = f'{stage}_{index}'
                if name in self.non_local:
                    x = self.non_local[name](x)
            if stage in self.plugins:
                plugin = self.plugins[stage]
                more = (before,) if hasattr(plugin, 'takes_input') else ()
                x = plugin(x, modality, *more)
        return x

    def stage_modules(self, stage: str) -> list[nn.Module]:
        """The stage, its non-local blocks and its plugin."""
        added = {**self.non_local, **self.plugins}
        own = [added[name] for name in added if name.startswith(stage)]
        return [self.get_submodule(stage), *own]

    def forward(self, x: Tensor, modality: Tensor) -> Tensor | Tensors:
        """Compute the map, ``(B, 2048, 18, 9)`` of 288x144 by ResNet-50.

        A plugin that expands the batch makes several, by name. A modality
        that does not fit the batch is a TypeError or ValueError.
        """
        x = self.forward_trunk(self.forward_stem(x, modality), modality)
        if self.copies == 1:
            return x
        maps = x.reshape(self.copies, -1, *x.shape[1:]).unbind()
        return {f'branch_{i}': one for i, one in enumerate(maps)}

    def train(self, mode: bool = True) -> Self:
        """Switch the mode; with ``norm_eval`` batch norms stay in eval."""
        super().train(mode)
        if mode and self.norm_eval:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self


def _is_count(value: object) -> bool:
    return isinstance(value, int) and value >= 1
