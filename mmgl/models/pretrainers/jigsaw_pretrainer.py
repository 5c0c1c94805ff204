"""Jigsaw puzzles as a pretext task."""

from torch import Tensor

from mmgl.registry import HEADS, MODELS
from mmgl.structures import routing_modality

from ..functional.monitors import modality_gap
from .pretext_pretrainer import PretextPretrainer, by_source, prepare_tiles


@MODELS.register_module()
class JigsawPretrainer(PretextPretrainer):
    """Each tile through the backbone, then the order of all of them.

    Noroozi and Favaro, "Unsupervised Learning of Visual Representations by
    Solving Jigsaw Puzzles" (ECCV 2016). The tiles of ``JigsawTiles`` are
    rows of the batch and go through the stem of their image's modality;
    their pooled features meet in :class:`JigsawHead`.

    Args:
        backbone (dict): Config of a one- or two-stream backbone.
        head (dict): Config of :class:`JigsawHead`.
        standardise (bool): Give each channel of each tile zero mean and unit
            variance, since brightness and contrast would tell neighbours.
            Defaults to True.
        data_preprocessor (dict, optional): Config of the preprocessor.
    """

    def __init__(
        self,
        backbone: dict,
        head: dict,
        standardise: bool = True,
        data_preprocessor: dict | None = None,
    ) -> None:
        super().__init__(backbone, data_preprocessor)
        self.head = HEADS.build(
            dict(in_channels=self.backbone.out_channels, **head)
        )
        self.standardise = standardise

    def prepare(self, inputs: Tensor) -> Tensor:
        """Standardise tiles, or whole images when there are no tiles.

        Args:
            inputs (Tensor): Images of shape (B, 3, H, W).

        Returns:
            Tensor: Images of the same shape.
        """
        return prepare_tiles(inputs, self.standardise)

    def compute_losses(
        self, inputs: Tensor, targets: dict[str, Tensor]
    ) -> dict[str, Tensor]:
        """Compute the loss of :class:`JigsawHead`.

        Args:
            inputs (Tensor): Tiles of shape (B * n, 3, h, w).
            targets (dict[str, Tensor]): ``modality``, ``source`` and
                ``view`` (B * n, ), ``permutation`` (B * n, n).

        Returns:
            dict[str, Tensor]: ``loss_jigsaw``, ``jigsaw_top1`` and
            ``modality_gap``.
        """
        feature_map = self.backbone(
            self.prepare(inputs), routing_modality(targets)
        )
        tiles = by_source(feature_map.mean(dim=(2, 3)), targets)
        permutation = by_source(targets['permutation'], targets)
        losses = self.head.loss(tiles, permutation[:, 0])
        losses['modality_gap'] = modality_gap(feature_map, targets['modality'])
        return losses
