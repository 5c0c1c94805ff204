"""The recipes of docs/extend.md run as they stand."""

import copy
import re
from pathlib import Path

import numpy as np
import pytest
import torch

import mmgl
from mmgl.registry import METRICS, MODELS
from mmgl.structures import ReIDDataSample

PAGE = Path(__file__).parents[1] / 'docs/extend.md'
CLASSES = {
    MODELS: ('TwoStemNet', 'CameraHead'), METRICS: ('OtherPlaces',)
}  # fmt: skip


@pytest.fixture(scope='module')
def recipe():
    """What the blocks of a section define."""
    sections = re.split(r'^## ', PAGE.read_text(), flags=re.M)
    made = {}
    for section in sections:
        scope = {}
        for block in re.findall(
            r'^```python\n(.*?)^```$', section, re.S | re.M
        ):
            exec(block, scope)
        made[section.partition('\n')[0]] = scope
    yield made
    for registry, names in CLASSES.items():
        for name in names:
            registry.module_dict.pop(name)


def batch(size=8):
    generator = torch.Generator().manual_seed(0)
    shape = (size, 3, 96, 48)
    images = torch.randint(0, 256, shape, generator=generator).byte()
    samples = [
        ReIDDataSample(
            pid=n // 4, modality=n % 2, camid=(1, 6)[n % 2], index=n,
            permutation=torch.randperm(6, generator=generator),
        )
        for n in range(size)
    ]  # fmt: skip
    return dict(inputs=list(images), data_samples=samples)


def losses(name, change):
    """Losses of a step of a config with a change."""
    cfg = mmgl.get_config(name)
    cfg.merge_from_dict(dict(model=copy.deepcopy(change)))
    torch.manual_seed(0)
    model = mmgl.build_model(cfg).train()
    data = model.data_preprocessor(batch(), training=True)
    total, log = model.parse_losses(model(**data, mode='loss'))
    total.backward()
    assert torch.isfinite(total)
    return model, log


@pytest.mark.parametrize(
    'name, key',
    [
        ('finetune/agw_r18-narrow_synthetic', 'triplet/loss'),
        ('pretrain/mmgl_two-stream_r18-narrow_synthetic', 'permutation/loss'),
    ],
)
def test_backbone(recipe, name, key):
    change = recipe['A backbone']['model']
    model, log = losses(name, change)
    assert type(model.backbone).__name__ == 'TwoStemNet' and key in log
    # Both stems learn.
    for stem in model.backbone.stems:
        assert stem[0].weight.grad.abs().sum() > 0


def test_backbone_looks_modalities_up(recipe):
    net = recipe['A backbone']['TwoStemNet'](4).eval()
    x, modality = torch.rand(6, 3, 32, 16), torch.tensor([0, 1, 1, 0, 1, 0])
    order = torch.randperm(6, generator=torch.Generator().manual_seed(1))
    maps = net(x, modality)
    torch.testing.assert_close(net(x[order], modality[order]), maps[order])
    assert not torch.allclose(net(x, 1 - modality), maps)


def test_head(recipe):
    model, log = losses(
        'finetune/agw_r18-narrow_synthetic', recipe['A head']['model']
    )
    assert 0 < log['camera/loss'].item() < 10
    assert 0 <= log['camera/top1'].item() <= 1
    alone = model.heads['camera'].loss(
        {'bn': (x := torch.rand(4, 256, requires_grad=True))},
        dict(camid=torch.tensor([1, 6, 1, 6])),
    )
    alone['loss'].backward()
    assert x.grad is None


def test_protocol(recipe):
    settings = dict(recipe['A protocol']['test_evaluator'])
    assert settings.pop('_delete_')
    metric = METRICS.build(settings)
    # Person 0 is nearest in the query's own place, which does not count.
    rows = [
        ([1.0, 0], 0, 1, 3), ([1.0, 0.01], 0, 0, 2), ([0.8, 0.6], 1, 0, 1),
        ([0.6, 0.8], 0, 0, 4), ([0.0, 1], 1, 1, 6), ([0.1, 1], 1, 0, 4),
    ]  # fmt: skip
    samples = [
        dict(feature=torch.tensor(f), pid=p, modality=m, camid=c)
        for f, p, m, c in rows
    ]
    metric.process(None, samples)
    found = metric.evaluate(len(samples))
    # The first query finds its person second, the other one first: its
    # second match comes last of four.
    assert found['rank1'] == 50
    assert found['mAP'] == pytest.approx(
        100 * np.mean([1 / 2, (1 + 2 / 3) / 2])
    )


def test_data_set_is_that_of_the_example(recipe):
    example = PAGE.parents[1] / 'examples/own_data.py'
    name = recipe['A data set']['train_dataloader']['dataset']['type']
    assert f'class {name}(ReIDDataset)' in example.read_text()
