"""The pre-trainings that cells start from: a config, and what changes it.

Add a line here and in ``tables.py`` to compare with one more.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .methods import ROWS_18, Overrides


@dataclass(frozen=True)
class Pretraining:
    """One way to pre-train.

    ``{stream}`` in the config is the backbone that the method wants, unless
    ``stream`` says otherwise. ``source`` is the layout of the data set it
    sees, with ``trials`` the training half of the trial it is fine-tuned on.
    ``init`` are changes of ``model.init_from`` in the fine-tuning, ``run`` is
    the key that has the same runs, ``share`` the time it takes as a share of
    the scale's.
    """

    title: str
    config: str
    overrides: Overrides = field(default_factory=dict)
    source: str = 'sysu'
    trials: bool = False
    stream: str | None = None
    init: Mapping[str, Any] = field(default_factory=dict)
    run: str | None = None
    share: float = 1.0


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
# What tables call the settings of the method itself.
USUAL = ('mmgl-plain', 'mmgl-n6', 'mmgl-tau0.07', 'mmgl-lambda0.2')
_CONTRAST = 'model.part_head.contrast'

# Title and overrides by key; the whole of MMGL is P + C + E.
_Ablations = dict[str, tuple[str, Overrides]]
COMPONENTS: _Ablations = {
    'mmgl-p': ('P', {'model.part_head': None}),
    'mmgl-pe': ('P + E', {_CONTRAST: None}),
    'mmgl-pc': ('P + C', {'model.part_head.position': False}),
}
# Other readings of the projection of the parts.
READINGS: _Ablations = {
    'mmgl-modality-bn': (
        'MMGL, a norm per modality',
        {'model.part_head.norm': 'modality_bn'},
    ),
    'mmgl-literal': (
        'MMGL, no norm in the heads',
        {
            f'model.{head}_head.norm': 'none'
            for head in ('permutation', 'part')
        },
    ),
}
VALUES: _Ablations = {
    **{
        f'mmgl-tau{t}': (f'MMGL, tau = {t}', {f'{_CONTRAST}.temperature': t})
        for t in TEMPERATURES
    },
    **{
        f'mmgl-lambda{c}': (
            f'MMGL, lambda = {c}',
            {f'{_CONTRAST}.loss_weight': c},
        )
        for c in COEFFICIENTS
    },
}


def _ablations(
    base: Pretraining, changes: _Ablations
) -> dict[str, Pretraining]:
    return {
        key: replace(base, title=title, overrides=overrides)
        for key, (title, overrides) in changes.items()
        if key not in USUAL
    }


def _stripes(base: Pretraining, common: Overrides) -> dict[str, Pretraining]:
    return {
        f'mmgl-n{n}': replace(
            base,
            title=f'MMGL, N = {n}',
            overrides={**common, '*.num_stripes': n},
        )
        for n in STRIPES
    }


def _rivals(config: str, ending: str = '') -> dict[str, Pretraining]:
    """The methods of Table IV; ``{key}`` in the config is the method."""
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
    share=5,
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
_STREAM: dict[str, Any] = dict(
    title='MMGL, one-stream', stream='one-stream', init={'stems': 'duplicate'}
)
_REGDB: dict[str, Any] = dict(title='MMGL on RegDB', source='regdb')

PRETRAININGS: dict[str, dict[str, Pretraining]] = {
    'mini': {
        'mmgl': _LONG,
        'mmgl-10e': _SHORT,
        'mmgl-one-stream': replace(
            _SHORT,
            overrides={'model.backbone.type': 'OneStreamResNet'},
            **_STREAM,
        ),
        'mmgl-regdb': replace(
            _SHORT,
            overrides={
                'train_dataloader.dataset.type': 'RegDB',
                'train_dataloader.dataset.trial': 1,
                'val_dataloader.dataset.type': 'RegDB',
                'val_dataloader.dataset.split': 'test',
                'val_dataloader.dataset.trial': 1,
            },
            **_REGDB,
        ),
        **_ablations(_LONG, COMPONENTS | READINGS),
        **_ablations(_SHORT, VALUES),
        **_stripes(_SHORT, ROWS_18),
        **_rivals('configs/mmgl/ssl/{key}_two-stream_r18-narrow_synthetic.py'),
    },
    'full': {
        'mmgl': _FULL,
        'mmgl-one-stream': replace(_FULL, run='mmgl', **_STREAM),
        'mmgl-regdb': replace(
            _FULL,
            config='configs/mmgl/pretrain/mmgl_{stream}_r50_96-100e_regdb.py',
            trials=True,
            share=0.1,
            **_REGDB,
        ),
        **_ablations(_FULL, COMPONENTS | READINGS | VALUES),
        **_stripes(_FULL, {}),
        **_rivals('configs/mmgl/ssl/{key}_two-stream_r50_96-100e_sysu.py'),
        **_rivals(
            'configs/mmgl/ssl/{key}-native_two-stream_r50_96-100e_sysu.py',
            '-native',
        ),
    },
}
# N = 6 is the method itself where all rows of Table VI have the usual size.
del PRETRAININGS['full']['mmgl-n6']
# What a scale calls the plain method in the comparisons of pre-trainings.
PLAIN = {'mini': 'mmgl-10e', 'full': 'mmgl'}
TITLES = {'random': 'random', 'imagenet': 'ImageNet'} | {
    key: about.title
    for group in PRETRAININGS.values()
    for key, about in group.items()
}


def plain(init: str, scale: str) -> str:
    """Name the runs of an ablation's usual setting as the scale does."""
    usual = init in USUAL and init not in PRETRAININGS[scale]
    return PLAIN[scale] if usual else init


def is_mmgl(init: str, scale: str) -> bool:
    """Whether that is the method with the settings of the paper."""
    return init in ('mmgl', PLAIN[scale], *USUAL)
