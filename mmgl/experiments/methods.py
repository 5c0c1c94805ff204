"""Methods of fine-tuning, data sets to fine-tune on, and the scales."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

# Dotted config keys; ``*.KEY`` means every key of that name.
Overrides = Mapping[str, Any]


@dataclass(frozen=True)
class Method:
    """A method, the backbone pre-trained for it, and what it varies.

    ``configs`` is how the names of its configs begin, where that is not its
    key and a ResNet; ``imagenet`` are its weights of that name, where they
    are not those of the scale.
    """

    title: str
    stream: str = 'two-stream'
    variant_of: str | None = None
    configs: str | None = None
    imagenet: str | None = None


METHODS = {
    'one-stream': Method('One-Stream', 'one-stream'),
    'agw': Method('AGW'),
    'ddag': Method('DDAG'),
    'nfs': Method('NFS'),
    'caj': Method('CAJ'),
    'mutual-info': Method('MutualInfo', 'one-stream'),
    'mpanet': Method('MPANet', 'one-stream'),
    'agw-exact': Method('AGW, exact weights', variant_of='agw'),
    'caj-exact': Method('CAJ, loss of agw-exact', variant_of='caj'),
    'mutual-info-paper': Method(
        'MutualInfo, terms of the paper', 'one-stream', 'mutual-info'
    ),
    'deen': Method('DEEN'),
    'label-free': Method('Label-free'),
    'agw-mobilenetv2': Method(
        'AGW, MobileNetV2',
        configs='agw_mobilenetv2*',
        imagenet='torchvision://mobilenet_v2',
    ),
    'agw-deit-tiny': Method('AGW, DeiT-tiny', configs='agw_deit-tiny*'),
}


@dataclass(frozen=True)
class Dataset:
    """What a method is fine-tuned and tested on.

    ``ending`` is that of its configs, ``root`` the layout whose folder it
    needs, ``share`` its training time as a share of the scale's.
    """

    ending: str
    root: str = 'sysu'
    overrides: Overrides = field(default_factory=dict)
    trials: tuple[int | None, ...] = (None,)
    share: float = 1.0


# 288 x 48 pixels give 18 rows of features, as many as the paper's 288 x 144,
# so that N = 2, 3, 6, 9 and 18 all divide them. A network of half the width
# makes up for the larger images: a run takes as long as one at 96 x 48.
ROWS_18 = {
    '*.scale': (48, 288),
    '*.crop_size': (288, 48),
    'model.backbone.base_channels': 16,
}
# Embedded data in RegDB's layout: 40 + 40 identities.
EMBEDDED_REGDB = {
    'train_dataloader.dataset.type': 'RegDB',
    'train_dataloader.dataset.split': 'train',
    'train_dataloader.dataset.trial': 1,
    'test_dataloader.dataset.type': 'RegDB',
    'test_dataloader.dataset.trial': 1,
    'test_evaluator.protocol': 'regdb',
    '*.num_classes': 40,
}
TEN_TRIALS = tuple(range(1, 11))
# 'sysu-select' has validation identities to look at after each epoch.
DATASETS = {
    'mini': {
        'sysu': Dataset('synthetic'),
        'sysu-18rows': Dataset('synthetic', overrides=ROWS_18),
        'sysu-select': Dataset('synthetic-select'),
        'regdb': Dataset('synthetic', 'regdb', EMBEDDED_REGDB, (1,)),
    },
    'full': {
        'sysu': Dataset('sysu'),
        'sysu-select': Dataset('sysu-select'),
        # A tenth of SYSU-MM01's images.
        'regdb': Dataset('regdb', 'regdb', trials=TEN_TRIALS, share=0.1),
    },
}


@dataclass(frozen=True)
class Scale:
    """How large the runs are.

    ``inits`` are the initial weights within reach besides the pre-trainings
    and a method's own, ``preset`` is the size of embedded data sets and None
    for real ones, ``roots`` the folders of data sets that do not stand in the
    configs. ``seconds`` are expected for each kind of stage, until one has
    been measured; ``changes`` are overrides by kind of training.
    """

    inits: tuple[str, ...]
    seeds: int
    seconds: Mapping[str, float]
    preset: str | None = None
    roots: Mapping[str, str] = field(default_factory=dict)
    changes: Mapping[str, Overrides] = field(default_factory=dict)


# What is recorded at scale mini was trained in the order in memory that public
# code has; another one would change its last digits.
_RECORDED: Overrides = {'default_hooks.channels_last': None}
SCALES = {
    'full': Scale(
        ('random', 'imagenet'),
        seeds=1,
        seconds=dict(pretrain=20000, finetune=20000, evaluate=300, figure=300),
    ),
    # No ImageNet weights fit the narrow network.
    'mini': Scale(
        ('random',),
        seeds=3,
        seconds=dict(
            data=30, pretrain=180, finetune=130, evaluate=20, figure=40
        ),
        preset='mini',
        roots={
            'sysu': 'data/synthetic/mini',
            'regdb': 'data/synthetic/mini-regdb',
        },
        changes=dict(pretrain=_RECORDED, finetune=_RECORDED),
    ),
}
# The quickstart need not agree with the records to the last digit.
_FAST = {'precision': 'auto'}
QUICK = replace(SCALES['mini'], changes=dict(pretrain=_FAST, finetune=_FAST))
# At its shortest, too briefly for its numbers to mean anything: half as many
# steps an epoch as there are images for.
SMOKE = replace(
    QUICK,
    seconds=dict(data=5, pretrain=15, finetune=15, evaluate=10, figure=10),
    preset='tiny',
    roots=dict(sysu='data/synthetic/tiny'),
    changes={
        'pretrain': {
            **_FAST,
            'train_cfg.max_epochs': 2,
            'train_cfg.val_interval': 1,
            'train_dataloader.sampler.num_pairs_per_epoch': 512,
        },
        'finetune': {
            **_FAST,
            'train_cfg.max_epochs': 1,
            'train_dataloader.sampler.num_iters': 20,
            '*.num_classes': 12,
        },
    },
)
