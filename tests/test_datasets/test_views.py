import numpy as np
import pytest
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope

from mmgl.datasets import SYSUMM01, Draw, rng_scope
from mmgl.datasets.samplers import IdentitySampler
from mmgl.datasets.transforms import ModalityTransform, PackReIDInputs, Views
from mmgl.models.data_preprocessors import ReIDDataPreprocessor
from mmgl.registry import TRANSFORMS


def add(number):
    """Transform that writes into the image, as some of mmpretrain do."""

    def step(results):
        results['img'] += number
        results['added'] = results.get('added', 0) + number
        return results

    return step


def noise(results):
    results['img'] = results['img'] + np.random.rand()
    return results


def image(modality=0):
    return dict(img=np.zeros((4, 2, 3)), modality=modality)


# ------------------------------------------------------------ by modality
def test_modality_chooses_the_pipeline():
    step = ModalityTransform(visible=[add(1), add(2)], infrared=[add(10)])
    assert (step(image(0))['img'] == 3).all()
    assert (step(image(1))['img'] == 10).all()


def test_empty_and_missing_pipelines():
    for step in (
        ModalityTransform(visible=[add(1)]),
        ModalityTransform([add(1)], []),
    ):
        assert (step(image(1))['img'] == 0).all()
        assert (step(image(0))['img'] == 1).all()
    step = ModalityTransform(visible=None)
    assert step(image(0)) is None
    assert step(image(1)) is not None


@pytest.mark.parametrize('scope', ['mmgl', 'mmengine', 'mmpretrain'])
def test_configs_are_built_in_any_scope(scope):
    with DefaultScope.overwrite_default_scope(scope):
        step = ModalityTransform(
            visible=[
                dict(
                    type='Views',
                    views=[
                        [dict(type='ChannelExchange')],
                        [dict(type='RandomFlip', prob=1.0)],
                        [dict(type='mmpretrain.RandomErasing')],
                    ],
                )
            ]
        )
    results = dict(img=np.zeros((9, 5, 3), np.uint8), modality=0)
    assert [view.shape for view in step(results)['img']] == [(9, 5, 3)] * 3


def test_what_is_no_pipeline_is_refused():
    with pytest.raises(TypeError, match='ModalityTransform.infrared'):
        ModalityTransform(infrared='RandomFlip')
    with pytest.raises(TypeError, match=r'Views.views.0'):
        Views([dict(type='RandomFlip')])
    with pytest.raises(TypeError, match='Views.first'):
        Views([[]], first=dict(type='RandomFlip'))
    with pytest.raises(ValueError, match='Views.views is empty'):
        Views([])


# ---------------------------------------------------------------------- views
def test_views_do_not_touch_each_other():
    start = image()
    results = Views([[add(1)], [], [add(2)]], first=[add(10)])(start)
    assert [view.max() for view in results['img']] == [11, 10, 12]
    # Other keys are the first view's, and the input is unharmed.
    assert results['added'] == 11 and results['modality'] == 0
    assert (start['img'] == 0).all()


def test_views_are_independent_and_reproducible():
    views = Views([[], [noise], []], first=[noise])

    def run(position):
        with rng_scope(Draw(0, 0, 0, position, 0)):
            return [v.max() for v in views(image())['img']]

    assert len(set(run(0))) == 3
    assert run(0) == run(0) and run(0) != run(1)


def test_copies_of_a_view():
    views = Views([[add(1), noise], [add(5)]], copies=[3, 1])
    images = [view.max() for view in views(image())['img']]
    assert len(set(images)) == 4 and all(1 < v < 2 for v in images[:3])
    assert images[3] == 5
    for copies in ([1], [1, 0], [1, 1, 1]):
        with pytest.raises(ValueError, match='Views.copies'):
            Views([[], []], copies=copies)


def test_a_view_may_be_left_out():
    views = Views([[add(1)], [ModalityTransform(infrared=None), add(2)]])
    assert [v.max() for v in views(image(0))['img']] == [1, 2]
    assert [v.max() for v in views(image(1))['img']] == [1]
    nothing = Views([[ModalityTransform(infrared=None)]])
    with pytest.raises(ValueError, match='no view is left.*modality 1'):
        nothing(image(1))
    # Left out in the steps all views share.
    with pytest.raises(ValueError, match='no view'):
        Views([[add(1)]], first=[ModalityTransform(visible=None)])(image(0))


def test_multi_view_of_mmpretrain_fits_too():
    with DefaultScope.overwrite_default_scope('mmgl'):
        step = TRANSFORMS.build(
            dict(
                type='mmpretrain.MultiView',
                num_views=2,
                transforms=[[dict(type='ChannelRandomErasing', prob=1.0)]],
            )
        )
    results = step(
        dict(
            img=np.zeros((24, 12, 3), np.uint8),
            img_path='x',
            pid=0,
            modality=0,
            camid=1,
            index=1,
        )
    )
    assert PackReIDInputs()(results)['inputs'].shape == (2, 3, 24, 12)


# ---------------------------------------------------- through loader and model
def test_two_views_of_every_image(tiny_sysu):
    """The batch contrastive learning needs, from files to targets."""
    pipeline = [
        dict(type='LoadImageFromFile'),
        dict(type='Resize', scale=(12, 24)),
        dict(
            type='Views',
            views=[[], []],
            first=[
                dict(
                    type='mmpretrain.RandomCrop', crop_size=(24, 12), padding=4
                )
            ],
        ),
        dict(type='PackReIDInputs'),
    ]
    dataset = SYSUMM01(tiny_sysu, 'trainval', pipeline)
    draws = list(IdentitySampler(dataset, 2, 2, seed=0))[:8]
    batch = pseudo_collate([dataset[draw] for draw in draws])
    out = ReIDDataPreprocessor()(batch, training=True)
    assert out['inputs'].shape == (16, 3, 24, 12)
    targets = out['targets']
    assert targets['source'].tolist() == [i for i in range(8) for _ in 'ab']
    assert targets['view'].tolist() == [0, 1] * 8
    pids = [sample.pid for sample in batch['data_samples']]
    assert targets['pid'].tolist() == [pid for pid in pids for _ in 'ab']
    first, second = out['inputs'][::2], out['inputs'][1::2]
    assert (first != second).flatten(1).any(1).sum() >= 7
