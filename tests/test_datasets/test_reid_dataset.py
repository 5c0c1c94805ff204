import os
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.registry import DATASETS, DefaultScope
from mmengine.runner import Runner

from mmgl.datasets import SYSUMM01, Draw
from mmgl.utils.errors import ConfigError

PAIRS = dict(type='CrossModalPairSampler', batch_size=8)
IDENTITIES = dict(type='IdentitySampler', num_ids=2, num_instances=2)


def build_loader(root, pipeline, sampler=PAIRS, workers=0, seed=3):
    """The way Runner does it, from a config in scope mmgl."""
    config = dict(
        dataset=dict(
            type='SYSUMM01',
            data_root=root,
            split='train',
            pipeline=[
                *pipeline,
                dict(type='SharedStripeShuffle', num_stripes=6),
                dict(type='PackReIDInputs'),
            ],
        ),
        sampler=dict(sampler),
        batch_size=8,
        num_workers=workers,
        persistent_workers=workers == 3,
    )
    with DefaultScope.overwrite_default_scope('mmgl'):
        return Runner.build_dataloader(config, seed=seed)


def epoch(loader, number):
    loader.sampler.set_epoch(number)
    return list(loader)


def same(first, second):
    """Whether two lists of batches hold the same images and permutations."""
    if len(first) != len(second):
        return False
    for a, b in zip(first, second, strict=True):
        for x, y in zip(a['inputs'], b['inputs'], strict=True):
            if not torch.equal(x, y):
                return False
        for x, y in zip(a['data_samples'], b['data_samples'], strict=True):
            shuffled_alike = np.array_equal(x.permutation, y.permutation)
            if x.img_path != y.img_path or not shuffled_alike:
                return False
    return True


@pytest.mark.parametrize('sampler', [PAIRS, IDENTITIES])
def test_workers_do_not_matter_and_epochs_differ(
    sysu_root, standard_pipeline, sampler
):
    # Takes seconds because it starts five pools of workers.
    runs = {}
    for workers in (0, 1, 3):
        loader = build_loader(sysu_root, standard_pipeline, sampler, workers)
        runs[workers] = [epoch(loader, e) for e in (0, 1)]
    for workers in (1, 3):
        for e in (0, 1):
            assert same(runs[0][e], runs[workers][e])
    assert not same(runs[0][0], runs[0][1])


@pytest.mark.parametrize('sampler', [PAIRS, IDENTITIES])
def test_resuming_equals_running_through(
    sysu_root, standard_pipeline, sampler
):
    through = build_loader(sysu_root, standard_pipeline, sampler)
    batches = [epoch(through, e) for e in range(3)][2]
    resumed = build_loader(sysu_root, standard_pipeline, sampler)
    np.random.seed(99)
    torch.manual_seed(99)
    assert same(batches, epoch(resumed, 2))
    assert not same(
        batches,
        epoch(build_loader(sysu_root, standard_pipeline, sampler, seed=4), 2),
    )


def test_same_image_is_augmented_differently(sysu_root, standard_pipeline):
    dataset = SYSUMM01(
        sysu_root, 'train', [*standard_pipeline, dict(type='PackReIDInputs')]
    )

    def image(**key):
        draw = Draw(0, 0, 0, 0, 0)._replace(**key)
        return dataset[draw]['inputs']

    assert torch.equal(image(), image())
    for other in (dict(epoch=1), dict(position=1), dict(seed=1)):
        assert not torch.equal(image(), image(**other))


def test_pair_members_share_the_permutation(sysu_root, standard_pipeline):
    for batch in epoch(build_loader(sysu_root, standard_pipeline), 0):
        samples = batch['data_samples']
        assert [s.modality for s in samples] == [0, 1] * 4
        for a, b in zip(samples[::2], samples[1::2], strict=True):
            assert a.pair_key == b.pair_key
            assert np.array_equal(a.permutation, b.permutation)


def test_global_generators_stay_as_they_were(sysu_root, standard_pipeline):
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    for _ in build_loader(sysu_root, standard_pipeline).sampler:
        pass
    dataset = build_loader(sysu_root, standard_pipeline).dataset
    dataset[Draw(1, 0, 0, 0, 0)]
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize('scope', ['mmengine', 'mmgl', None])
def test_every_step_of_the_standard_pipeline(
    sysu_root, standard_pipeline, scope
):
    # The pipeline is built in scope mmgl whatever the scope around it.
    def build():
        return SYSUMM01(sysu_root, 'train', standard_pipeline)

    if scope is None:
        dataset = build()
    else:
        with DefaultScope.overwrite_default_scope(scope):
            dataset = build()
    for i in range(4):
        results = dataset[i]
        assert results['img'].shape == (48, 24, 3)
        assert results['img'].dtype == np.uint8


def test_built_from_the_root_registry(sysu_root):
    with DefaultScope.overwrite_default_scope('mmgl'):
        dataset = DATASETS.build(
            dict(type='SYSUMM01', data_root=sysu_root, split='val')
        )
    assert isinstance(dataset, SYSUMM01)


LOAD = [dict(type='LoadImageFromFile'), dict(type='PackReIDInputs')]


def test_broken_images_are_named(broken_sysu):
    dataset = SYSUMM01(broken_sysu, 'train', LOAD)
    path = dataset.get_data_info(2)['img_path']
    with open(path, 'wb') as file:
        file.write(b'no image')
    with pytest.raises(ValueError, match='0001.*cannot be read'):
        dataset[2]
    os.remove(path)
    with pytest.raises(FileNotFoundError, match='0001.*is missing'):
        dataset[Draw(2, 0, 0, 0, 0)]
    with open(path, 'wb'):
        pass
    with pytest.raises(ValueError, match='0001.*cannot be read'):
        dataset[2]


def test_pipeline_that_returns_nothing(sysu_root):
    dataset = SYSUMM01(sysu_root, 'train', [lambda results: None])
    with pytest.raises(ValueError, match='returned nothing'):
        dataset[0]


def test_unknown_field(sysu_root):
    with pytest.raises(ValueError, match='img_path'):
        SYSUMM01(sysu_root, 'train').field('img_path')


@pytest.mark.parametrize('workers', [0, 2])
@pytest.mark.parametrize(
    'content, text',
    [(b'no image', 'it is none of JPEG, PNG, BMP'), (None, 'is missing')],
)
def test_errors_of_workers_are_one_sentence(
    broken_sysu, content, text, workers
):
    # A second or two: forks workers.
    loader = build_loader(broken_sysu, LOAD[:1], workers=workers)
    for number in range(len(loader.dataset)):
        path = Path(loader.dataset.get_data_info(number)['img_path'])
        path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(ConfigError, match=text) as info:
        next(iter(loader))
    sentence = str(info.value)
    assert '\n' not in sentence and 'Traceback' not in sentence
    assert sentence.startswith(('image', 'SYSUMM01: image'))
