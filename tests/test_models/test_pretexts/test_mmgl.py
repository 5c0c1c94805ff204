import pytest
import torch
from mmengine.optim import OptimWrapper

from mmgl.models import ReIDModel
from mmgl.structures import ReIDDataSample

CONTRAST = dict(type='PartCycleContrastiveLoss')
PART = dict(type='PartHead', num_stripes=6, out_channels=16)


def build(part=None, backbone='TwoStreamResNet', **head):
    return ReIDModel(
        backbone=dict(type=backbone, depth=18, base_channels=4),
        neck=dict(type='MapNeck'),
        heads=dict(
            permutation=dict(
                type='PermutationHead',
                num_stripes=6,
                loss=dict(type='PermutationReconstructionLoss', **head),
            ),
            part=part,
        ),
        test_feature='pool',
    )


def batch(pairs=3):
    permutation = torch.stack([torch.randperm(6) for _ in range(pairs)])
    samples = [
        ReIDDataSample(
            metainfo=dict(img_path='', pair_key=i // 2),
            pid=0,
            camid=1,
            index=1,
            modality=i % 2,
            permutation=permutation[i // 2],
        )
        for i in range(2 * pairs)
    ]
    images = torch.randint(0, 256, (2 * pairs, 3, 96, 48), dtype=torch.uint8)
    return dict(inputs=list(images), data_samples=samples)


@pytest.mark.parametrize(
    'part, terms',
    [
        (None, set()),
        (PART, {'part/loss_position'}),
        (dict(PART, position=False, contrast=CONTRAST), {'part/loss_pcc'}),
        (
            dict(PART, contrast=CONTRAST),
            {'part/loss_position', 'part/loss_pcc'},
        ),
    ],
)
def test_table_v_rows_are_configs(part, terms):
    model = build(part)
    data = model.data_preprocessor(batch(), True)
    losses = model(**data, mode='loss')
    assert {k for k in losses if 'loss' in k} == {'permutation/loss', *terms}


@pytest.mark.parametrize('norm', ['modality_bn', 'bn', 'none'])
def test_the_gap_is_that_of_the_backbone_whatever_the_heads_do(norm):
    """An offset between the modalities in front of the heads is seen."""
    model = build(dict(PART, contrast=CONTRAST, norm=norm))
    data = model.data_preprocessor(batch(16), True)
    sign = (2.0 * data['targets']['modality'] - 1).view(-1, 1, 1, 1)
    gaps = []
    for offset in (0.0, 1.0, 10.0):
        handle = model.backbone.register_forward_hook(
            lambda _, args, out, offset=offset: out + offset * sign
        )
        gaps.append(model(**data, mode='loss')['modality_gap'].item())
        handle.remove()
    assert gaps[0] < 0.5 and gaps[0] < gaps[1] < gaps[2] <= 1
    assert gaps[2] > 0.99


def test_every_parameter_is_trained():
    model = build(dict(PART, contrast=CONTRAST))
    before = {k: v.clone() for k, v in model.named_parameters()}
    optimizer = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.1))
    for _ in range(2):
        model.train_step(batch(), optimizer)
    for name, value in model.named_parameters():
        assert not torch.equal(before[name], value), name


@pytest.mark.parametrize('backbone', ['OneStreamResNet', 'TwoStreamResNet'])
def test_order_of_the_batch_does_not_matter(backbone):
    model = build(dict(PART, contrast=CONTRAST), backbone, noise_factor=0)
    data = batch()
    order = [3, 0, 5, 4, 1, 2]
    mixed = {k: [v[i] for i in order] for k, v in data.items()}
    one, two = (
        model(**model.data_preprocessor(d, True), mode='loss')
        for d in (data, mixed)
    )
    for key, value in one.items():
        assert torch.allclose(value, two[key], atol=1e-5), key


def test_pair_bank_reads_the_pair_of_each_image():
    contrast = dict(CONTRAST, bank='pair')
    model = build(dict(PART, contrast=contrast))
    losses = model(**model.data_preprocessor(batch(), True), mode='loss')
    assert torch.isfinite(losses['part/loss_pcc'])


def test_predict_fills_the_samples():
    model = build().eval()
    data = model.data_preprocessor(batch())
    samples = model(**data, mode='predict')
    assert samples[0].permutation_logits.shape == (6, 6)
    assert samples[0].feature.norm().item() == pytest.approx(1, abs=1e-5)
    assert model(**data).shape == (6, 32)
    with pytest.raises(ValueError, match='mode'):
        model(**data, mode='train')
