"""What pre-trainers with a pretext task share."""

import torch
from mmengine.model import BaseModel
from torch import Tensor
from torch.nn import functional as F

from mmgl.registry import BACKBONES, MODELS
from mmgl.structures import routing_modality


class PretextPretrainer(BaseModel):
    """A backbone, and the modes that do not depend on the task.

    Subclasses implement :meth:`compute_losses` and, where the network sees
    other images than those given, :meth:`prepare`.

    Args:
        backbone (dict): Config of a one- or two-stream backbone.
        data_preprocessor (dict, optional): Config of the preprocessor.
    """

    def __init__(
        self, backbone: dict, data_preprocessor: dict | None = None
    ) -> None:
        if data_preprocessor is None:
            data_preprocessor = dict(type='ReIDDataPreprocessor')
        # Built here: mmengine would look in the scope of the moment.
        super().__init__(data_preprocessor=MODELS.build(data_preprocessor))
        self.backbone = BACKBONES.build(backbone)

    def init_weights(self) -> None:
        """Keep the initialisation of the constructors: no weights enter."""

    def prepare(self, inputs: Tensor) -> Tensor:
        """Make what the backbone sees of normalised images.

        Args:
            inputs (Tensor): Images of shape (B, 3, H, W).

        Returns:
            Tensor: Images of the same shape.
        """
        return inputs

    def compute_losses(
        self, inputs: Tensor, targets: dict[str, Tensor]
    ) -> dict[str, Tensor]:
        """Compute the losses of the task.

        Args:
            inputs (Tensor): Images of shape (B, 3, H, W).
            targets (dict[str, Tensor]): Targets of the preprocessor.

        Returns:
            dict[str, Tensor]: Losses, and values to log.
        """
        raise NotImplementedError

    def forward(
        self,
        inputs: Tensor,
        targets: dict[str, Tensor],
        data_samples: list | None = None,
        mode: str = 'tensor',
    ) -> Tensor | dict | list:
        """Run the model.

        Args:
            inputs (Tensor): Images of shape (B, 3, H, W); for the other
                modes than 'loss' whole ones.
            targets (dict[str, Tensor]): ``modality`` (B, ), and what the
                task needs for 'loss'.
            data_samples (list, optional): Samples that 'predict' fills.
            mode (str): 'tensor', 'loss' or 'predict'.

        Returns:
            Tensor | dict | list: Pooled features (B, C), losses, or samples
            with ``feature`` (C, ), of length 1.

        Raises:
            ValueError: If ``mode`` is unknown.
        """
        if mode == 'loss':
            return self.compute_losses(inputs, targets)
        if mode not in ('tensor', 'predict'):
            raise ValueError(
                f"mode={mode!r} is not 'tensor', 'loss' or 'predict'."
            )
        feature_map = self.backbone(
            self.prepare(inputs), routing_modality(targets)
        )
        feature = feature_map.mean(dim=(2, 3))
        if mode == 'tensor':
            return feature
        return self.predict(feature, targets['modality'], data_samples)

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
            list: The samples with ``feature`` (C, ), of length 1.
        """
        unit = F.normalize(feature.float(), dim=1)
        for sample, vector in zip(data_samples, unit, strict=True):
            sample.feature = vector
        return data_samples


def prepare_tiles(
    images: Tensor, standardise: bool = True, eps: float = 1e-4
) -> Tensor:
    """Make tiles ready for the backbone.

    On CPUs channels come last in memory, which makes convolutions of many
    small maps a quarter faster.

    Args:
        images (Tensor): Tiles of shape (B, 3, H, W).
        standardise (bool): Give every channel of every tile zero mean and
            unit variance. Defaults to True.
        eps (float): Added to the variance; by default about that of half a
            grey level, so that flat tiles are not turned into noise.

    Returns:
        Tensor: Tiles of the same shape.
    """
    if standardise:
        var, mean = torch.var_mean(
            images, dim=(2, 3), keepdim=True, unbiased=False
        )
        images = (images - mean) * (var + eps).rsqrt()
    if images.device.type == 'cpu':
        images = images.contiguous(memory_format=torch.channels_last)
    return images


def by_source(rows: Tensor, targets: dict[str, Tensor]) -> Tensor:
    """Put the views of each image side by side.

    Args:
        rows (Tensor): One row per view, (B * n, ...), in any order.
        targets (dict[str, Tensor]): ``source`` and ``view``, (B * n, ).

    Returns:
        Tensor: Rows in the order of images and views, (B, n, ...).

    Raises:
        ValueError: If the images have not the same number of views, or are
            not cut into views at all.
    """
    if 'view' not in targets:
        raise ValueError(
            'the images are whole and not in tiles; add '
            'JigsawTiles to the pipeline, before '
            'PackReIDInputs.'
        )
    source, view = targets['source'], targets['view']
    # Known on the host: as many as there are places in a permutation.
    views = targets['permutation'].shape[1]
    if len(rows) % views:
        raise ValueError(
            f'{len(rows)} tiles do not divide into puzzles of {views}.'
        )
    order = (source * views + view).argsort()
    return rows[order].unflatten(0, (-1, views))
