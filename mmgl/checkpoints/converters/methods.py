"""Names of the released networks and of this package, method by method.

The facts were read off the public code named with each method. All networks
are ResNet-50 in the released layout.
"""

from dataclasses import dataclass

from .rules import (
    OneSided,
    Rename,
    Rule,
    Stack,
    copies_of,
    imagenet_classifier,
    ones,
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

SORTED = 'ascending person numbers, as here'


@dataclass(frozen=True)
class Method:
    """A release.

    Attributes:
        rules: From its names to ours.
        classifier: Released name of a classifier weight, whose rows are the
            identities.
        container: Key of the state dict in the released file; '' if the file
            is the state dict.
        config: Config of this package for it, relative to ``configs``.
        class_order: What row i of the classifiers stands for.
    """

    rules: tuple[Rule, ...]
    classifier: str
    container: str
    config: str
    class_order: str


def _renames(official: str, ours: str, parts: tuple[str, ...]) -> list[Rule]:
    return [Rename(f'{official}{p}.', f'{ours}{p}.') for p in parts]


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
            OneSided(
                f'{stream}{stage}.',
                'stages of a stem, never run',
                copies_of(f'{shared}{stage}.'),
            )
            for stage in STAGES
        ]
    rules += [
        OneSided(
            f'{shared}{part}.',
            'stem of the trunk, never run',
            copies_of(f'{visible}{part}.'),
        )
        for part in STEM_PARTS
    ]
    return rules


def _agw() -> tuple[Rule, ...]:
    rules = _three_resnets()
    for theirs, ours in NON_LOCAL.items():
        rules += [
            Rename(f'{theirs}.{a}', f'backbone.non_local.{ours}.{b}')
            for a, b in NON_LOCAL_PARTS.items()
        ]
    return (
        *rules,
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
        OneSided(
            'wpa.W.0.',
            'output layer of IWPA, never run',
            copies_of('wpa.fc3.'),
        ),
        OneSided(
            'wpa.W.1.',
            'output layer of IWPA, never run',
            copies_of('wpa.bottleneck.'),
        ),
        Rename('classifier.', 'heads.id.fc.'),
        *(
            OneSided(
                f'classifier{i}.',
                'classifier, never run',
                copies_of('classifier.'),
            )
            for i in (1, 2)
        ),
        Stack('attention_{}.W', 'heads.graph.hidden.weight'),
        Stack(
            'attention_{}.a', 'heads.graph.hidden.vectors', (2, -1), (-1, 1)
        ),
        Stack('out_att.W', 'heads.graph.output.weight'),
        Stack('out_att.a', 'heads.graph.output.vectors', (2, -1), (-1, 1)),
        OneSided(
            'heads.graph.ramp',
            'the release does not store lambda',
            ones(),
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
    'agw': Method(
        _agw(),
        'classifier.weight',
        'net',
        'mmgl/finetune/agw_r50_64-81e_sysu.py',
        SORTED,
    ),
    'caj': Method(
        _agw(),
        'classifier.weight',
        'net',
        'mmgl/finetune/caj_r50_96-100e_sysu.py',
        SORTED,
    ),
    'ddag': Method(
        _ddag(),
        'classifier.weight',
        'net',
        'mmgl/finetune/ddag_r50_64-81e_sysu.py',
        SORTED,
    ),
    'mpanet': Method(
        _mpanet(),
        'classifier.weight',
        '',
        'mmgl/finetune/mpanet_r50_128-140e_sysu.py',
        'SYSU-MM01: the persons of train_id.txt and then those of val_id.txt;'
        ' here ascending over both',
    ),
    'mutualinfo': Method(
        _mutual_info(),
        'shared_backbone.classifier.0.weight',
        'model',
        'mmgl/finetune/mutual-info_r50_128-600e_sysu.py',
        SORTED,
    ),
}


def resnet_rules(
    two_stream: bool = False, stem: str = 'visible'
) -> tuple[Rule, ...]:
    """Rules between torchvision's ResNets and a backbone.

    Args:
        two_stream: Whether the backbone has two stems. Both get the one of
            torchvision; in reverse, ``stem`` goes there.
        stem: 'visible' or 'infrared'.

    Returns:
        The rules. The classifier is dropped and not made up in reverse;
        neck and heads are dropped in reverse.

    Raises:
        ValueError: For an unknown stem.
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
