import pytest
import torch
from mmengine.dataset import pseudo_collate

from mmgl.datasets import stack_collate
from mmgl.models.data_preprocessors import (
    ModalityChannelPreprocessor,
    ReIDDataPreprocessor,
)
from mmgl.structures import ReIDDataSample

COLLATES = pytest.mark.parametrize('collate', [pseudo_collate, stack_collate])


def sample(modality):
    return ReIDDataSample(pid=0, modality=modality, camid=1, index=1)


def image(*size):
    return torch.randint(256, (3, *size), dtype=torch.uint8)


def batch(modalities, *sizes, collate=pseudo_collate):
    """Collated views, stacked where the sizes agree."""
    items = []
    for modality in modalities:
        views = [image(*size) for size in sizes]
        if len(set(sizes)) == 1:
            views = torch.stack(views)
        items.append(dict(inputs=views, data_samples=sample(modality)))
    return collate(items)


def normalised(img):
    return ReIDDataPreprocessor()({'inputs': img[None]})['inputs'][0]


@COLLATES
def test_two_views_of_one_size(collate):
    data = batch([0, 1, 1], (8, 4), (8, 4), collate=collate)
    out = ModalityChannelPreprocessor()(data)
    assert list(out) == ['inputs', 'data_samples']
    assert out['data_samples'] is data['data_samples']
    first, second = out['inputs']
    for view, x in enumerate((first, second)):
        assert x.shape == (3, 4, 8, 4) and x.dtype == torch.float32
        for n, modality in enumerate([0, 1, 1]):
            assert (x[n, 3] == modality).all()
            assert torch.equal(x[n, :3], normalised(data['inputs'][n][view]))


@COLLATES
def test_views_of_two_sizes_keep_their_order(collate):
    sizes = [(8, 4), (8, 4), (4, 2), (4, 2), (4, 2)]
    data = batch([1, 0], *sizes, collate=collate)
    out = ModalityChannelPreprocessor()(data)['inputs']
    assert [tuple(x.shape) for x in out] == [(2, 4, *s) for s in sizes]
    for view, x in enumerate(out):
        assert x[:, 3].flatten(1).mean(1).tolist() == [1, 0]
        # Collated by view: the images of each.
        for n in range(2):
            assert torch.equal(x[n, :3], normalised(data['inputs'][view][n]))


def test_settings_are_used():
    data = batch([0, 1], (8, 4), (8, 4))
    x = ModalityChannelPreprocessor(
        mean=(0, 0, 0), std=(1, 1, 1), to_rgb=False
    )(data)['inputs'][1]
    for n in range(2):
        assert torch.equal(x[n, :3], data['inputs'][n][1].float())


def test_one_view():
    images = [image(8, 4), image(8, 4)]
    out = ModalityChannelPreprocessor()(
        dict(inputs=images, data_samples=[sample(1), sample(0)])
    )['inputs']
    assert len(out) == 1 and out[0].shape == (2, 4, 8, 4)


def test_mistakes_are_named():
    prep = ModalityChannelPreprocessor()
    data = batch([0, 1], (8, 4), (8, 4))
    with pytest.raises(ValueError, match='modality'):
        prep(dict(data, data_samples=[ReIDDataSample(), ReIDDataSample()]))
    with pytest.raises(ValueError, match='2 images but 0'):
        prep(dict(inputs=data['inputs']))
    with pytest.raises(ValueError, match=r'with \[1, 2\] views'):
        prep(dict(data, inputs=[data['inputs'][0], data['inputs'][1][:1]]))
    with pytest.raises(ValueError, match='must differ in width'):
        prep(batch([0, 1], (8, 4), (6, 4)))
    with pytest.raises(ValueError, match='ModalityChannelPreprocessor'):
        ReIDDataPreprocessor()(batch([0, 1], (8, 4), (4, 2)))
