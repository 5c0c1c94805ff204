"""Methods of fine-tuning, data sets to fine-tune on, and the two scales."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Method:
    """A method of fine-tuning.

    Attributes:
        title: Its name, that in the paper if it is there.
        stream: Backbone that is pre-trained for it: 'one-stream' or
            'two-stream'.
        variant_of: Key of the method of the paper that it varies.
    """

    title: str
    stream: str
    variant_of: str | None = None


METHODS = {
    'one-stream': Method('One-Stream', 'one-stream'),
    'agw': Method('AGW', 'two-stream'),
    'ddag': Method('DDAG', 'two-stream'),
    'nfs': Method('NFS', 'two-stream'),
    'caj': Method('CAJ', 'two-stream'),
    'mutual-info': Method('MutualInfo', 'one-stream'),
    'mpanet': Method('MPANet', 'one-stream'),
    'agw-exact': Method('AGW, exact weights', 'two-stream', 'agw'),
    'caj-exact': Method('CAJ, loss of agw-exact', 'two-stream', 'caj'),
    'mutual-info-paper': Method(
        'MutualInfo, terms of the paper', 'one-stream', 'mutual-info'
    ),
}


@dataclass(frozen=True)
class Dataset:
    """What a method is fine-tuned and tested on.

    Attributes:
        ending: Ending of its configs.
        root: Which folder it needs: 'sysu' or 'regdb', after the layout.
        overrides: Dotted keys that turn the configs of the ending into
            those of the data set; ``*.KEY`` means every key of that name.
        trials: Trials to average over; None where there are none.
        share: How long a training takes, as a share of the scale's seconds.
    """

    ending: str
    root: str = 'sysu'
    overrides: dict = field(default_factory=dict)
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

DATASETS = {
    'mini': {
        'sysu': Dataset('synthetic'),
        'sysu-18rows': Dataset('synthetic', overrides=ROWS_18),
        # With validation identities to look at after each epoch.
        'sysu-select': Dataset('synthetic-select'),
        # Embedded data in RegDB's layout: 40 + 40 identities.
        'regdb': Dataset(
            'synthetic',
            'regdb',
            {
                'train_dataloader.dataset.type': 'RegDB',
                'train_dataloader.dataset.split': 'train',
                'train_dataloader.dataset.trial': 1,
                'test_dataloader.dataset.type': 'RegDB',
                'test_dataloader.dataset.trial': 1,
                'test_evaluator.protocol': 'regdb',
                '*.num_classes': 40,
            },
            (1,),
        ),
    },
    'full': {
        'sysu': Dataset('sysu'),
        'sysu-select': Dataset('sysu-select'),
        # A tenth of SYSU-MM01's images.
        'regdb': Dataset(
            'regdb', 'regdb', trials=tuple(range(1, 11)), share=0.1
        ),
    },
}


@dataclass(frozen=True)
class Scale:
    """How large the runs are.

    Attributes:
        title: Heading in the results document.
        inits: Initial weights within reach besides the pre-trainings.
        seeds: Seeds where the user does not say.
        preset: Size of the embedded data sets, None for real ones.
        roots: Where the data sets lie where the user does not say; those
            that are missing here stand in the configs.
        seconds: Expected seconds of each kind of stage; they count until
            such a stage has been measured.
    """

    title: str
    inits: tuple[str, ...]
    seeds: int
    preset: str | None
    roots: dict
    seconds: dict


SCALES = {
    'full': Scale(
        'Real data sets (`--scale full`)',
        ('random', 'imagenet'),
        1,
        None,
        {},
        dict(pretrain=20000, finetune=20000, evaluate=300, figure=300),
    ),
    # No ImageNet weights fit the narrow network.
    'mini': Scale(
        'Embedded data sets (`--scale mini`)',
        ('random',),
        3,
        'mini',
        dict(sysu='data/synthetic/mini', regdb='data/synthetic/mini-regdb'),
        dict(data=30, pretrain=180, finetune=130, evaluate=20, figure=40),
    ),
}
