import pytest
import torch

from mmgl.config.loading import load_config
from mmgl.models.necks import PatternAlignmentNeck
from mmgl.registry import MODELS
from mmgl.structures.reid_data_sample import ReIDDataSample
from mmgl.utils.compat import registry_scope
from mmgl.utils.paths import config_dir


def test_features_equal_a_loop():
    neck, x = PatternAlignmentNeck(8, num_parts=3), torch.rand(4, 8, 5, 2)
    out = neck(x)
    assert list(out) == list(neck.out_channels) == ['pool', 'bn', 'masks']
    assert neck.out_channels == dict(pool=32, bn=32, masks=3)
    for b in range(4):
        parts = []
        for k in range(3):
            logits = torch.einsum(
                'c,chw->hw', neck.mask.weight[k, :, 0, 0], x[b]
            )
            mask = torch.sigmoid(logits)
            torch.testing.assert_close(out['masks'][b, k], mask)
            parts.append((mask * x[b]).mean((1, 2)))
        want = torch.cat([*parts, x[b].mean((1, 2))])
        torch.testing.assert_close(out['pool'][b], want)
    pooled = out['pool']
    want = (pooled - pooled.mean(0)) / (
        pooled.var(0, unbiased=False) + 1e-5
    ).sqrt()
    torch.testing.assert_close(out['bn'], want, rtol=1e-3, atol=1e-4)


def test_initialisation():
    neck = PatternAlignmentNeck(16)
    assert (neck.mask.bias == 0).all()
    assert (neck.bn.weight == 1).all() and neck.bn.weight.requires_grad
    assert (neck.bn.bias == 0).all() and not neck.bn.bias.requires_grad


def test_everything_has_a_gradient():
    neck = PatternAlignmentNeck(8, num_parts=2)
    x = torch.rand(4, 8, 5, 2, requires_grad=True)
    out = neck(x)
    (out['bn'] ** 3).sum().backward()
    for value in (x, neck.mask.weight, neck.mask.bias, neck.bn.weight):
        assert value.grad.isfinite().all() and value.grad.abs().sum() > 0


def test_half_precision_maps_give_fp32_features():
    neck = PatternAlignmentNeck(8)
    x = torch.rand(2, 8, 50, 20).half() * 4e4
    with torch.autocast('cpu', dtype=torch.bfloat16):
        out = neck(x)
    assert all(value.dtype == torch.float32 for value in out.values())
    assert all(value.isfinite().all() for value in out.values())


def test_bad_number_of_parts():
    with pytest.raises(ValueError, match='num_parts'):
        PatternAlignmentNeck(8, num_parts=0)


def test_caj_with_pattern_alignment_is_a_config(tmp_path):
    leaf = config_dir() / 'mmgl/finetune/caj_r18-narrow_synthetic.py'
    path = tmp_path / 'caj-pam.py'
    path.write_text(f"""_base_ = {str(leaf)!r}
model = dict(
    neck=dict(_delete_=True, type='PatternAlignmentNeck', num_parts=4),
    heads=dict(separation=dict(
        type='MetricHead', feature='masks', loss_weight=.5,
        loss=dict(type='PatternSeparationLoss'))))
""")
    cfg = load_config(path)
    cfg.model.backbone.update(base_channels=8)
    with registry_scope('mmgl'):
        model = MODELS.build(cfg.model)
    # Two images, visible and infrared, of two identities; one has two views.
    samples = [
        ReIDDataSample(pid=pid, modality=m, camid=1)
        for pid in range(2)
        for m in range(2)
    ]
    images = [
        torch.randint(0, 256, (1 + (i == 0), 3, 48, 24)).byte()
        for i in range(4)
    ]
    batch = model.data_preprocessor(dict(inputs=images, data_samples=samples))
    losses = model(**batch, mode='loss')
    total, _ = model.parse_losses(losses)
    total.backward()
    # Masks that a loss and three kinds of features pull at.
    assert model.neck.mask.weight.grad.abs().sum() > 0
    assert losses['separation/loss'] > 0 and total.isfinite()
    model.eval()
    batch = model.data_preprocessor(
        dict(inputs=[image[:1] for image in images], data_samples=samples)
    )
    sample = model(**batch, mode='predict')[0]
    assert sample.feature.shape == (5 * 64,)
