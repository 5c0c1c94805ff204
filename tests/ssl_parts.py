"""Small models of the contrastive rivals, for the tests."""

from mmgl.config.loading import load_config
from mmgl.utils.paths import config_dir

METHODS = ['simclr', 'swav', 'byol', 'simsiam', 'barlow-twins']
WIDTH = 32
ONE_STREAM = {'model.backbone.network.type': 'OneStreamResNet'}


def leaf(name):
    if name in METHODS:
        name += '_two-stream_r18-narrow_synthetic'
    return load_config(config_dir() / f'mmgl/ssl/{name}.py')


def narrow(value):
    """Give all vectors of neck and head one length."""
    for key, item in value.items():
        if key in ('in_channels', 'hid_channels', 'out_channels', 'feat_dim'):
            value[key] = WIDTH
        elif isinstance(item, dict):
            narrow(item)


def small(method, options=None):
    """Config of a method with a network of a few channels."""
    cfg = leaf(method)
    cfg.model.backbone.network.update(depth=18, base_channels=WIDTH // 8)
    narrow(cfg.model.neck)
    narrow(cfg.model.head)
    cfg.merge_from_dict(options or {})
    return cfg
