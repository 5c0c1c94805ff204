"""The configs printed in documents train and evaluate as they stand.

A config takes two to four seconds, as those of test_configs.py do.
"""

import math
import re
import shutil
import sys
from pathlib import Path

import pytest
from test_configs import (
    SYSU_METRICS,
    run,
    shrink,
    shrink_images,
    use_tiny_data,
)

import mmgl.datasets.samplers
import mmgl.datasets.transforms
import mmgl.engine.hooks
import mmgl.models.backbones
import mmgl.models.heads
import mmgl.models.layers
import mmgl.models.losses
import mmgl.models.necks
from mmgl.config.loading import load_config
from mmgl.registry import DATA_SAMPLERS, HOOKS, MODELS, TRANSFORMS
from mmgl.utils.paths import config_dir

ROOT = Path(__file__).parents[1]
PARTS = {
    DATA_SAMPLERS: [mmgl.datasets.samplers],
    TRANSFORMS: [mmgl.datasets.transforms],
    HOOKS: [mmgl.engine.hooks],
    MODELS: [
        mmgl.models.backbones,
        mmgl.models.heads,
        mmgl.models.layers,
        mmgl.models.losses,
        mmgl.models.necks,
    ],
}


def blocks(document):
    """Python blocks of a document."""
    text = (ROOT / document).read_text(encoding='utf-8')
    return re.findall(r'```python\n(.*?)```', text, re.DOTALL)


def named_blocks():
    """Those of the page, by the file name in their first line."""
    found = {}
    for block in blocks('docs/compose.md'):
        match = re.match(r'# ([\w/-]+\.py)\n', block)
        assert match, block
        found[match[1]] = block
    return found


@pytest.fixture
def configs(tmp_path):
    """A copy of the bases, beside which a config can be written."""
    shutil.copytree(config_dir() / '_base_', tmp_path / 'configs/_base_')
    return tmp_path / 'configs'


@pytest.fixture
def parts_of_page(tmp_path, monkeypatch):
    """The page's own module, importable and forgotten afterwards."""
    (tmp_path / 'my_parts.py').write_text(named_blocks()['my_parts.py'])
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop('my_parts', None)
    MODELS.module_dict.pop('ModalityCenterLoss', None)


def train_and_evaluate(path, tiny_sysu, work_dir):
    """One step on tiny data; returns model config and names of losses."""
    cfg = load_config(path)
    use_tiny_data(cfg, dict(SYSUMM01=tiny_sysu), work_dir)
    shrink(cfg)
    cfg.model['init_from'] = None
    losses, metrics = run(cfg)
    assert set(metrics) == SYSU_METRICS
    assert all(math.isfinite(v) for v in losses.values())
    return cfg.model, {k for k in losses if 'loss' in k} - {'loss'}


@pytest.mark.parametrize(
    'name, extra',
    [
        ('mine/eighth_r50_64-81e_sysu.py', set()),
        ('mine/ninth_r50_64-81e_sysu.py', {'center/loss'}),
    ],
)
def test_configs_of_the_page(
    name, extra, configs, parts_of_page, tiny_sysu, tmp_path
):
    (configs / 'mine').mkdir()
    for file, text in named_blocks().items():
        if file.startswith('mine/'):
            assert len(text.splitlines()) < 32
            (configs / file).write_text(text)
    model, losses = train_and_evaluate(configs / name, tiny_sysu, tmp_path)
    assert losses == extra | {
        'id/loss_bn',
        'id/loss_part',
        'triplet/loss',
        'graph/loss',
    }
    assert model.neck.type == 'PartAttentionNeck'
    assert model.backbone.type == 'OneStreamResNet'
    assert model.backbone.plugins.layer3.type == 'ModalityAlleviation'


def test_any_backbone_of_the_page(configs, tiny_sysu, tmp_path):
    name = 'mine/agw_deit-s_64-81e_sysu.py'
    (configs / 'mine').mkdir()
    text = named_blocks()[name].replace(
        "'deit-small'",
        'dict(embed_dims=16, num_layers=2, num_heads=2, '
        'feedforward_channels=16)',
    )
    (configs / name).write_text(text)
    cfg = load_config(configs / name)
    use_tiny_data(cfg, dict(SYSUMM01=tiny_sysu), tmp_path)
    shrink_images([cfg.train_dataloader, cfg.test_dataloader])
    cfg.model['init_from'] = None
    losses, metrics = run(cfg)
    assert math.isfinite(losses['loss']) and set(metrics) == SYSU_METRICS


def test_config_of_the_readme(configs, tiny_sysu, tmp_path):
    [text] = [b for b in blocks('README.md') if b.startswith('_base_')]
    path = configs / 'mmgl/finetune/example.py'
    path.parent.mkdir(parents=True)
    path.write_text(text)
    model, losses = train_and_evaluate(path, tiny_sysu, tmp_path)
    assert losses == {'id/loss', 'triplet/loss'}
    assert model.heads.triplet.loss.type == 'BatchHardTripletLoss'


@pytest.mark.parametrize(
    'number, losses',
    [
        (0, {'id/loss_bn', 'id/loss_part', 'triplet/loss'}),
        (1, {'id/loss', 'triplet/loss', 'graph/loss'}),
    ],
)
def test_ablations_of_ddag(number, losses, configs, tiny_sysu, tmp_path):
    leaf = (config_dir() / 'mmgl/finetune/ddag_r50_64-81e_sysu.py').read_text()
    bases = leaf[: leaf.index(']') + 1]
    path = configs / 'mmgl/finetune/ablation.py'
    path.parent.mkdir(parents=True)
    path.write_text(f'{bases}\n{blocks("docs/methods/ddag.md")[number]}')
    assert train_and_evaluate(path, tiny_sysu, tmp_path)[1] == losses


def test_every_part_is_on_the_page():
    page = (ROOT / 'docs/compose.md').read_text(encoding='utf-8')
    missing = [
        name
        for registry, modules in PARTS.items()
        for module in modules
        for name in module.__all__
        if name in registry.module_dict and f'`{name}`' not in page
    ]
    assert not missing
