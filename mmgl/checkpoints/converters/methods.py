"""Names of released networks, all ResNet-50, and of this package.

The facts were read off the public code of each method.
"""

from dataclasses import dataclass

from .rules import (
    OneSided,
    Rename,
    Rule,
    Stack,
    copies_of,
    imagenet_classifier,
    scalar_one,
    zeros_like,
)

STAGES = ('layer1', 'layer2', 'layer3', 'layer4')
STEM_PARTS = ('conv1', 'bn1')
STEMS = ('visible', 'infrared')
# Non-local blocks of AGW and the residual block in front of each.
NON_LOCAL = {
    'NL_2.0': 'layer2_2',
    'NL_2.1': 'layer2_3',
    'NL_3.0': 'layer3_3',
    'NL_3.1': 'layer3_4',
    'NL_3.2': 'layer3_5',
}
NON_LOCAL_PARTS = {
    'theta.': 'theta.',
    'phi.': 'phi.',
    'g.0.': 'g.',
    'W.0.': 'out.',
    'W.1.': 'bn.',
}


@dataclass(frozen=True)
class Method:
    """A release.

    ``rules`` go from its names to ours; ``config`` is ours for it, relative
    to ``configs``. The rows of the tensor ``classifier`` are the identities,
    in ``class_order``; ``container`` is the key of the state dict in the
    file, '' if the file is the state dict.
    """

    rules: tuple[Rule, ...]
    config: str
    classifier: str = 'classifier.weight'
    container: str = 'net'
    class_order: str = 'ascending person numbers, as here'


def _renames(official: str, ours: str, parts: tuple[str, ...]) -> list[Rule]:
    return [Rename(f'{official}{p}.', f'{ours}{p}.') for p in parts]


def _unused(prefix: str, what: str, like: str) -> Rule:
    """Drop what the release never runs; copies of another part fill it in."""
    return OneSided(prefix, f'{what}, never run', copies_of(like))


def _three_resnets() -> list[Rule]:
    """Two-stream network made of three ResNets, most of them unused."""
    visible = 'visible_module.visible.'
    thermal = 'thermal_module.thermal.'
    shared = 'base_resnet.base.'
    rules = [
        *_renames(visible, 'backbone.visible_stem.', STEM_PARTS),
        *_renames(thermal, 'backbone.infrared_stem.', STEM_PARTS),
        *_renames(shared, 'backbone.', STAGES),
    ]
    for stream in (visible, thermal):
        rules += [
            _unused(
                f'{stream}{stage}.', 'stages of a stem', f'{shared}{stage}.'
            )
            for stage in STAGES
        ]
    rules += [
        _unused(f'{shared}{part}.', 'stem of the trunk', f'{visible}{part}.')
        for part in STEM_PARTS
    ]
    return rules


def _agw() -> tuple[Rule, ...]:
    return (
        *_three_resnets(),
        *(
            Rename(f'{theirs}.{a}', f'backbone.non_local.{ours}.{b}')
            for theirs, ours in NON_LOCAL.items()
            for a, b in NON_LOCAL_PARTS.items()
        ),
        Rename('bottleneck.', 'neck.bn.'),
        Rename('classifier.', 'heads.id.fc.'),
    )


def _ddag() -> tuple[Rule, ...]:
    return (
        *_three_resnets(),
        Rename('bottleneck.', 'neck.bn.'),
        Rename('wpa.fc1.0.', 'neck.query.', pointwise=True),
        OneSided(
            'wpa.fc2.bias',
            'adds the same to a row of a softmax',
            zeros_like('wpa.fc1.0.bias'),
        ),
        Rename('wpa.fc2.', 'neck.key.', pointwise=True),
        Rename('wpa.fc3.', 'neck.value.', pointwise=True),
        Rename('wpa.gate', 'neck.gate'),
        Rename('wpa.bottleneck.', 'neck.part_bn.'),
        _unused('wpa.W.0.', 'output layer of IWPA', 'wpa.fc3.'),
        _unused('wpa.W.1.', 'output layer of IWPA', 'wpa.bottleneck.'),
        Rename('classifier.', 'heads.id.fc.'),
        _unused('classifier1.', 'classifier', 'classifier.'),
        _unused('classifier2.', 'classifier', 'classifier.'),
        Stack('attention_{}.W', 'heads.graph.hidden.weight'),
        Stack(
            'attention_{}.a', 'heads.graph.hidden.vectors', (2, -1), (-1, 1)
        ),
        Stack('out_att.W', 'heads.graph.output.weight'),
        Stack('out_att.a', 'heads.graph.output.vectors', (2, -1), (-1, 1)),
        OneSided(
            'heads.graph.ramp',
            'the release does not store lambda',
            scalar_one,
            official=False,
        ),
    )


