import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate
from torch.utils.data import DataLoader

from mmgl.config.loading import derive_loaders
from mmgl.datasets import stack_collate
from mmgl.models.data_preprocessors import ReIDDataPreprocessor
from mmgl.structures import ReIDDataSample


def image(*shape, dtype=torch.uint8):
    return torch.randint(256, (*shape, 6, 4), dtype=dtype)


def packed(*inputs):
    return [
        dict(
            inputs=one,
            data_samples=ReIDDataSample(
                pid=n, permutation=np.roll(np.arange(3), n)
            ),
        )
        for n, one in enumerate(inputs)
    ]


@pytest.mark.parametrize('shape', [(3,), (2, 3)])
def test_images_of_one_size_are_one_tensor(shape):
    samples = packed(*(image(*shape) for _ in range(4)))
    batch, plain = stack_collate(samples), pseudo_collate(samples)
    assert batch['inputs'].shape == (4, *shape, 6, 4)
    assert batch['inputs'].dtype == torch.uint8
    assert torch.equal(batch['inputs'], torch.stack(plain['inputs']))
    assert batch['data_samples'] == plain['data_samples']


@pytest.mark.parametrize('shape', [(3,), (2, 3)])
def test_the_model_sees_the_same(shape):
    samples = packed(*(image(*shape) for _ in range(4)))
    ours, plain = (
        ReIDDataPreprocessor()(collate(samples))
        for collate in (stack_collate, pseudo_collate)
    )
    assert torch.equal(ours['inputs'], plain['inputs'])
    assert ours['targets'].keys() == plain['targets'].keys()
    for name, values in ours['targets'].items():
        assert torch.equal(values, plain['targets'][name])


def test_views_of_several_sizes_are_a_tensor_each():
    views = [[image(3), image(3)[..., :2]] for _ in range(3)]
    batch = stack_collate(packed(*views))
    assert isinstance(batch['inputs'], tuple)
    for number, view in enumerate(batch['inputs']):
        expected = torch.stack([one[number] for one in views])
        assert torch.equal(view, expected)
    with pytest.raises(ValueError, match='views of different sizes'):
        ReIDDataPreprocessor()(batch)


@pytest.mark.parametrize(
    'other', [image(3)[..., :2], image(3, dtype=torch.int64)]
)
def test_images_that_do_not_fit_stay_a_list(other):
    inputs = [image(3), other]
    found = stack_collate(packed(*inputs))['inputs']
    assert all(one is two for one, two in zip(found, inputs, strict=True))


@pytest.mark.parametrize(
    'samples', [[dict(names='a'), dict(names='b')], [('a', 1), ('b', 2)], 'ab']
)
def test_samples_without_images_are_as_mmengine_collates_them(samples):
    assert stack_collate(samples) == pseudo_collate(samples)


def test_a_worker_hands_over_one_tensor():
    samples = packed(*(image(3) for _ in range(8)))
    loader = DataLoader(
        samples, 4, num_workers=1, collate_fn=stack_collate, shuffle=False
    )
    batches = list(loader)
    assert [len(batch['inputs']) for batch in batches] == [4, 4]
    for n, one in enumerate(samples):
        batch = batches[n // 4]
        assert torch.equal(batch['inputs'][n % 4], one['inputs'])
        sample = batch['data_samples'][n % 4]
        # A tensor would travel by a descriptor of its own.
        assert isinstance(sample.permutation, np.ndarray)
    assert all(batch['inputs'].is_shared() for batch in batches)


def test_loaders_of_configs_use_it_unless_told_otherwise():
    own = dict(type='default_collate')
    cfg = dict(
        train_dataloader=dict(num_workers=0),
        test_dataloader=dict(num_workers=0, collate_fn=own),
    )
    derive_loaders(cfg)
    assert cfg['train_dataloader']['collate_fn'] == dict(
        type='mmgl.stack_collate'
    )
    assert cfg['test_dataloader']['collate_fn'] == own
