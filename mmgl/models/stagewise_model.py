"""Progressive stage-wise learning with jigsaw puzzles."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from mmgl.registry import MODELS
from mmgl.structures import routing_modality
from mmgl.utils.checks import require

from .backbones.base_resnet import STAGES
from .building import Config, build_head
from .protocols import Tensors
from .reid_model import ReIDModel, Targets, monitor


@MODELS.register_module()
class StagewiseModel(ReIDModel):
    """Early layers learn an easy puzzle first, late ones a hard one last.

    Our re-implementation of the idea of Li et al., "Progressive Stage-wise
    Learning for Unsupervised Feature Representation Enhancement" (CVPR
    2021), whose stages and tasks are not published in a form we could use:
    stage k is trained, with all stages before it, on puzzle k, and what comes
    after it is neither run nor changed. ``EpochStages`` changes the puzzle
    with the epoch, and its number of tiles names the stage.

    Args:
        stages: For each stage ``layers``, the names of its layers, and
            ``head``, the config of a :class:`~.heads.JigsawHead` with a
            number of tiles of its own. All layers are those of the backbone
            in order (the stem belongs to the first stage).
        prev_gradient: Factor, 0 to 1, of the gradient that goes on from a
            stage to the one before it; it works as a lower learning rate (but
            for weight decay).
        freeze_prev: Keep the stages before the current one as they are,
            batch norm statistics included.
    """

    def __init__(
        self,
        backbone: Config,
        stages: Sequence[Config],
        prev_gradient: float = 1.0,
        freeze_prev: bool = False,
        data_preprocessor: Config | None = None,
    ) -> None:
        super().__init__(
            backbone,
            neck=dict(type='MapNeck'),
            test_feature='pool',
            data_preprocessor=data_preprocessor,
        )
        self.stages = [tuple(stage['layers']) for stage in stages]
        if sum(self.stages, ()) != STAGES or not all(self.stages):
            raise ValueError(
                'StagewiseModel.stages: the layers of all stages must be '
                f'{STAGES} in order, got {self.stages}'
            )
        valid = 0 <= prev_gradient <= 1
        require(self, valid, 'prev_gradient in [0, 1]', prev_gradient)
        for number, stage in enumerate(stages, 1):
            channels = self.backbone.stage_channels(stage['layers'][-1])
            lengths = dict.fromkeys(self.neck.out_channels, channels)
            name = f'stage{number}'
            self.heads[name] = build_head(name, stage['head'], lengths)
        self.num_tiles = [head.num_tiles for head in self.heads.values()]
        if len(set(self.num_tiles)) < len(self.num_tiles):
            raise ValueError(
                f'StagewiseModel.stages: heads with {self.num_tiles} tiles; '
                'the number of tiles names the stage and must differ'
            )
        self.prev_gradient = prev_gradient
        self.freeze_prev = freeze_prev

    def stage_of(self, num_tiles: int) -> int:
        """Number of the stage, from 0, that puzzles of some tiles train."""
        if num_tiles not in self.num_tiles:
            raise ValueError(
                f'StagewiseModel: puzzles of {num_tiles} tiles, but stages '
                f'for {self.num_tiles}; JigsawTiles.grid and '
                'stages.head.num_tiles must agree.'
            )
        return self.num_tiles.index(num_tiles)

    def forward_stage(
        self, inputs: Tensor, modality: Tensor, stage: int
    ) -> Tensor:
        """Compute the feature map behind a stage, a number from 0."""
        if self.freeze_prev and self.training:
            self._set_frozen(stage)
        # Nothing of the stages before is needed for a gradient of zero.
        closed = self.freeze_prev or self.prev_gradient == 0
        with torch.set_grad_enabled(
            torch.is_grad_enabled() and not (closed and stage)
        ):
            x = self.backbone.forward_stem(inputs, modality)
            for layers in self.stages[:stage]:
                x = self.backbone.forward_trunk(x, modality, layers)
                x = _scale_gradient(x, self.prev_gradient)
        last = self.stages[stage]
        feature_map: Tensor = self.backbone.forward_trunk(x, modality, last)
        return feature_map

    def _set_frozen(self, stage: int) -> None:
        """Put the stages before one into evaluation mode."""
        modules = [
            module
            for name in sum(self.stages[:stage], ())
            for module in self.backbone.stage_modules(name)
        ]
        if stage:
            modules += self.backbone.stems()
        for module in modules:
            module.eval()

    def loss(
        self,
        inputs: Tensor,
        targets: Tensors,
        data_samples: Sequence[Any] | None = None,
    ) -> Tensors:
        """Compute ``jigsaw/...`` of the ``stage``, from 1, that tiles name."""
        targets = Targets(targets)
        stage = self.stage_of(targets['permutation'].shape[1])
        maps = self.forward_stage(inputs, routing_modality(targets), stage)
        head = self.heads[f'stage{stage + 1}']
        losses = head.loss(self.neck(maps), targets)
        return {
            **{f'jigsaw/{key}': value for key, value in losses.items()},
            **monitor(maps, targets),
            'stage': inputs.new_tensor(stage + 1.0),
        }


def _scale_gradient(x: Tensor, factor: float) -> Tensor:
    """Keep a tensor, but multiply its gradient by a factor."""
    if factor == 1 or not x.requires_grad:
        return x
    return factor * x + (1 - factor) * x.detach()
