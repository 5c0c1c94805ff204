"""The re-identification model."""

import inspect

import torch
import torch.nn.functional as F
from mmengine.model import BaseModel
from torch import Tensor, nn

from mmgl.checkpoints.fit import LoadReport, check_init_from, load_backbone
from mmgl.models.heads.feature_weights import feature_weights
from mmgl.registry import MODELS
from mmgl.structures import routing_modality


@MODELS.register_module()
class ReIDModel(BaseModel):
    """Backbone, neck and named heads; methods differ by config.

    In training the losses of all heads are summed (Eq. 8 of the MMGL paper);
    in testing one feature of the neck is used.

    Args:
        backbone: Config of a backbone ``(x, modality) -> feature map``.
        neck: Config of a neck ``feature map -> dict of features``; a missing
            ``in_channels`` is taken from the backbone.
        heads: Name and config of each head; a missing ``in_channels`` is
            taken from the neck. A head whose constructor asks for
            ``feature_channels`` gets the lengths of all features instead.
            The name is the prefix of its log entries. None leaves a head of
            a base config out.
            A model without heads can only be tested.
        test_feature: Name of the feature used for retrieval.
        flip_test: Average the normalised features of each image and of its
            mirror image.
        normalize: Hand out features of length 1; False, without
            ``flip_test``, for those that the neck gives, which distances
            other than cosine tell apart.
        init_from: Initial backbone weights: None for random ones, or
            ``dict(kind='imagenet', checkpoint='torchvision://resnet50')`` or
            ``dict(kind='mmgl', checkpoint=PATH, stems='exact')``; see
            :func:`mmgl.checkpoints.fit.load_backbone`.
        data_preprocessor: Config; ``ReIDDataPreprocessor`` by default.

    Raises:
        ValueError: If the parts do not fit each other.
    """

    def __init__(
        self,
        backbone: dict,
        neck: dict,
        heads: dict[str, dict] | None = None,
        test_feature: str = 'bn',
        flip_test: bool = False,
        normalize: bool = True,
        init_from: dict | None = None,
        data_preprocessor: dict | nn.Module | None = None,
    ) -> None:
        if data_preprocessor is None:
            data_preprocessor = dict(type='ReIDDataPreprocessor')
        if isinstance(data_preprocessor, dict):
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
        self.neck = _build_part('model.neck', neck, self.backbone.out_channels)
        lengths = self.neck.out_channels
        if test_feature not in lengths:
            raise ValueError(
                f'model.test_feature={test_feature!r} is not a '
                f'feature of the neck, which has {list(lengths)}'
            )
        self.heads = nn.ModuleDict()
        for name, cfg in (heads or {}).items():
            if cfg is not None:
                self.heads[name] = _build_head(name, cfg, lengths)

    def init_weights(self) -> None:
        """Load the weights named by ``init_from``.

        Random initialisation belongs to the constructors of the parts, so
        mmengine's walk over all modules (which logs every parameter) is left
        out.
        """
        if self.init_from is not None and self.init_report is None:
            settings = dict(self.init_from)
            self.init_report = load_backbone(
                self.backbone, settings.pop('checkpoint', None), **settings
            )

    def forward(
        self,
        inputs: Tensor,
        targets: dict[str, Tensor],
        data_samples: list | None = None,
        mode: str = 'tensor',
    ) -> Tensor | dict | list:
        """Run the model.

        Args:
            inputs: Normalised images ``(B, 3, H, W)``.
            targets: ``modality`` ``(B,)`` always; ``pid`` ``(B,)`` for
                losses.
            data_samples: The samples, needed by 'predict'.
            mode: 'tensor', 'loss' or 'predict'.

        Returns:
            'tensor': the test feature ``(B, D)`` as the neck gives it.
            'loss': scalars named ``HEAD/loss`` and so on; those of plugins
            in the backbone are named ``backbone/STAGE_KEY``.
            'predict': the samples with ``feature`` ``(D,)`` set.

        Raises:
            ValueError: For an unknown mode or missing data.
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

    def extract(
        self, inputs: Tensor, targets: dict[str, Tensor]
    ) -> dict[str, Tensor]:
        """Compute the features of the neck.

        Args:
            inputs: Normalised images ``(B, 3, H, W)``.
            targets: ``modality`` ``(B,)``.

        Returns:
            Name and value ``(B, C)`` of each feature.
        """
        if 'modality' not in targets:
            raise ValueError(
                'ReIDModel needs the modality of every image: set the field '
                "'modality' (0 visible, 1 infrared) of each data sample"
            )
        return self.neck(self.backbone(inputs, routing_modality(targets)))

    def loss(
        self,
        inputs: Tensor,
        targets: dict[str, Tensor],
        data_samples: list | None = None,
    ) -> dict[str, Tensor]:
        """Compute the losses of all heads; see :meth:`forward`."""
        if len(self.heads) == 0:
            raise ValueError('model.heads is empty: there is no loss to train')
        self._check_pids(targets, data_samples)
        features = self.extract(inputs, targets)
        losses = {
            f'{name}/{key}': value
            for name, head in self.heads.items()
            for key, value in head.loss(features, targets).items()
        }
        if hasattr(self.backbone, 'auxiliary_losses'):
            losses.update(
                (f'backbone/{key}', value)
                for key, value in self.backbone.auxiliary_losses().items()
            )
        return losses

    def predict(
        self,
        inputs: Tensor,
        targets: dict[str, Tensor],
        data_samples: list | None,
    ) -> list:
        """Set the test feature of every sample; see :meth:`forward`."""
        if data_samples is None:
            raise ValueError(
                "mode='predict' needs data_samples; use "
                "mode='tensor' to get features alone"
            )
        features = self._test_feature(inputs, targets)
        if self.flip_test:
            mirrored = self._test_feature(inputs.flip(3), targets)
            features = F.normalize((features + mirrored) / 2, dim=1)
        for sample, feature in zip(data_samples, features, strict=True):
            sample.set_field(feature.detach(), 'feature')
        return data_samples

    def _test_feature(
        self, inputs: Tensor, targets: dict[str, Tensor]
    ) -> Tensor:
        """Test feature in fp32, of length 1 (0 for an all-zero feature)."""
        feature = self.extract(inputs, targets)[self.test_feature].float()
        if not self.normalize:
            return feature
        return F.normalize(feature, dim=1, eps=1e-12)

    def _check_pids(
        self, targets: dict[str, Tensor], data_samples: list | None
    ) -> None:
        """Refuse labels a classifier has no class for.

        Looks at the samples, which live on the host; labels on a device are
        left alone (reading them would stall it).
        """
        if 'pid' not in targets:
            raise ValueError(
                "ReIDModel: mode='loss' needs the field 'pid' of each data "
                'sample'
            )
        if data_samples:
            pids = [sample.get('pid') for sample in data_samples]
        elif targets['pid'].device == torch.device('cpu'):
            pids = targets['pid'].tolist()
        else:
            return
        for name, head in self.heads.items():
            classes = getattr(head, 'num_classes', None)
            if classes and (min(pids) < 0 or max(pids) >= classes):
                raise ValueError(
                    f'pids {min(pids)} to {max(pids)} in the batch, but '
                    f'model.heads.{name}.num_classes={classes}; set it to '
                    'the number of training identities of the data set'
                )


def _parameters(key: str, cfg: dict) -> dict[str, inspect.Parameter]:
    """Constructor arguments of the class a config names."""
    part = cfg.get('type')
    if isinstance(part, str):
        part = MODELS.get(part)
    if not inspect.isclass(part):
        raise ValueError(
            f'{key}.type={cfg.get("type")!r} is not the name of '
            'a registered model part'
        )
    return dict(inspect.signature(part).parameters)


def _build_part(key: str, cfg: dict, in_channels: int) -> nn.Module:
    """Build a part with ``in_channels``, filled in where it is missing."""
    cfg = dict(cfg)
    if 'in_channels' in _parameters(key, cfg):
        given = cfg.setdefault('in_channels', in_channels)
        if given != in_channels:
            raise ValueError(
                f'{key}.in_channels={given}, but its input has '
                f'{in_channels} channels; correct or omit it'
            )
    return MODELS.build(cfg)


def _build_head(name: str, cfg: dict, lengths: dict[str, int]) -> nn.Module:
    """Build a head and check the feature it asks for."""
    key = f'model.heads.{name}'
    if 'loss' in name:
        raise ValueError(
            f"{key}: a head name must not contain 'loss', since all log "
            'entries that contain it are summed; rename the head'
        )
    parameters = _parameters(key, cfg)
    if 'feature_channels' in parameters:
        return MODELS.build(dict(cfg, feature_channels=dict(lengths)))
    default = parameters.get('feature')
    feature = cfg.get('feature', default.default if default else None)
    names = list(feature_weights(key, feature))
    for name in names:
        if name not in lengths:
            raise ValueError(
                f'{key}.feature={name!r} is not a feature of '
                f'the neck, which has {list(lengths)}'
            )
    if len({lengths[name] for name in names}) > 1 and (
        'in_channels' in parameters
    ):
        raise ValueError(
            f'{key}.feature: {names} have the lengths '
            f'{[lengths[name] for name in names]}; one layer needs one length'
        )
    return _build_part(key, cfg, lengths[names[0]])
