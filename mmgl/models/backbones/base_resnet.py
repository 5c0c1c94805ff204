"""What one-stream and two-stream residual networks share."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmgl.models.layers import NonLocalBlock
from mmgl.registry import MODELS
from mmgl.structures.modality import INFRARED, VISIBLE

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

    Subclasses name their stems in ``stem_names`` and route images to them.
    Weights are initialised here, in the constructor; there is no further
    ``init_weights`` step. Loading is done by ``mmgl.checkpoints.fit``.

    Args:
        depth: 18, 34, 50 or 101.
        base_channels: Channels of the stem; 64 is the standard width.
        last_stride: Stride of the last stage; 1 keeps the finer feature map
            used for person re-identification.
        non_local: None, or 'agw' for non-local blocks at the places of AGW
            (see :func:`~.resnet_parts.non_local_places`).
        non_local_channels: Channels inside a non-local block: 1 as
            published, another number, or 'half' for half of its input.
        plugins: Stage name and config of a layer behind that stage, for
            example ``dict(layer3=dict(type='ModalityAlleviation'))``. The
            layer is called as ``layer(x, modality)`` and keeps the shape; a
            missing ``in_channels`` is filled in. Its parameters are named
            ``plugins.layer3.*``. None in place of a config: no layer.
        zero_init_residual: Start every residual block as its shortcut.
        norm_eval: Keep batch norm statistics frozen while training; scale
            and shift stay trainable.

    Attributes:
        out_channels (int): Channels of the output.
        depth (int): Depth given.

    Raises:
        ValueError: For a setting outside the above.
    """

    stem_names: tuple[str, ...] = ()

    def __init__(
        self,
        depth: int = 50,
        base_channels: int = 64,
        last_stride: int = 1,
        non_local: str | None = None,
        non_local_channels: int | str = 1,
        plugins: dict[str, dict] | None = None,
        zero_init_residual: bool = False,
        norm_eval: bool = False,
    ) -> None:
        super().__init__()
        self._check_settings(
            depth, base_channels, last_stride, non_local, non_local_channels
        )
        self.depth = depth
        self.norm_eval = norm_eval
        for name in self.stem_names:
            self.add_module(name, ResNetStem(base_channels))
        for name, stage in zip(
            STAGES,
            build_stages(depth, base_channels, last_stride),
            strict=True,
        ):
            self.add_module(name, stage)
        for name in (*self.stem_names, *STAGES):
            init_residual(getattr(self, name), zero_init_residual)
        self.out_channels = base_channels * 8 * ARCHITECTURES[depth][2]
        if non_local == 'agw':
            self.non_local = nn.ModuleDict()
            for stage, index in non_local_places(depth):
                channels = self.stage_channels(stage)
                inside = (
                    channels // 2
                    if non_local_channels == 'half'
                    else non_local_channels
                )
                self.non_local[f'{stage}_{index}'] = NonLocalBlock(
                    channels, inside
                )
        if plugins:
            self._build_plugins(plugins)

    def stage_channels(self, stage: str) -> int:
        """Channels that a stage puts out.

        Args:
            stage: 'layer1' to 'layer4'.

        Returns:
            Number of channels.
        """
        return self.out_channels >> (len(STAGES) - 1 - STAGES.index(stage))

    def _build_plugins(self, plugins: dict[str, dict]) -> None:
        unknown = sorted(set(plugins) - set(STAGES))
        if unknown:
            raise ValueError(
                f'{type(self).__name__}.plugins: no stage '
                f'{unknown}; choose among {STAGES}'
            )
        self.plugins = nn.ModuleDict()
        for stage in (name for name in STAGES if plugins.get(name)):
            cfg = dict(in_channels=self.stage_channels(stage))
            self.plugins[stage] = MODELS.build({**cfg, **plugins[stage]})

    def auxiliary_losses(self) -> dict[str, Tensor]:
        """Losses on what plugins computed in the last training forward.

        Returns:
            ``STAGE_KEY`` and scalar for each entry of the plugins' own
            ``auxiliary_losses()``; empty if no plugin has any.
        """
        return {
            f'{stage}_{key}': value
            for stage, plugin in getattr(self, 'plugins', {}).items()
            if hasattr(plugin, 'auxiliary_losses')
            for key, value in plugin.auxiliary_losses().items()
        }

    def _check_settings(
        self,
        depth: int,
        base_channels: int,
        last_stride: int,
        non_local: str | None,
        non_local_channels: int | str,
    ) -> None:
        name = type(self).__name__
        if depth not in ARCHITECTURES:
            raise ValueError(
                f'{name}.depth must be one of '
                f'{tuple(ARCHITECTURES)}, got {depth!r}'
            )
        if not isinstance(base_channels, int) or base_channels < 1:
            raise ValueError(
                f'{name}.base_channels must be a positive int, '
                f'got {base_channels!r}'
            )
        if last_stride not in (1, 2):
            raise ValueError(
                f'{name}.last_stride must be 1 or 2, got {last_stride!r}'
            )
        if non_local not in (None, 'agw'):
            raise ValueError(
                f"{name}.non_local must be None or 'agw', got {non_local!r}"
            )
        if non_local_channels != 'half' and (
            not isinstance(non_local_channels, int) or non_local_channels < 1
        ):
            raise ValueError(
                f"{name}.non_local_channels must be a positive int or 'half'"
                f', got {non_local_channels!r}'
            )

    def check_modality(self, x: Tensor, modality: Tensor) -> None:
        """Check that there is one modality number for each image.

        Args:
            x: Images ``(B, 3, H, W)``.
            modality: Modality numbers ``(B,)``.

        Raises:
            TypeError: If ``modality`` is no tensor of whole numbers.
            ValueError: If the length differs from the batch, or the batch is
                empty.
        """
        if not isinstance(modality, Tensor) or modality.is_floating_point():
            raise TypeError(
                f'{type(self).__name__} needs modality as a tensor of whole '
                f'numbers (0 visible, 1 infrared), got {modality!r}'
            )
        if modality.shape != x.shape[:1] or len(x) == 0:
            raise ValueError(
                f'{type(self).__name__} needs one modality number for each '
                f'image of a non-empty batch, got images {tuple(x.shape)} '
                f'and modality {tuple(modality.shape)}'
            )

    def forward_stem(self, x: Tensor, modality: Tensor) -> Tensor:
        """Run the stem(s); see the subclasses.

        Args:
            x: Images ``(B, 3, H, W)``.
            modality: Modality numbers ``(B,)``.

        Returns:
            Feature map ``(B, base_channels, H / 4, W / 4)``.
        """
        raise NotImplementedError

    def forward_trunk(
        self, x: Tensor, modality: Tensor, stages: Sequence[str] = STAGES
    ) -> Tensor:
        """Run shared stages with their non-local blocks and plugins.

        Args:
            x: Stem output ``(B, base_channels, H / 4, W / 4)``, or what
                comes out of the stage before the first of ``stages``.
            modality: Modality numbers ``(B,)``, for the plugins.
            stages: Stages to run, in order; all by default.

        Returns:
            Feature map ``(B, C, h, w)`` of the last of them; C is
            :meth:`stage_channels` of it, ``out_channels`` by default.
        """
        non_local = getattr(self, 'non_local', {})
        plugins = getattr(self, 'plugins', {})
        for stage in stages:
            for index, block in enumerate(getattr(self, stage)):
                x = block(x)
                name = f'{stage}_{index}'
                if name in non_local:
                    x = non_local[name](x)
            if stage in plugins:
                x = plugins[stage](x, modality)
        return x

    def stage_modules(self, stage: str) -> list[nn.Module]:
        """Everything that :meth:`forward_trunk` runs for one stage.

        Args:
            stage: 'layer1' to 'layer4'.

        Returns:
            The stage, its non-local blocks and its plugin.
        """
        modules = [getattr(self, stage)]
        for name, block in getattr(self, 'non_local', {}).items():
            if name.startswith(f'{stage}_'):
                modules.append(block)
        if stage in getattr(self, 'plugins', {}):
            modules.append(self.plugins[stage])
        return modules

    def forward(self, x: Tensor, modality: Tensor) -> Tensor:
        """Compute the feature map.

        Args:
            x: Images ``(B, 3, H, W)``.
            modality: Modality numbers ``(B,)``, 0 visible or 1 infrared.

        Returns:
            Feature map ``(B, out_channels, h, w)`` in the order of ``x``;
            for a ResNet-50 and 288x144 images ``(B, 2048, 18, 9)``.

        Raises:
            TypeError: If ``modality`` is no tensor of whole numbers.
            ValueError: If ``modality`` does not fit the batch.
        """
        return self.forward_trunk(self.forward_stem(x, modality), modality)

    def train(self, mode: bool = True) -> 'BaseReIDResNet':
        """Switch the mode; with ``norm_eval`` batch norms stay in eval."""
        super().train(mode)
        if mode and self.norm_eval:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self


def modality_indices(
    modality: Tensor, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Positions of the images of each modality.

    A modality tensor on the host costs no synchronisation with the device; a
    device one costs one copy to the host.

    Args:
        modality: Modality numbers ``(B,)``, each 0 or 1, on any device.
        device: Where the positions are needed.

    Returns:
        Positions of the visible and of the infrared images, each in batch
        order; the shapes are known on the host.

    Raises:
        ValueError: For a number other than 0 and 1.
    """
    modality = modality.cpu().long()
    visible = (modality == VISIBLE).nonzero().flatten()
    infrared = (modality == INFRARED).nonzero().flatten()
    if len(visible) + len(infrared) != len(modality):
        raise ValueError(
            'modality must be 0 (visible) or 1 (infrared), got '
            f'{sorted(set(modality.tolist()))}'
        )
    return (
        visible.to(device, non_blocking=True),
        infrared.to(device, non_blocking=True),
    )
