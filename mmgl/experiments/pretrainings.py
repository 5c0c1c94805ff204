"""The pre-trainings that cells start from: a config, and what changes it.

Add a line here and in ``tables.ini`` to compare with one more.
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

    @property
    def start(self) -> Overrides:
        """What it changes in the config of the fine-tuning."""
        return {f'model.init_from.{k}': v for k, v in self.init.items()}


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
# What tables call the settings of the method itself.
USUAL = ('mmgl-plain', 'mmgl-n6', 'mmgl-tau0.07', 'mmgl-lambda0.2')
_HEADS = 'model.heads.'
_PART, _CONTRAST = _HEADS + 'part', _HEADS + 'part.contrast'
_NO_NORM = {f'{_HEADS}permutation.norm': 'none', f'{_PART}.norm': 'none'}
_PER_MODALITY = {f'{_PART}.norm': 'modality_bn'}

# Title and overrides by key; the whole of MMGL is P + C + E.
_Ablations = dict[str, tuple[str, Overrides]]
# Components, and other readings of the norms in the projection of the parts.
PARTS: _Ablations = {
    'mmgl-p': ('P', {_PART: None}),
    'mmgl-pe': ('P + E', {_CONTRAST: None}),
    'mmgl-pc': ('P + C', {f'{_PART}.position': False}),
    'mmgl-modality-bn': ('MMGL, a norm per modality', _PER_MODALITY),
    'mmgl-literal': ('MMGL, no norm in the heads', _NO_NORM),
}
TEMPERATURES: _Ablations = {
    f'mmgl-tau{v}': (f'MMGL, tau = {v}', {f'{_CONTRAST}.temperature': v})
    for v in (0.03, 0.05, 0.07, 0.1, 0.2, 0.3)
}
COEFFICIENTS: _Ablations = {
    f'mmgl-lambda{v}': (f'MMGL, lambda = {v}', {f'{_CONTRAST}.loss_weight': v})
    for v in (0.1, 0.2, 0.3, 0.4, 0.5, 1)
}
STRIPES: _Ablations = {
    f'mmgl-n{n}': (f'MMGL, N = {n}', {'*.num_stripes': n})
    for n in (2, 3, 6, 9, 18)
}


def _ablations(
    base: Pretraining, changes: _Ablations, others: Overrides | None = None
) -> dict[str, Pretraining]:
    """Change a pre-training; what has other changes is never the usual one."""
    return {
        key: replace(base, title=title, overrides={**(others or {}), **new})
        for key, (title, new) in changes.items()
        if key not in USUAL or others
    }


def _rivals(config: str, words: str = '') -> dict[str, Pretraining]:
    """The methods of Table IV; ``*`` in the config is the method."""
    ending = '-native' if words else ''
    return {
        key + ending: Pretraining(title + words, config.replace('*', key))
        for key, title in RIVALS.items()
    }


_FOLDER = 'configs/mmgl/pretrain/'
_LONG = Pretraining(
    'MMGL', _FOLDER + 'mmgl_{stream}_r18-narrow_synthetic.py', share=5
)
# A sixth of the epochs; Tables IV and VI to VIII compare at this budget. At
# that of Table V the pretext is solved.
_SHORT = Pretraining(
    'MMGL, 10 epochs',
    'configs/mmgl/ablation/mmgl_two-stream_r18-narrow-10e_synthetic.py',
)
_FULL = Pretraining('MMGL', _FOLDER + 'mmgl_{stream}_r50_96-100e_sysu.py')
_NETWORKS = {'mobilenetv2': 'MobileNetV2', 'deit-tiny': 'DeiT-tiny'}
_STREAM: dict[str, Any] = dict(
    title='MMGL, one-stream', stream='one-stream', init={'stems': 'duplicate'}
)
_REGDB: dict[str, Any] = dict(title='MMGL on RegDB', source='regdb')
_EMBEDDED_REGDB = {
    'train_dataloader.dataset.type': 'RegDB',
    'train_dataloader.dataset.trial': 1,
    'val_dataloader.dataset.type': 'RegDB',
    'val_dataloader.dataset.split': 'test',
    'val_dataloader.dataset.trial': 1,
}
_ONE_STREAM = {'model.backbone.type': 'OneStreamResNet'}


def _other_networks(base: Pretraining, ending: str) -> dict[str, Pretraining]:
    """The method on networks that are no ResNets."""
    return {
        f'mmgl-{key}': replace(
            base,
            title=f'MMGL, {title}',
            config=f'{_FOLDER}mmgl_two-stream_{key}_{ending}.py',
        )
        for key, title in _NETWORKS.items()
    }


PRETRAININGS: dict[str, dict[str, Pretraining]] = {
    'mini': {
        'mmgl': _LONG,
        'mmgl-10e': _SHORT,
        'mmgl-one-stream': replace(_SHORT, overrides=_ONE_STREAM, **_STREAM),
        'mmgl-regdb': replace(_SHORT, overrides=_EMBEDDED_REGDB, **_REGDB),
        **_other_networks(_SHORT, 'synthetic'),
        **_ablations(_LONG, PARTS),
        **_ablations(_SHORT, TEMPERATURES | COEFFICIENTS),
        **_ablations(_SHORT, STRIPES, ROWS_18),
        **_rivals('configs/mmgl/ssl/*_two-stream_r18-narrow_synthetic.py'),
    },
    'full': {
        'mmgl': _FULL,
        'mmgl-one-stream': replace(_FULL, run='mmgl', **_STREAM),
        'mmgl-regdb': replace(
            _FULL,
            config=_FOLDER + 'mmgl_{stream}_r50_96-100e_regdb.py',
            trials=True,
            share=0.1,
            **_REGDB,
        ),
        **_other_networks(_FULL, '96-100e_sysu'),
        **_ablations(_FULL, PARTS | TEMPERATURES | COEFFICIENTS | STRIPES),
        **_rivals('configs/mmgl/ssl/*_two-stream_r50_96-100e_sysu.py'),
        **_rivals(
            'configs/mmgl/ssl/*-native_two-stream_r50_96-100e_sysu.py',
            ' (native recipe)',
        ),
    },
}
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


def names_of(init: str, scale: str) -> set[str]:
    """Names of initial weights, of which that of the method is 'mmgl'."""
    usual = init in ('mmgl', PLAIN[scale], *USUAL)
    return {init, 'mmgl'} if usual else {init}
