import numpy as np
import pytest
import torch

from mmgl.models.data_preprocessors import ReIDDataPreprocessor
from mmgl.structures.reid_data_sample import ReIDDataSample


def sample(pid=0, modality=0, camid=1, **kwargs):
    return ReIDDataSample(pid=pid, modality=modality, camid=camid, **kwargs)


def images(n=2):
    return [
        torch.randint(0, 256, (3, 4, 5), dtype=torch.uint8) for _ in range(n)
    ]


def test_normalises_once_in_rgb():
    mean, std = [1.0, 2.0, 3.0], [4.0, 5.0, 6.0]
    prep = ReIDDataPreprocessor(mean, std)
    imgs = images()
    out = prep({'inputs': imgs, 'data_samples': [sample(), sample()]})
    for got, img in zip(out['inputs'], imgs, strict=True):
        for channel in range(3):
            want = (img[2 - channel].float() - mean[channel]) / std[channel]
            torch.testing.assert_close(got[channel], want)
    bgr = ReIDDataPreprocessor(mean, std, to_rgb=False)(
        {'inputs': torch.stack(imgs)}
    )
    want = (imgs[0][0].float() - 1) / 4
    torch.testing.assert_close(bgr['inputs'][0, 0], want)
    assert bgr['targets'] == {} and bgr['data_samples'] is None
    assert not prep.state_dict()


@pytest.mark.parametrize('one', [torch.tensor, np.array])
@pytest.mark.parametrize('other', [torch.tensor, np.array])
def test_targets(one, other):
    samples = [
        sample(7, 1, 3, permutation=one([1, 0, 2])),
        sample(5, 0, 6, permutation=other([2, 1, 0])),
    ]
    out = ReIDDataPreprocessor()({'inputs': images(), 'data_samples': samples})
    targets = out['targets']
    assert targets['pid'].tolist() == [7, 5]
    assert targets['modality'].tolist() == [1, 0]
    assert targets['camid'].tolist() == [3, 6]
    assert targets['permutation'].tolist() == [[1, 0, 2], [2, 1, 0]]
    assert {t.dtype for t in targets.values()} == {torch.int64}
    assert out['data_samples'] is samples


def test_pair_numbers():
    samples = [sample(metainfo=dict(pair_key=k)) for k in (4, 9)]
    prep = ReIDDataPreprocessor()
    out = prep({'inputs': images(), 'data_samples': samples})
    assert out['targets']['pair'].tolist() == [4, 9]
    samples = [sample(metainfo=dict(pair_key=None)) for _ in range(2)]
    out = prep({'inputs': images(), 'data_samples': samples})
    assert 'pair' not in out['targets']


def test_float_images():
    prep = ReIDDataPreprocessor()
    imgs = images()
    want = prep({'inputs': imgs})['inputs']
    got = prep({'inputs': [img.float() for img in imgs]})['inputs']
    assert torch.equal(got, want)
    mixed = prep({'inputs': [imgs[0].float(), imgs[1]]})['inputs']
    assert torch.equal(mixed, want)


def test_views_become_rows():
    # Two views, one (as a stack and plain) and three.
    imgs = images(7)
    batch = [
        torch.stack(imgs[:2]),
        imgs[2][None],
        imgs[3],
        torch.stack(imgs[4:]),
    ]
    samples = [
        sample(pid, pid % 2, 1 + pid, permutation=torch.tensor([pid, 0]))
        for pid in range(4)
    ]
    out = ReIDDataPreprocessor()({'inputs': batch, 'data_samples': samples})
    want = ReIDDataPreprocessor()({'inputs': imgs})['inputs']
    assert torch.equal(out['inputs'], want)
    targets = {name: t.tolist() for name, t in out['targets'].items()}
    assert targets['pid'] == targets['source'] == [0, 0, 1, 2, 3, 3, 3]
    assert targets['view'] == [0, 1, 0, 0, 0, 1, 2]
    assert targets['modality'] == [0, 0, 1, 0, 1, 1, 1]
    assert targets['camid'] == [1, 1, 2, 3, 4, 4, 4]
    assert targets['permutation'] == [[pid, 0] for pid in targets['pid']]
    # The samples are those of the images.
    assert out['data_samples'] is samples
    with pytest.raises(ValueError, match='4 images but 3'):
        ReIDDataPreprocessor()({'inputs': batch, 'data_samples': samples[:3]})


