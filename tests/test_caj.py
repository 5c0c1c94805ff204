"""The CAJ configs make the batches of the published code."""

import pytest
import torch
from mmengine.dataset import pseudo_collate

from mmgl.config.loading import load_config
from mmgl.models.data_preprocessors import ReIDDataPreprocessor
from mmgl.registry import DATA_SAMPLERS, DATASETS
from mmgl.utils.compat import registry_scope
from mmgl.utils.paths import config_dir

FINETUNE = config_dir() / 'mmgl/finetune'
CIFAR = torch.tensor([0.4914, 0.4822, 0.4465])


def load(name):
    return load_config(FINETUNE / f'{name}.py')


def batches(name, root, number, **sampler):
    """Batches of a training config on tiny data, as the model gets them."""
    loader = load(name).train_dataloader
    loader.dataset['data_root'] = root
    with registry_scope('mmgl'):
        dataset = DATASETS.build(loader.dataset)
        draws = DATA_SAMPLERS.build(
            {
                **loader.sampler,
                **sampler,
                'dataset': dataset,
                'seed': 0,
                'num_iters': number,
            }
        )
    draws = list(draws)
    size = len(draws) // number
    prepare = ReIDDataPreprocessor()
    for start in range(0, len(draws), size):
        batch = pseudo_collate(
            [dataset[draw] for draw in draws[start : start + size]]
        )
        out = prepare(batch, training=True)
        yield out['inputs'], out['targets']


def same(a, b):
    return torch.isclose(a, b, rtol=0, atol=2e-5).all()


def copies(image):
    """Whether all three channels of a normalised image are equal."""
    return same(image, image[:1].expand(3, -1, -1))


def erased(image):
    """Whether many pixels have the fill colour, in all or one channel."""
    fills = image - CIFAR[:, None, None]
    if copies(image):
        return any(
            ((image[0] - c).abs() < 2e-5).float().mean() > 0.015 for c in CIFAR
        )
    return ((fills.abs() < 2e-5).all(0)).float().mean() > 0.015


def test_batch_of_caj(tiny_sysu):
    ((inputs, targets),) = batches('caj_r18-narrow_synthetic', tiny_sysu, 1)
    # 8 identities, 4 + 4 images of each, the visible ones twice.
    assert inputs.shape == (96, 3, 96, 48)
    visible, view = targets['modality'] == 0, targets['view']
    assert (visible & (view == 0)).sum() == 32
    assert (visible & (view == 1)).sum() == 32
    assert (~visible & (view == 0)).sum() == 32
    assert targets['pid'].unique(return_counts=True)[1].tolist() == [12] * 8
    # The two views of an image have its identity, but their own crop.
    for source in targets['source'][visible].unique():
        rows = (targets['source'] == source).nonzero().ravel()
        assert len(targets['pid'][rows].unique()) == 1
        assert view[rows].tolist() == [0, 1]


def test_augmentation_of_caj(tiny_sysu):
    """Takes 3 s: shares of what is done to 320 images."""
    counts = dict.fromkeys(('copied', 'erased'), 0.0)
    counts = {group: dict(counts) for group in ('V0', 'V1', 'IR')}
    number = dict.fromkeys(counts, 0)
    for inputs, targets in batches('caj_r18-narrow_synthetic', tiny_sysu, 5):
        for image, modality, view in zip(
            inputs, targets['modality'], targets['view'], strict=True
        ):
            group = 'IR' if modality == 1 else f'V{view}'
            number[group] += 1
            counts[group]['copied'] += float(copies(image))
            counts[group]['erased'] += float(erased(image))
    assert set(number.values()) == {160}
    share = {
        group: {key: n / 160 for key, n in found.items()}
        for group, found in counts.items()
    }
    # Every augmented view is one channel; 7 of 8 infrared ones are equal in
    # all channels, by copy or by greyscale.
    assert share['V1']['copied'] == 1 and share['V0']['copied'] == 0
    assert share['IR']['copied'] == pytest.approx(7 / 8, abs=0.1)
    for group in share:
        assert share[group]['erased'] == pytest.approx(0.5, abs=0.16)


def steps(value, kind):
    """All transforms of a type in a pipeline, however deep."""
    if isinstance(value, list | tuple):
        return [found for item in value for found in steps(item, kind)]
    if isinstance(value, dict):
        own = [value] if value.get('type') == kind else []
        return own + steps(list(value.values()), kind)
    return []


def test_deltas_of_caj_plus():
    plain = load('caj_r50_96-100e_sysu')
    plus = load('caj-plus_r50_96-100e_sysu')
    pipelines = [
        cfg.train_dataloader.dataset.pipeline for cfg in (plain, plus)
    ]
    assert [
        [step.prob for step in steps(p, 'ChannelRandomErasing')]
        for p in pipelines
    ] == [[0.5, 0.5], [0.6, 0.5, 0.6]]
    assert [
        [step.gray_prob for step in steps(p, 'ChannelAdaptiveGray')]
        for p in pipelines
    ] == [[0.5], [0.6]]
    assert [len(steps(p, 'ChannelExchange')) for p in pipelines] == [1, 1]
    (gray,) = steps(pipelines[1], 'RandomGrayscale')
    assert gray.prob == 0.1 and gray.keep_channels
    assert not steps(pipelines[0], 'RandomGrayscale')
    assert plus.model.heads.id.consistency.loss_weight == 1.0
    assert 'consistency' not in plain.model.heads.id
    # All else is the same.
    del plus.model.heads.id['consistency']
    assert plus.model == plain.model
    assert plus.optim_wrapper == plain.optim_wrapper


def test_loss_is_that_of_the_published_command():
    agw, caj = (
        load(f'{name}_sysu').model.heads.triplet.loss
        for name in ('agw_r50_64-81e', 'caj_r50_96-100e')
    )
    assert agw == dict(type='WeightedRegularizedTripletLoss', published=True)
    # --square 1 --alpha 1 --gamma 1
    assert caj == dict(type='EnhancedSquaredDifferenceLoss', published=True)


@pytest.mark.parametrize(
    'variant, loss',
    [
        ('caj-exact', dict(type='WeightedRegularizedTripletLoss')),
        (
            'caj-square-exact',
            dict(type='EnhancedSquaredDifferenceLoss', published=False),
        ),
    ],
)
def test_variants_differ_by_the_loss_alone(variant, loss):
    plain = load('caj_r50_96-100e_sysu')
    other = load(f'{variant}_r50_96-100e_sysu')
    assert other.model.heads.triplet.loss == loss
    other.model.heads.triplet.loss = plain.model.heads.triplet.loss
    assert other._cfg_dict == plain._cfg_dict


def test_caj_is_agw_with_views_flip_and_another_loss():
    agw, caj = (
        load(f'{name}_sysu') for name in ('agw_r50_64-81e', 'caj_r50_96-100e')
    )
    assert caj.model.pop('flip_test')
    caj.model.heads.triplet.loss = agw.model.heads.triplet.loss
    assert caj.model == agw.model
    assert caj.test_dataloader == agw.test_dataloader
    assert caj.param_scheduler == agw.param_scheduler
    assert (caj.train_cfg.max_epochs, agw.train_cfg.max_epochs) == (100, 81)


def test_batch_of_caj_plus_at_full_size(tiny_sysu):
    ((inputs, targets),) = batches(
        'caj-plus_r50_96-100e_sysu', tiny_sysu, 1, num_ids=2, num_instances=2
    )
    assert inputs.shape == (12, 3, 288, 144)
    second = targets['view'] == 1
    assert second.sum() == 4 and (targets['modality'][second] == 0).all()
    assert all(copies(image) for image in inputs[second])
