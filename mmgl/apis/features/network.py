"""The network of a config with the weights of any checkpoint."""

from pathlib import Path

import torch
from mmengine.config import Config
from torch import nn

from mmgl.checkpoints.fit import ADDED, PREFIX, STEMS, load_backbone
from mmgl.checkpoints.provenance import check_state, read_checkpoint
from mmgl.checkpoints.reader import read_state_dict
from mmgl.config.checking import nearest
from mmgl.registry import MODELS
from mmgl.utils.compat import registry_scope
from mmgl.utils.errors import ConfigError

RANDOM = 'random'
KINDS = ('mmgl', 'imagenet', RANDOM)
FEATURES = ('backbone', 'test')
PREPROCESSOR = 'ReIDDataPreprocessor'
# A first layer under torchvision's name, with or without a prefix.
_CLASSIFIER_STEMS = ('conv1.weight', f'{PREFIX}conv1.weight')


def detect_kind(checkpoint: str, state: dict | None = None) -> str:
    """Tell where a checkpoint comes from.

    Args:
        checkpoint: 'random', ``torchvision://resnetNN`` or a file.
        state: Its tensors, if they are read already.

    Returns:
        'random'; 'imagenet' for a classifier with torchvision's names; or
        'mmgl' for a checkpoint of this package.
    """
    if checkpoint == RANDOM:
        return RANDOM
    state = read_state_dict(checkpoint) if state is None else state
    return 'imagenet' if any(n in state for n in _CLASSIFIER_STEMS) else 'mmgl'


def backbone_config(cfg: Config) -> dict:
    """Return the config of the backbone, also out of an adapter.

    Args:
        cfg: A whole config.

    Returns:
        Config of a backbone ``(x, modality) -> feature map``.

    Raises:
        ConfigError: If the config has none.
    """
    backbone = (cfg.get('model') or {}).get('backbone')
    if not backbone or 'type' not in backbone:
        raise ConfigError(
            'the config has no model.backbone; give one of a '
            'pre-training or a fine-tuning'
        )
    # Several networks are one backbone of this package; an adapter is not.
    if str(backbone['type']).rsplit('.')[-1] != 'MutualNetworks':
        backbone = backbone.get('network', backbone)
    return dict(backbone)


def _stems(backbone: nn.Module, state: dict) -> str:
    """One stem of the checkpoint goes into both of a backbone with two."""
    two = any(f'{STEMS["visible"]}conv1.weight' in name for name in state)
    to_two = any(
        f'{STEMS["visible"]}conv1.weight' in name
        for name in backbone.state_dict()
    )
    return 'duplicate' if to_two and not two else 'exact'


def build_backbone(
    cfg: Config, checkpoint: str, kind: str | None = None, seed: int = 0
) -> tuple[nn.Module, str]:
    """Build the backbone of a config and load a checkpoint into it.

    Args:
        cfg: A whole config.
        checkpoint: 'random', ``torchvision://resnetNN``, or a file of this
            package or of a classifier.
        kind: One of ``KINDS``; by default found out.
        seed: Seed of the random weights.

    Returns:
        The backbone, on the CPU in evaluation mode, and the kind.

    Raises:
        ConfigError: For an unknown kind.
        FileNotFoundError: If there is no such checkpoint.
        ValueError: If it does not fit the backbone.
    """
    if kind is not None and kind not in KINDS:
        raise ConfigError(
            f'--init-kind must be one of {", ".join(KINDS)}, '
            f'got {kind!r}{nearest(kind, KINDS)}'
        )
    state = None
    if kind != RANDOM and checkpoint != RANDOM:
        state = read_state_dict(checkpoint)
    kind = kind or detect_kind(checkpoint, state)
    with registry_scope(), torch.random.fork_rng():
        torch.manual_seed(seed)
        backbone = MODELS.build(backbone_config(cfg))
    if kind == 'imagenet':
        load_backbone(backbone, checkpoint, kind)
    elif kind == 'mmgl':
        # Blocks that a fine-tuning adds start as it would start them.
        load_backbone(
            backbone,
            checkpoint,
            kind,
            _stems(backbone, state),
            allow_missing=ADDED,
        )
    return backbone.eval(), kind


def build_model(cfg: Config, checkpoint: str) -> nn.Module:
    """Build the whole model of a config and load its own checkpoint.

    Args:
        cfg: A whole config.
        checkpoint: A checkpoint of that config.

    Returns:
        The model, on the CPU in evaluation mode.

    Raises:
        ConfigError: If the checkpoint does not fit.
    """
    state = read_checkpoint(checkpoint)['state_dict']
    settings = dict(cfg.model)
    if 'init_from' in settings:
        settings['init_from'] = None
    with registry_scope():
        model = MODELS.build(settings)
    check_state(model, state, checkpoint)
    # What is left out now are heads, which testing does not use.
    shapes = {k: v.shape for k, v in model.state_dict().items()}
    state = {k.removeprefix('module.'): v for k, v in state.items()}
    model.load_state_dict(
        {k: v for k, v in state.items() if shapes.get(k) == v.shape},
        strict=False,
    )
    return model.eval()


def build_preprocessor(cfg: Config) -> nn.Module:
    """Build what normalises the images, as in fine-tuning.

    Args:
        cfg: A whole config.

    Returns:
        The config's own preprocessor if it is that of re-identification
        models, else one with default settings: what other pre-trainers do
        to an image is a part of their task.
    """
    settings = (cfg.get('model') or {}).get('data_preprocessor') or {}
    if settings.get('type') != PREPROCESSOR:
        settings = dict(type=PREPROCESSOR)
    with registry_scope():
        return MODELS.build(dict(settings))


def checkpoint_meta(checkpoint: str, kind: str) -> dict:
    """Return what a checkpoint says about its training.

    Args:
        checkpoint: As for :func:`build_backbone`.
        kind: Its kind.

    Returns:
        ``meta`` of the checkpoint, or an empty dict.
    """
    if kind != 'mmgl' or not Path(checkpoint).expanduser().is_file():
        return {}
    return dict(read_checkpoint(checkpoint).get('meta') or {})
