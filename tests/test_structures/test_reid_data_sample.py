import copy
import pickle

import numpy as np
import pytest
import torch

from mmgl.structures import ReIDDataSample


def make():
    return ReIDDataSample(
        metainfo=dict(img_path='a.jpg', pair_key=4),
        pid=np.int64(3),
        modality=1,
        camid=6,
        index=12,
    )


def test_fields_and_membership():
    sample = make()
    assert type(sample.pid) is int and sample.pid == 3
    assert 'pid' in sample and sample.get('camid') == 6
    assert 'feature' not in sample
    assert (sample.img_path, sample.pair_key) == ('a.jpg', 4)
    sample.feature = torch.ones(8)
    sample.permutation = torch.arange(6)
    sample.permutation_logits = torch.zeros(6, 6)
    sample.note = 'free'
    assert set(sample.keys()) == {
        'pid',
        'modality',
        'camid',
        'index',
        'feature',
        'permutation',
        'permutation_logits',
        'note',
    }


def test_pickle_and_copies():
    sample = make()
    sample.feature = torch.ones(8)
    for other in (
        pickle.loads(pickle.dumps(sample)),
        copy.deepcopy(sample),
        sample.clone(),
        sample.to(torch.float64),
    ):
        assert other.pid == 3 and other.pair_key == 4
        assert other.feature.shape == (8,)
    assert isinstance(sample.numpy().feature, np.ndarray)


@pytest.mark.parametrize(
    'name, value, error',
    [
        ('pid', 1.0, TypeError),
        ('pid', True, TypeError),
        ('pid', torch.tensor(1), TypeError),
        ('modality', 2, ValueError),
        ('modality', -1, ValueError),
        ('feature', [1.0], TypeError),
        ('feature', torch.ones(1, 8), ValueError),
        ('permutation', torch.ones(6), TypeError),
        ('permutation_logits', torch.ones(36), ValueError),
    ],
)
def test_wrong_values(name, value, error):
    sample = make()
    with pytest.raises(error, match=name):
        setattr(sample, name, value)
    with pytest.raises(error, match=name):
        ReIDDataSample(**{name: value})