def _mpanet() -> tuple[Rule, ...]:
    rules = [
        *_renames('backbone.', 'backbone.stem.', STEM_PARTS),
        *_renames('backbone.', 'backbone.', STAGES),
    ]
    for theirs, stage in (('MAM3', 'layer3'), ('MAM4', 'layer4')):
        rules += [
            Rename(
                f'backbone.{theirs}.channel_attention.{index}.',
                f'backbone.plugins.{stage}.{name}.',
            )
            for index, name in ((0, 'fc1'), (2, 'fc2'))
        ]
    rules += [
        Rename('spatial_attention.', 'neck.mask.'),
        Rename('bn_neck.', 'neck.bn.'),
        Rename('classifier.', 'heads.id.fc.'),
    ]
    for modality in STEMS:
        rules += [
            Rename(f'{modality}_classifier.', f'heads.modality.{modality}.'),
            Rename(
                f'{modality}_classifier_.weight',
                f'heads.modality.{modality}_average',
            ),
        ]
    return tuple(rules)


def _mutual_info() -> tuple[Rule, ...]:
    rules = []
    for theirs, network in (
        ('IR', 'infrared'),
        ('RGB', 'visible'),
        ('shared', 'shared'),
    ):
        base = f'{theirs}_backbone.base.'
        ours = f'backbone.networks.{network}.'
        rules += [
            *_renames(base, f'{ours}stem.', STEM_PARTS),
            *_renames(base, ours, STAGES),
        ]
        # Attention in front of a stage there, behind the one before here.
        rules += [
            Rename(
                f'{theirs}_backbone.cam_{channels}._cam_module.gamma',
                f'{ours}plugins.{stage}.gamma',
            )
            for channels, stage in zip((256, 512, 1024), STAGES, strict=False)
        ]
        head = f'heads.distillation.{{}}.{network}.'
        norm = f'{theirs}_backbone.bottleneck.'
        rules += [
            Rename(norm, f'neck.bn.{network}.'),
            OneSided(
                f'{base}fc.',
                'ImageNet classifier, never run',
                imagenet_classifier(f'{norm}weight'),
            ),
            Rename(
                f'{theirs}_backbone.classifier.0.', head.format('observation')
            ),
            Rename(
                f'{theirs}_Bottleneck.bottleneck.model.',
                f'neck.bottleneck.{network}.',
            ),
            Rename(
                f'{theirs}_Bottleneck.classifier.',
                head.format('representation'),
            ),
        ]
    return tuple(rules)


METHODS = {
    'agw': Method(_agw(), 'mmgl/finetune/agw_r50_64-81e_sysu.py'),
    'caj': Method(_agw(), 'mmgl/finetune/caj_r50_96-100e_sysu.py'),
    'ddag': Method(_ddag(), 'mmgl/finetune/ddag_r50_64-81e_sysu.py'),
    'mpanet': Method(
        _mpanet(),
        'mmgl/finetune/mpanet_r50_128-140e_sysu.py',
        container='',
        class_order='SYSU-MM01: the persons of train_id.txt and then those of '
        'val_id.txt; here ascending over both',
    ),
    'mutualinfo': Method(
        _mutual_info(),
        'mmgl/finetune/mutual-info_r50_128-600e_sysu.py',
        'shared_backbone.classifier.0.weight',
        'model',
    ),
}


def resnet_rules(
    two_stream: bool = False, stem: str = 'visible'
) -> tuple[Rule, ...]:
    """Rules between torchvision's ResNets and a backbone.

    Both of two stems get the one of torchvision; in reverse, ``stem`` goes
    there. The classifier is dropped and not made up in reverse, where neck
    and heads are dropped.
    """
    if stem not in STEMS:
        raise ValueError(f'stem must be one of {STEMS}, got {stem!r}')
    used = f'backbone.{stem}_stem.' if two_stream else 'backbone.stem.'
    rules = [
        *_renames('', used, STEM_PARTS),
        *_renames('', 'backbone.', STAGES),
        OneSided('fc.', 'ImageNet classifier'),
    ]
    if two_stream:
        other = STEMS[1 - STEMS.index(stem)]
        rules.append(
            OneSided(
                f'backbone.{other}_stem.',
                'torchvision has one stem',
                copies_of(used),
                official=False,
            )
        )
    return (
        *rules,
        *(
            OneSided(part, 'no part of the backbone', official=False)
            for part in ('neck.', 'heads.')
        ),
    )
