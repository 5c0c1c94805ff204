"""The images whose features are wanted: no augmentation, any split."""

from collections.abc import Sequence
from typing import Any

from mmengine.config import Config
from torch.utils.data import DataLoader

from mmgl.config.keys import LOADERS
from mmgl.datasets import stack_collate
from mmgl.registry import DATASETS
from mmgl.utils.checks import check_workers
from mmgl.utils.compat import registry_scope
from mmgl.utils.errors import ConfigError

# Identities that the pre-training has not seen. All but SYSU-MM01 are
# pre-trained on the training split only.
HELD_OUT = {
    'SYSUMM01': 'val_test',
    'RegDB': 'test',
    'LLCM': 'test',
    'ReIDTable': 'test',
}
# What says, beside the folder, which images a data set has.
CHOICE = ('trial', 'table', 'name', 'test_share')


def _dataset_config(cfg: Config) -> dict[str, Any]:
    """Find the data set a config is about."""
    for name in LOADERS:
        dataset = (cfg.get(name) or {}).get('dataset') or {}
        if dataset.get('type') in HELD_OUT:
            return dict(dataset)
    raise ConfigError(
        f'the config has no data set of the types {", ".join(HELD_OUT)} in '
        f'{", ".join(LOADERS)}'
    )


def test_pipeline(cfg: Config) -> list[Any]:
    """Find the transforms without augmentation."""
    pipeline = cfg.get('test_pipeline')
    if pipeline is None:
        loader = cfg.get('test_dataloader') or {}
        pipeline = (loader.get('dataset') or {}).get('pipeline')
    if pipeline is None:
        raise ConfigError(
            'the config defines no test_pipeline and has no test_dataloader; '
            'add one of configs/_base_/pipelines to its _base_'
        )
    return list(pipeline)


def image_settings(
    cfg: Config, split: str | None = None, data_root: str | None = None
) -> dict[str, Any]:
    """Describe the images of a split as a config of a data set.

    By default they are held-out identities: 'val_test' of SYSU-MM01, 'test'
    of others.
    """
    found = _dataset_config(cfg)
    settings = dict(
        type=found['type'],
        data_root=data_root or found.get('data_root'),
        split=split or HELD_OUT[found['type']],
        pipeline=test_pipeline(cfg),
    )
    return settings | {key: found[key] for key in CHOICE if key in found}


def build_images(
    cfg: Config,
    split: str | None = None,
    data_root: str | None = None,
    batch_size: int = 64,
    workers: int = 0,
    indices: Sequence[int] | None = None,
    shuffled_parts: int | None = None,
) -> DataLoader[Any]:
    """Build the loader of the images of a split, in their own order.

    See :func:`image_settings` for split and folder. ``shuffled_parts``
    stripes of each image are shuffled in its own way, by the transform of
    the pre-training.
    """
    check_workers(workers)
    settings = image_settings(cfg, split, data_root)
    if shuffled_parts is not None:
        shuffle = dict(type='SharedStripeShuffle', num_stripes=shuffled_parts)
        # Between the other transforms and packing.
        settings['pipeline'].insert(-1, shuffle)
    with registry_scope():
        dataset = DATASETS.build(dict(settings, indices=indices))
    return DataLoader(
        dataset, batch_size, num_workers=workers, collate_fn=stack_collate
    )
