"""Progressive stage-wise learning with jigsaw puzzles."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mmgl.registry import HEADS, MODELS
from mmgl.structures import routing_modality

from ..backbones.base_resnet import STAGES
from ..functional.monitors import modality_gap
from .pretext_pretrainer import PretextPretrainer, by_source, prepare_tiles


@MODELS.register_module()
class PSLPretrainer(PretextPretrainer):
    """Early layers learn an easy puzzle first, late ones a hard one last.

    Our re-implementation of the idea of Li et al., "Progressive Stage-wise
    Learning for Unsupervised Feature Representation Enhancement" (CVPR
    2021): a task in levels of difficulty, one for each stage of the network,
    and heads on intermediate features. How the stages are cut, which
    settings the tasks have and how long a stage lasts is not published in a
    form we could use; here stage k is trained, with all stages before it, on
    puzzle k, and what comes after it is neither run nor changed.

    The data say which stage it is: ``EpochStages`` changes the puzzle with
    the epoch, and the number of tiles names the stage.

    Args:
        backbone (dict): Config of a one- or two-stream backbone.
        stages (Sequence[dict]): For each stage ``layers``, the names of its
            layers, and ``head``, the config of a :class:`JigsawHead`. The
            layers of all stages are those of the backbone in order (the stem
            belongs to the first stage), and no two heads have equally many
            tiles.
        prev_gradient (float): Factor of the gradient that goes on from a
            stage to the one before it. 1 trains all stages so far alike, 0
            stops the gradient; between, it works as a lower learning rate
            (but for weight decay). Defaults to 1.
        freeze_prev (bool): Keep the stages before the current one as they
            are, batch norm statistics included. Defaults to False.
        standardise (bool): As in :class:`JigsawPretrainer`. Defaults to
            True.
        data_preprocessor (dict, optional): Config of the preprocessor.

    Raises:
        ValueError: If the stages do not fit the backbone, two heads have
            the same number of tiles, or ``prev_gradient`` is not in [0, 1].
    """

    def __init__(
        self,
        backbone: dict,
        stages: Sequence[dict],
        prev_gradient: float = 1.0,
        freeze_prev: bool = False,
        standardise: bool = True,
        data_preprocessor: dict | None = None,
    ) -> None:
        super().__init__(backbone, data_preprocessor)
        self.stages = [tuple(stage['layers']) for stage in stages]
        if sum(self.stages, ()) != STAGES or not all(self.stages):
            raise ValueError(
                'PSLPretrainer.stages: the layers of all stages must be '
                f'{STAGES} in order, got {self.stages}'
            )
        if not 0 <= prev_gradient <= 1:
            raise ValueError(
                'PSLPretrainer.prev_gradient must be in [0, 1], '
                f'got {prev_gradient!r}'
            )
        self.heads = nn.ModuleList(
            [
                HEADS.build(
                    dict(
                        in_channels=self.backbone.stage_channels(layers[-1]),
                        **stage['head'],
                    )
                )
                for layers, stage in zip(self.stages, stages, strict=True)
            ]
        )
        tiles = [head.num_tiles for head in self.heads]
        if len(set(tiles)) < len(tiles):
            raise ValueError(
                f'PSLPretrainer.stages: heads with {tiles} tiles; the number '
                'of tiles names the stage and must differ'
            )
        self.prev_gradient = prev_gradient
        self.freeze_prev = freeze_prev
        self.standardise = standardise

    def prepare(self, inputs: Tensor) -> Tensor:
        """Standardise tiles, or whole images when there are no tiles.

        Args:
            inputs (Tensor): Images of shape (B, 3, H, W).

        Returns:
            Tensor: Images of the same shape.
        """
        return prepare_tiles(inputs, self.standardise)

    def stage_of(self, num_tiles: int) -> int:
        """Stage of a puzzle.

        Args:
            num_tiles (int): Tiles of the puzzle.

        Returns:
            int: Number of the stage, from 0.

        Raises:
            ValueError: If no head has so many tiles.
        """
        tiles = [head.num_tiles for head in self.heads]
        if num_tiles not in tiles:
            raise ValueError(
                f'PSLPretrainer: puzzles of {num_tiles} tiles, but stages '
                f'for {tiles}; JigsawTiles.grid and stages.head.num_tiles '
                'must agree.'
            )
        return tiles.index(num_tiles)

    def forward_stage(
        self, inputs: Tensor, modality: Tensor, stage: int
    ) -> Tensor:
        """Compute the output of a stage.

        Args:
            inputs (Tensor): Prepared images of shape (B, 3, H, W).
            modality (Tensor): 0 visible, 1 infrared, shape (B, ).
            stage (int): Number of the stage, from 0.

        Returns:
            Tensor: Feature map (B, C, h, w) of the stage's last layer.
        """
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
        return self.backbone.forward_trunk(x, modality, self.stages[stage])

    def _set_frozen(self, stage: int) -> None:
        """Put the stages before one into evaluation mode."""
        names = sum(self.stages[:stage], ())
        modules = [
            m for name in names for m in self.backbone.stage_modules(name)
        ]
        if stage:
            modules += [
                getattr(self.backbone, name)
                for name in self.backbone.stem_names
            ]
        for module in modules:
            module.eval()

    def compute_losses(
        self, inputs: Tensor, targets: dict[str, Tensor]
    ) -> dict[str, Tensor]:
        """Compute the loss of the current stage.

        Args:
            inputs (Tensor): Tiles of shape (B * n, 3, h, w).
            targets (dict[str, Tensor]): ``modality``, ``source`` and
                ``view`` (B * n, ), ``permutation`` (B * n, n).

        Returns:
            dict[str, Tensor]: ``loss_jigsaw``, ``jigsaw_top1``,
            ``modality_gap`` behind the stage, and ``stage``, from 1.
        """
        permutation = by_source(targets['permutation'], targets)[:, 0]
        stage = self.stage_of(permutation.shape[1])
        feature_map = self.forward_stage(
            self.prepare(inputs), routing_modality(targets), stage
        )
        tiles = by_source(feature_map.mean(dim=(2, 3)), targets)
        losses = self.heads[stage].loss(tiles, permutation)
        return dict(
            losses,
            modality_gap=modality_gap(feature_map, targets['modality']),
            stage=inputs.new_tensor(stage + 1.0),
        )


def _scale_gradient(x: Tensor, factor: float) -> Tensor:
    """Keep a tensor, but multiply its gradient by a factor."""
    if factor == 1 or not x.requires_grad:
        return x
    return factor * x + (1 - factor) * x.detach()
