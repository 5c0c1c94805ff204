"""Stand-ins for released checkpoints.

They have the released names and a backbone of depth 50 and base width 2.
"""

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmgl.checkpoints.converters import METHODS, translate
from mmgl.registry import MODELS
from mmgl.utils.paths import config_dir

CLASSES = 7
WIDTH = 2
# Parameters and buffers of a ResNet-50 without its classifier.
STEM, TRUNK = 6, 312


def config_of(name):
    cfg = Config.fromfile(config_dir() / METHODS[name].config)
    cfg.model.init_from = None
    cfg.model.data_preprocessor = dict(type='ReIDDataPreprocessor')
    backbone = cfg.model.backbone
    backbone.get('network', backbone).base_channels = WIDTH
    for head in cfg.model.heads.values():
        if 'num_classes' in head:
            head.num_classes = CLASSES
    if name == 'mutualinfo':
        cfg.model.neck.hidden_channels = (6, 5)
        cfg.model.neck.representation_channels = 4
    return cfg


def build(cfg):
    init_default_scope('mmgl')
    model = MODELS.build(cfg.model)
    for value in model.state_dict().values():
        if value.is_floating_point():
            value.normal_()
        else:
            value.fill_(3)
    return model.eval()


def released(name, model):
    return translate(model.state_dict(), METHODS[name].rules, True)


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)
