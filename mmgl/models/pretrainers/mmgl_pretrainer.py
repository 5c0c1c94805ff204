"""Modality-aware multiple granularity pre-training."""

import torch
from mmengine.model import BaseModel
from torch import Tensor
from torch.nn import functional as F

from mmgl.registry import BACKBONES, HEADS, MODELS


@MODELS.register_module()
class MMGLPretrainer(BaseModel):
    """Wiring of MMGL: one backbone, a global and a part branch.

    Wan et al., "Self-Supervised Modality-Aware Multiple Granularity
    Pre-Training for RGB-Infrared Person Re-Identification", Fig. 2 and
    Eq. 7. Every term is a config: ``part_head=None`` leaves P of Table V,
    ``part_head.contrast=None`` P+E, ``part_head.position=False`` P+C.

    Args:
        backbone (dict): Config of a one- or two-stream backbone.
        permutation_head (dict): Config of :class:`PermutationHead`.
        part_head (dict, optional): Config of :class:`PartHead`.
        data_preprocessor (dict, optional): Config of the preprocessor.
    """

    def __init__(self,
                 backbone: dict,
                 permutation_head: dict,
                 part_head: dict | None = None,
                 data_preprocessor: dict | None = None) -> None:
        if data_preprocessor is None:
            data_preprocessor = dict(type='ReIDDataPreprocessor')
        # Built here: mmengine would look in the scope of the moment.
        super().__init__(data_preprocessor=MODELS.build(data_preprocessor))
        self.backbone = BACKBONES.build(backbone)
        channels = self.backbone.out_channels
        self.permutation_head = HEADS.build(
            dict(in_channels=channels, **permutation_head))
        self.part_head = None if part_head is None else HEADS.build(
            dict(in_channels=channels, **part_head))

    def init_weights(self) -> None:
        """Keep the initialisation of the constructors: no weights enter."""

    def forward(self,
                inputs: Tensor,
                targets: dict[str, Tensor],
                data_samples: list | None = None,
                mode: str = 'tensor') -> Tensor | dict | list:
        """Run the model.

        Args:
            inputs (Tensor): Shuffled images of shape (B, 3, H, W).
            targets (dict[str, Tensor]): ``modality`` (B, ) and, for the
                losses, ``permutation`` (B, N).
            data_samples (list, optional): Samples that 'predict' fills.
            mode (str): 'tensor', 'loss' or 'predict'.

        Returns:
            Tensor | dict | list: Global features (B, C), losses, or samples
            with ``permutation_logits`` (N, N) and ``feature`` (C, ).

        Raises:
            ValueError: If ``mode`` is unknown.
        """
        feature_map = self.backbone(inputs, targets['modality'])
        feature = feature_map.mean(dim=(2, 3))
        if mode == 'tensor':
            return feature
        if mode == 'loss':
            losses = self.permutation_head.loss(feature, targets)
            if self.part_head is not None:
                losses.update(self.part_head.loss(feature_map, targets))
            return losses
        if mode == 'predict':
            return self._predict(feature, targets['modality'], data_samples)
        raise ValueError(f"mode={mode!r} is not 'tensor', 'loss' or "
                         "'predict'.")

    @torch.no_grad()
    def _predict(self, feature: Tensor, modality: Tensor,
                 data_samples: list) -> list:
        logits = self.permutation_head(feature, modality).float()
        feature = F.normalize(feature.float(), dim=1)
        for sample, matrix, vector in zip(
                data_samples, logits, feature, strict=True):
            sample.permutation_logits = matrix
            sample.feature = vector
        return data_samples