def test_no_view_numbers_without_views():
    out = ReIDDataPreprocessor()(
        {'inputs': images(), 'data_samples': [sample(), sample()]}
    )
    assert not {'view', 'source'} & set(out['targets'])


def test_field_in_some_samples_only():
    samples = [sample(), sample(permutation=torch.tensor([0, 1]))]
    with pytest.raises(ValueError, match="'permutation' is set in 1 of 2"):
        ReIDDataPreprocessor()({'inputs': images(), 'data_samples': samples})


def test_bad_images():
    prep = ReIDDataPreprocessor()
    mixed = [*images(1), torch.zeros(3, 6, 5, dtype=torch.uint8)]
    with pytest.raises(ValueError, match='same size'):
        prep({'inputs': mixed})
    for bad in (torch.zeros(3, 4, 5).double(), torch.zeros(1, 4, 5)):
        with pytest.raises(ValueError, match='uint8 or float32'):
            prep({'inputs': [bad]})
    with pytest.raises(ValueError, match='3 images but 1'):
        prep({'inputs': images(3), 'data_samples': [sample()]})
    with pytest.raises(ValueError, match='three'):
        ReIDDataPreprocessor(std=(1, 0, 1))


@pytest.fixture
def pinning(monkeypatch):
    """Pretends to copy to a GPU; collects what is pinned for it."""
    pinned = []
    empty = torch.empty

    def allocate(*args, pin_memory=False, **kwargs):
        tensor = empty(*args, **kwargs)
        if pin_memory:
            pinned.append(tensor)
        return tensor

    def pin(self):
        if all(self is not one for one in pinned):
            pinned.append(self)
        return self

    monkeypatch.setattr(torch, 'empty', allocate)
    monkeypatch.setattr(torch.Tensor, 'pin_memory', pin)
    monkeypatch.setattr(ReIDDataPreprocessor, '_pins', True)
    return pinned


def mixed_types():
    return [images(1)[0], images(1)[0].float()]


@pytest.mark.parametrize(
    'make',
    [images, mixed_types, lambda: [torch.stack(images(2)), images(1)[0]]],
)
def test_copies_to_a_gpu_start_in_pinned_memory(make, pinning, monkeypatch):
    imgs = make()
    data = {'inputs': imgs, 'data_samples': [sample(3), sample(4, 1)]}
    out = ReIDDataPreprocessor()(data)
    # The images in one buffer that was made for them, and every target.
    rows = sum(1 if one.ndim == 3 else len(one) for one in imgs)
    assert [len(one) for one in pinning if one.ndim == 4] == [rows]
    assert len(pinning) == 1 + len(out['targets']) - 1  # host_modality
    monkeypatch.setattr(ReIDDataPreprocessor, '_pins', False)
    want = ReIDDataPreprocessor()(data)
    assert torch.equal(out['inputs'], want['inputs'])
    for name, value in want['targets'].items():
        assert torch.equal(out['targets'][name], value)


def test_only_copies_to_a_gpu_are_pinned(monkeypatch):
    prep = ReIDDataPreprocessor()
    assert not prep._pins
    for device in ('cuda', 'cuda:1'):
        monkeypatch.setattr(prep, '_device', torch.device(device))
        assert prep._pins
    prep._non_blocking = False
    assert not prep._pins


def test_images_on_the_device_are_not_pinned(pinning):
    prep = ReIDDataPreprocessor().to('meta')
    prep(dict(inputs=[torch.zeros(3, 4, 5, device='meta')] * 2))
    assert pinning == []
