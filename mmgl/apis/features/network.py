"""The network of a config with the weights of any checkpoint."""

from collections.abc import Collection
from typing import Any

import torch
from mmengine.config import Config
from torch import nn

from mmgl.checkpoints.fit import ADDED, PREFIX, load_backbone
from mmgl.checkpoints.reader import read_state_dict
from mmgl.checkpoints.stems import STEMS
from mmgl.config.options import INIT_KINDS, RANDOM
from mmgl.registry import MODELS
from mmgl.utils.compat import registry_scope
from mmgl.utils.errors import ConfigError, nearest

PREPROCESSOR = 'ReIDDataPreprocessor'


_MADE_OF_NETWORKS = ('MutualNetworks', 'AnyBackbone')


def backbone_config(cfg: Config) -> dict[str, Any]:
    """Return the config of the backbone, also out of an adapter."""
    backbone = (cfg.get('model') or {}).get('backbone')
    if not backbone or 'type' not in backbone:
        raise ConfigError(
            'the config has no model.backbone; give one of a '
            'pre-training or a fine-tuning'
        )
    # What is made of networks is a backbone; an adapter of one is not.
    if str(backbone['type']).rsplit('.')[-1] not in _MADE_OF_NETWORKS:
        backbone = backbone.get('network', backbone)
    return dict(backbone)


def _stems(backbone: nn.Module, names: Collection[str]) -> str:
    """One stem of the checkpoint goes into both of a backbone with two."""
    first = STEMS['visible']
    two = any(first in name for name in names)
    to_two = any(first in name for name in backbone.state_dict())
    return 'duplicate' if to_two and not two else 'exact'


def build_backbone(
    cfg: Config, checkpoint: str, kind: str | None = None, seed: int = 0
) -> tuple[nn.Module, str]:
    """Build the backbone of a config, with weights, for evaluation.

    ``checkpoint`` is 'random' (with the seed), ``torchvision://resnetNN``,
    or a file of this package or of a classifier. The kind is found out, and
    returned too: 'random'; 'imagenet' for a classifier with torchvision's
    names; or 'mmgl' for a checkpoint of this package.

    Raises:
        ConfigError: For an unknown kind.
        FileNotFoundError: If there is no such checkpoint.
        ValueError: If it does not fit the backbone.
    """
    if kind is not None and kind not in INIT_KINDS:
        raise ConfigError(
            f'--init-kind must be one of {", ".join(INIT_KINDS)}, '
            f'got {kind!r}{nearest(kind, INIT_KINDS)}'
        )
    names: Collection[str] = ()
    if RANDOM not in (kind, checkpoint):
        names = read_state_dict(checkpoint).keys()
    if kind is None:
        # A first layer under torchvision's name, with or without a prefix.
        foreign = {'conv1.weight', f'{PREFIX}conv1.weight'} & {*names}
        found = 'imagenet' if foreign else 'mmgl'
        kind = RANDOM if checkpoint == RANDOM else found
    with registry_scope(), torch.random.fork_rng():
        torch.manual_seed(seed)
        backbone = MODELS.build(backbone_config(cfg))
    if kind == 'imagenet':
        load_backbone(backbone, checkpoint, kind)
    elif kind == 'mmgl':
        # Blocks that a fine-tuning adds start as it would start them.
        stems = _stems(backbone, names)
        load_backbone(backbone, checkpoint, kind, stems, allow_missing=ADDED)
    return backbone.eval(), kind


def build_preprocessor(cfg: Config) -> nn.Module:
    """Build what normalises the images, as in fine-tuning.

    It is the config's own if that is the one of re-identification models:
    what other pre-trainers do to an image is a part of their task.
    """
    settings = (cfg.get('model') or {}).get('data_preprocessor') or {}
    if settings.get('type') != PREPROCESSOR:
        settings = dict(type=PREPROCESSOR)
    with registry_scope():
        preprocessor: nn.Module = MODELS.build(dict(settings))
    return preprocessor
