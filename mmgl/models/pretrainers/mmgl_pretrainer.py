"""Modality-aware multiple granularity pre-training."""

import torch
from torch import Tensor

from mmgl.registry import HEADS, MODELS
from mmgl.structures import routing_modality

from ..functional.monitors import modality_gap
from .pretext_pretrainer import PretextPretrainer


@MODELS.register_module()
class MMGLPretrainer(PretextPretrainer):
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

    def __init__(
        self,
        backbone: dict,
        permutation_head: dict,
        part_head: dict | None = None,
        data_preprocessor: dict | None = None,
    ) -> None:
        super().__init__(backbone, data_preprocessor)
        channels = self.backbone.out_channels
        self.permutation_head = HEADS.build(
            dict(in_channels=channels, **permutation_head)
        )
        self.part_head = (
            None
            if part_head is None
            else HEADS.build(dict(in_channels=channels, **part_head))
        )

    def compute_losses(
        self, inputs: Tensor, targets: dict[str, Tensor]
    ) -> dict[str, Tensor]:
        """Compute the terms of Eq. 7.

        Args:
            inputs (Tensor): Shuffled images of shape (B, 3, H, W).
            targets (dict[str, Tensor]): ``modality`` (B, ) and
                ``permutation`` (B, N).

        Returns:
            dict[str, Tensor]: Losses, and values to log.
        """
        feature_map = self.backbone(inputs, routing_modality(targets))
        losses = self.permutation_head.loss(
            feature_map.mean(dim=(2, 3)), targets
        )
        losses['modality_gap'] = modality_gap(feature_map, targets['modality'])
        if self.part_head is not None:
            losses.update(self.part_head.loss(feature_map, targets))
        return losses

    @torch.no_grad()
    def predict(
        self, feature: Tensor, modality: Tensor, data_samples: list
    ) -> list:
        """Fill the samples.

        Args:
            feature (Tensor): Pooled features (B, C).
            modality (Tensor): 0 visible, 1 infrared, shape (B, ).
            data_samples (list): Samples of the batch.

        Returns:
            list: The samples with ``permutation_logits`` (N, N) and
            ``feature`` (C, ), of length 1.
        """
        logits = self.permutation_head(feature, modality).float()
        for sample, matrix in zip(data_samples, logits, strict=True):
            sample.permutation_logits = matrix
        return super().predict(feature, modality, data_samples)
