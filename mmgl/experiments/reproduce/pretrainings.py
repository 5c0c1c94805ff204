"""The pre-trainings that cells start from: a config, and what changes it.

Add a line here and in ``tables.py`` to compare with one more.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from .methods import ROWS_18


@dataclass(frozen=True)
class Pretraining:
    """One way to pre-train.

    Attributes:
        title: What people read.
        config: Path of its config; ``{stream}`` is the backbone that the
            method wants.
        overrides: Dotted keys that change it; ``*.KEY`` means every key of
            that name.
        source: Data set it sees: 'sysu' or 'regdb', after the layout.
        trials: Whether it sees the training half of the trial it is
            fine-tuned on.
        stream: Backbone, where it is not the one that the method wants.
        init: Changes of ``model.init_from`` in the fine-tuning.
        run: Key that its runs are named after, where another key has the
            same runs.
        seconds: Expected duration, or None for that of the scale.
    """

    title: str
    config: str
    overrides: Mapping = field(default_factory=dict)
    source: str = 'sysu'
    trials: bool = False
    stream: str | None = None
    init: Mapping = field(default_factory=dict)
    run: str | None = None
    seconds: float | None = None


RIVALS = {
    'colorization': 'Colorization',
    'jigsaw': 'Jigsaw',
    'psl': 'PSL',
    'simclr': 'SimCLR',
    'swav': 'SwAV',
    'byol': 'BYOL',
    'simsiam': 'SimSiam',
    'barlow-twins': 'Barlow Twins',
}
STRIPES = (2, 3, 6, 9, 18)
TEMPERATURES = (0.03, 0.05, 0.07, 0.1, 0.2, 0.3)
COEFFICIENTS = (0.1, 0.2, 0.3, 0.4, 0.5, 1)
_CONTRAST = 'model.heads.part.contrast'

# Ablations of MMGL: title and overrides. The whole (P + C + E) and the values
# of the method itself (N = 6, tau = 0.07, lambda = 0.2) are no ablations.
COMPONENTS = {
    'mmgl-p': ('P', {'model.heads.part': None}),
    'mmgl-pe': ('P + E', {_CONTRAST: None}),
    'mmgl-pc': ('P + C', {'model.heads.part.position': False}),
}
# Other readings of the projection of the parts.
READINGS = {
    'mmgl-modality-bn': (
        'MMGL, a norm per modality',
        {'model.heads.part.norm': 'modality_bn'},
    ),
    'mmgl-literal': (
        'MMGL, no norm in the heads',
        {
            'model.heads.permutation.norm': 'none',
            'model.heads.part.norm': 'none',
        },
    ),
}
VALUES = {
    **{
        f'mmgl-tau{value}': (
            f'MMGL, tau = {value}',
            {f'{_CONTRAST}.temperature': value},
        )
        for value in TEMPERATURES
        if value != 0.07
    },
    **{
        f'mmgl-lambda{value}': (
            f'MMGL, lambda = {value}',
            {f'{_CONTRAST}.loss_weight': value},
        )
        for value in COEFFICIENTS
        if value != 0.2
    },
}
_DUPLICATE = {'stems': 'duplicate'}


def _ablations(base: Pretraining, changes: Mapping) -> dict[str, Pretraining]:
    """Apply ablations to a pre-training."""
    return {
        key: replace(base, title=title, overrides=overrides)
        for key, (title, overrides) in changes.items()
    }


def _stripes(base: Pretraining, values, common: Mapping):
    """Pre-train with other numbers of stripes (Table VI)."""
    return {
        f'mmgl-n{n}': replace(
            base,
            title=f'MMGL, N = {n}',
            overrides={**common, '*.num_stripes': n},
        )
        for n in values
    }


def _rivals(config: str, ending: str = '') -> dict[str, Pretraining]:
    """Pre-train by the methods of Table IV; ``{key}`` is the method."""
    return {
        key + ending: Pretraining(
            title + (' (native recipe)' if ending else ''),
            config.replace('{key}', key),
        )
        for key, title in RIVALS.items()
    }


_LONG = Pretraining(
    'MMGL',
    'configs/mmgl/pretrain/mmgl_{stream}_r18-narrow_synthetic.py',
    seconds=900,
)
# A sixth of the epochs; Tables IV and VI to VIII compare at this budget. At
# that of Table V the pretext is solved.
_SHORT = Pretraining(
    'MMGL, 10 epochs',
    'configs/mmgl/ablation/mmgl_two-stream_r18-narrow-10e_synthetic.py',
)
_FULL = Pretraining(
    'MMGL', 'configs/mmgl/pretrain/mmgl_{stream}_r50_96-100e_sysu.py'
)

PRETRAININGS = {
    'mini': {
        'mmgl': _LONG,
        'mmgl-10e': _SHORT,
        'mmgl-one-stream': replace(
            _SHORT,
            title='MMGL, one-stream',
            stream='one-stream',
            overrides={'model.backbone.type': 'OneStreamResNet'},
            init=_DUPLICATE,
        ),
        'mmgl-regdb': replace(
            _SHORT,
            title='MMGL on RegDB',
            source='regdb',
            overrides={
                'train_dataloader.dataset.type': 'RegDB',
                'train_dataloader.dataset.trial': 1,
                'val_dataloader.dataset.type': 'RegDB',
                'val_dataloader.dataset.split': 'test',
                'val_dataloader.dataset.trial': 1,
            },
        ),
        **_ablations(_LONG, COMPONENTS),
        **_ablations(_LONG, READINGS),
        **_ablations(_SHORT, VALUES),
        **_stripes(_SHORT, STRIPES, ROWS_18),
        **_rivals('configs/mmgl/ssl/{key}_two-stream_r18-narrow_synthetic.py'),
    },
    'full': {
        'mmgl': _FULL,
        'mmgl-one-stream': replace(
            _FULL,
            title='MMGL, one-stream',
            stream='one-stream',
            init=_DUPLICATE,
            run='mmgl',
        ),
        'mmgl-regdb': replace(
            _FULL,
            title='MMGL on RegDB',
            source='regdb',
            trials=True,
            seconds=2000,
            config='configs/mmgl/pretrain/mmgl_{stream}_r50_96-100e_regdb.py',
        ),
        **_ablations(_FULL, COMPONENTS),
        **_ablations(_FULL, READINGS),
        **_ablations(_FULL, VALUES),
        **_stripes(_FULL, [n for n in STRIPES if n != 6], {}),
        **_rivals('configs/mmgl/ssl/{key}_two-stream_r50_96-100e_sysu.py'),
        **_rivals(
            'configs/mmgl/ssl/{key}-native_two-stream_r50_96-100e_sysu.py',
            '-native',
        ),
    },
}
# What a scale calls the plain method in the comparisons of pre-trainings.
PLAIN = {'mini': 'mmgl-10e', 'full': 'mmgl'}
# All that a scale calls the plain method: N = 6, tau = 0.07, lambda = 0.2.
MMGL = {'mini': ('mmgl', PLAIN['mini'], 'mmgl-n6'), 'full': ('mmgl',)}
TITLES = {
    'random': 'random',
    'imagenet': 'ImageNet',
    **{
        key: about.title
        for group in PRETRAININGS.values()
        for key, about in group.items()
    },
}
