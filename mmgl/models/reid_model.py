"""The one model: a backbone, a neck and named heads."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.model import BaseModel
from torch import Tensor, nn

from mmgl.checkpoints.fit import LoadReport, check_init_from, load_backbone
from mmgl.registry import MODELS
from mmgl.structures import routing_modality

from .building import Config, build_head, build_part
from .functional.monitors import modality_gap
from .protocols import Classifier, HasAuxiliaryLosses, PredictingHead, Tensors

Maps = Tensor | Tensors


class Targets(Tensors):
    """Targets that name the field of the samples that is missing."""

    def __missing__(self, name: str) -> Tensor:
        raise ValueError(
            f"ReIDModel: mode='loss' needs the field {name!r} of each data "
            'sample'
        )


@MODELS.register_module()
class ReIDModel(BaseModel):  # type: ignore[misc]
    """Backbone, neck and named heads; methods and pretexts are configs.

    In training the losses of all heads are summed (Eq. 7 and 8 of the MMGL
    paper); in testing one feature of the neck is used.

    Args:
        backbone: ``(x, modality) -> feature map``.
        neck: ``feature map -> dict of features``; a missing ``in_channels``
            is taken from the backbone.
        heads: By name, the prefix of their log entries; a missing
            ``in_channels`` is taken from the neck, and ``feature_channels``
            are the lengths of all its features. None leaves a head of a base
            config out. A model without heads can only be tested.
        test_feature: Name of the feature used for retrieval.
        flip_test: Average the normalised features of each image and of its
            mirror image.
        normalize: Hand out features of length 1; False, without
            ``flip_test``, as the neck gives them.
        init_from: None for a random backbone, or the arguments of
            :func:`mmgl.checkpoints.fit.load_backbone`.
        data_preprocessor: ``ReIDDataPreprocessor`` by default.

    Example:
        >>> model = ReIDModel(
        ...     backbone=dict(type='TwoStreamResNet', depth=18),
        ...     neck=dict(type='GlobalFeatureNeck'),
        ...     heads=dict(id=dict(type='ClassifierHead', num_classes=9)))
        >>> modality = torch.tensor([0, 1])
        >>> model(torch.rand(2, 3, 96, 48), dict(modality=modality)).shape
        torch.Size([2, 512])
    """

    def __init__(
        self,
        backbone: Config,
        neck: Config,
        heads: Mapping[str, Config | None] | None = None,
        test_feature: str = 'bn',
        flip_test: bool = False,
        normalize: bool = True,
        init_from: dict[str, Any] | None = None,
        data_preprocessor: Config | nn.Module | None = None,
    ) -> None:
        if data_preprocessor is None:
            data_preprocessor = dict(type='ReIDDataPreprocessor')
        if not isinstance(data_preprocessor, nn.Module):
            # Built here: mmengine would look in the scope of the moment.
            data_preprocessor = MODELS.build(data_preprocessor)
        super().__init__(data_preprocessor=data_preprocessor)
        check_init_from(init_from)
        self.init_from = init_from
        self.init_report: LoadReport | None = None
        self.test_feature = test_feature
        if flip_test and not normalize:
            raise ValueError(
                'model.flip_test averages normalised features; '
                'it needs model.normalize=True'
            )
        self.flip_test = flip_test
        self.normalize = normalize
        self.backbone = MODELS.build(backbone)
        self.neck = build_part('model.neck', neck, self.backbone.out_channels)
        lengths = self.neck.out_channels
        if test_feature not in lengths:
            raise ValueError(
                f'model.test_feature={test_feature!r} is not a '
                f'feature of the neck, which has {list(lengths)}'
            )
        self.heads: Any = nn.ModuleDict()
        for name, cfg in (heads or {}).items():
            if cfg is not None:
                self.heads[name] = build_head(name, cfg, lengths)

    def init_weights(self) -> None:
        """Load the weights named by ``init_from``, once.

        Random initialisation belongs to the constructors of the parts.
        """
        if self.init_from is not None and self.init_report is None:
            settings = dict(self.init_from)
            self.init_report = load_backbone(
                self.backbone, settings.pop('checkpoint', None), **settings
            )

    def forward(
        self,
        inputs: Tensor,
        targets: Tensors,
        data_samples: Sequence[Any] | None = None,
        mode: str = 'tensor',
    ) -> Tensor | Tensors | Sequence[Any]:
        """Run the model on what its data preprocessor made.

        ``targets`` have the ``modality`` ``(B,)`` of the images always, for
        losses also what the heads ask for, such as ``pid`` ``(B,)``. By mode:

        - 'tensor': the test feature ``(B, D)`` as the neck gives it;
        - 'loss': scalars ``HEAD/loss`` and so on, and ``backbone/STAGE_KEY``;
        - 'predict': the samples with ``feature`` ``(D,)`` set, and what
          heads add.
        """
        if mode == 'tensor':
            return self.extract(inputs, targets)[self.test_feature]
        if mode == 'loss':
            return self.loss(inputs, targets, data_samples)
        if mode == 'predict':
            return self.predict(inputs, targets, data_samples)
        raise ValueError(
            "ReIDModel.forward: mode must be 'tensor', 'loss' or "
            f"'predict', got {mode!r}"
        )

    def extract(self, inputs: Tensor, targets: Tensors) -> Tensors:
        """Compute all features of the neck, ``(B, C)`` each."""
        if 'modality' not in targets:
            raise ValueError(
                'ReIDModel needs the modality of every image: set the field '
                "'modality' (0 visible, 1 infrared) of each data sample"
            )
        features: Tensors = self.neck(
            self.backbone(inputs, routing_modality(targets))
        )
        return features

    def loss(
        self,
        inputs: Tensor,
        targets: Tensors,
        data_samples: Sequence[Any] | None = None,
    ) -> Tensors:
        """Compute the losses of all heads; see :meth:`forward`."""
        if len(self.heads) == 0:
            raise ValueError('model.heads is empty: there is no loss to train')
        self._check_pids(targets, data_samples)
        targets = Targets(targets)
        maps = self.backbone(inputs, routing_modality(targets))
        features = self.neck(maps)
        parts = {
            name: head.loss(features, targets)
            for name, head in self.heads.items()
        }
        if isinstance(self.backbone, HasAuxiliaryLosses):
            parts['backbone'] = self.backbone.auxiliary_losses()
        losses = {
            f'{name}/{key}': value
            for name, part in parts.items()
            for key, value in part.items()
        }
        return {**losses, **monitor(maps, targets)}

    def get_layer_depth(self, name: str) -> tuple[int, int]:
        """Return a parameter's layer and their number, for rates by layer."""
        inside = name.removeprefix('backbone.')
        own, layers = self.backbone.get_layer_depth(inside)
        return (own if inside != name else layers - 1), layers

    def predict(
        self,
        inputs: Tensor,
        targets: Tensors,
        data_samples: Sequence[Any] | None,
    ) -> Sequence[Any]:
        """Set the test feature of every sample; see :meth:`forward`."""
        if data_samples is None:
            raise ValueError(
                "mode='predict' needs data_samples; use "
                "mode='tensor' to get features alone"
            )
        features = self.extract(inputs, targets)
        vectors = self._flip_averaged(features, inputs, targets)
        for sample, vector in zip(data_samples, vectors, strict=True):
            sample.set_field(vector.detach(), 'feature')
        for head in self.heads.values():
            if isinstance(head, PredictingHead):
                head.predict(features, targets, data_samples)
        return data_samples

    def embed(self, inputs: Tensor, targets: Tensors) -> Tensor:
        """Compute the vectors ``(B, D)`` that retrieval compares, in fp32."""
        features = self.extract(inputs, targets)
        return self._flip_averaged(features, inputs, targets)

    def _flip_averaged(
        self, features: Tensors, inputs: Tensor, targets: Tensors
    ) -> Tensor:
        """Test vectors, with ``flip_test`` averaged over mirrored images."""
        vectors = self._test_vectors(features)
        if not self.flip_test:
            return vectors
        mirrored = self._test_vectors(self.extract(inputs.flip(3), targets))
        return F.normalize((vectors + mirrored) / 2, dim=1)

    def _test_vectors(self, features: Tensors) -> Tensor:
        """Test feature in fp32, of length 1 (0 for an all-zero feature)."""
        feature = features[self.test_feature].float()
        if not self.normalize:
            return feature
        return F.normalize(feature, dim=1, eps=1e-12)

    def _check_pids(
        self, targets: Tensors, data_samples: Sequence[Any] | None
    ) -> None:
        """Refuse labels a classifier has no class for, as the host knows."""
        classifiers = {
            name: head.num_classes
            for name, head in self.heads.items()
            if isinstance(head, Classifier)
        }
        if not classifiers or 'pid' not in targets:
            return
        if data_samples:
            pids = [sample.get('pid') for sample in data_samples]
        elif targets['pid'].device == torch.device('cpu'):
            pids = targets['pid'].tolist()
        else:
            return
        for name, classes in classifiers.items():
            if min(pids) < 0 or max(pids) >= classes:
                raise ValueError(
                    f'pids {min(pids)} to {max(pids)} in the batch, but '
                    f'model.heads.{name}.num_classes={classes}; set it to '
                    'the number of training identities of the data set'
                )


@torch.no_grad()
def monitor(maps: Maps, targets: Tensors) -> Tensors:
    """``modality_gap`` of the pooled backbone, if both modalities are there.

    Of several maps an image, that of all their features side by side.
    """
    on_host = routing_modality(targets)
    if on_host.min() == on_host.max():
        return {}
    if not isinstance(maps, Tensor):
        maps = torch.cat(
            [one.flatten(2).mean(dim=2) for one in maps.values()], dim=1
        )
    return dict(modality_gap=modality_gap(maps, targets['modality']))
