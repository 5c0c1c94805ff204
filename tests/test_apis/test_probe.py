"""From a checkpoint and images to the probe's report."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from own_data import rows_of, write_table

from mmgl.apis.features import ExtractedFeatures, extract_features
from mmgl.apis.features.extraction import pool_feature_map
from mmgl.apis.features.images import build_images, image_settings
from mmgl.apis.features.network import backbone_config, build_backbone
from mmgl.apis.probe import probe_table, run_probe
from mmgl.config.loading import load_config
from mmgl.models.backbones import TwoStreamResNet
from mmgl.registry import MODELS
from mmgl.utils.errors import ConfigError

PRETRAIN = 'configs/mmgl/pretrain/mmgl_two-stream_r18-narrow_synthetic.py'
REGDB = 'configs/mmgl/pretrain/mmgl_two-stream_r50_96-100e_regdb.py'
SMALL = dict(base_channels=4)


def test_pooling():
    x = torch.randn(2, 4, 6, 3)
    whole, stripes = pool_feature_map(x, 3)
    torch.testing.assert_close(whole, x.mean(dim=(2, 3)))
    torch.testing.assert_close(stripes[:, 1], x[:, :, 2:4].mean(dim=(2, 3)))
    joined, _ = pool_feature_map(dict(a=x, b=2 * x), 3)
    torch.testing.assert_close(joined, torch.cat([whole, 2 * whole], dim=1))
    torch.testing.assert_close(pool_feature_map((0, x), 3)[0], whole)


def small_config():
    cfg = load_config(PRETRAIN)
    cfg.model.backbone.update(SMALL)
    return cfg


def save_checkpoint(path, prefix='backbone.', seed=1):
    torch.manual_seed(seed)
    net = TwoStreamResNet(depth=18, **SMALL)
    state = {prefix + k: v for k, v in net.state_dict().items()}
    torch.save(dict(state_dict=state, meta={}), path)
    return net


def test_checkpoint_kinds(tmp_path):
    cfg = small_config()
    net = save_checkpoint(tmp_path / 'a.pth')
    backbone, kind = build_backbone(cfg, str(tmp_path / 'a.pth'))
    assert kind == 'mmgl' and not backbone.training
    assert torch.equal(
        backbone.infrared_stem.conv1.weight, net.infrared_stem.conv1.weight
    )
    # A classifier's first layer goes into both stems.
    state = {
        k.removeprefix('visible_stem.'): v
        for k, v in net.state_dict().items()
        if not k.startswith('infrared')
    }
    torch.save(state, tmp_path / 'b.pth')
    backbone, kind = build_backbone(cfg, str(tmp_path / 'b.pth'))
    assert kind == 'imagenet'
    assert torch.equal(
        backbone.infrared_stem.conv1.weight, net.visible_stem.conv1.weight
    )
    # The one stem of this package too.
    one = {
        f'backbone.stem.{k}'
        if k.startswith(('conv1', 'bn1'))
        else f'backbone.{k}': v
        for k, v in state.items()
    }
    torch.save(dict(state_dict=one), tmp_path / 'c.pth')
    backbone, kind = build_backbone(cfg, str(tmp_path / 'c.pth'))
    assert kind == 'mmgl'
    assert torch.equal(
        backbone.infrared_stem.conv1.weight, net.visible_stem.conv1.weight
    )
    with pytest.raises(ConfigError, match="did you mean 'mmgl'"):
        build_backbone(cfg, str(tmp_path / 'a.pth'), 'mmgll')
    with pytest.raises(FileNotFoundError, match='gone'):
        build_backbone(cfg, 'gone.pth')


def test_random_weights_follow_the_seed_and_leave_the_global_one_alone():
    cfg, state = small_config(), torch.get_rng_state()
    a, b, c = (
        build_backbone(cfg, 'random', seed=s)[0].layer1[0].conv1.weight
        for s in (0, 0, 1)
    )
    assert torch.equal(a, b) and not torch.equal(a, c)
    assert torch.equal(torch.get_rng_state(), state)


def test_adapters_are_taken_off():
    cfg = small_config()
    inner = cfg.model.backbone
    cfg.model.backbone = dict(type='mmgl.SomeAdapter', network=inner)
    assert backbone_config(cfg) == dict(inner)
    del cfg.model['backbone']
    with pytest.raises(ConfigError, match='model.backbone'):
        backbone_config(cfg)


def test_parts_added_by_a_fine_tuning_start_as_it_starts_them(tmp_path):
    save_checkpoint(tmp_path / 'a.pth')
    cfg = small_config()
    cfg.model.backbone.update(non_local='agw', non_local_channels=1)
    images, modality = torch.randn(2, 3, 48, 24), torch.tensor([0, 1])
    with torch.no_grad():
        a, b = (
            build_backbone(one, str(tmp_path / 'a.pth'))[0](images, modality)
            for one in (small_config(), cfg)
        )
    torch.testing.assert_close(a, b)


def test_every_config_can_be_probed():
    """Takes seconds, since it reads some thirty configs."""
    paths = [
        path
        for path in sorted(Path('configs/mmgl').rglob('*.py'))
        if any(word in path.name for word in ('synth', 'regdb', 'llcm', 'own'))
    ]
    for path in paths:
        cfg = load_config(path)
        assert backbone_config(cfg)['type'] in (
            'OneStreamResNet',
            'TwoStreamResNet',
            'MutualNetworks',
            'AnyBackbone',
        ), path
        assert image_settings(cfg)['pipeline'][-1]['type'] == (
            'PackReIDInputs'
        ), path


def test_own_images_are_those_of_the_table(tiny_sysu, tmp_path):
    rows = [row for row in rows_of(tiny_sysu, most=1) if row[4] == 'test']
    table = str(write_table(tmp_path / 'people.csv', rows))
    cfg = small_config()
    cfg.train_dataloader.dataset = dict(
        type='ReIDTable', data_root=tiny_sysu, table=table, split='train'
    )
    found = extract_features(cfg, 'random')
    assert len(found.images.pids) == len(rows) > 10
    assert set(found.metainfo['pids']) == {row[1] for row in rows}


@pytest.mark.parametrize('name', ['ssl/byol', 'finetune/mutual-info'])
def test_other_backbones(name, tiny_sysu):
    (path,) = Path('configs/mmgl').glob(f'{name}_*_synthetic.py')
    cfg = load_config(path)
    backbone = cfg.model.backbone.get('network')
    backbone.update(SMALL)
    found = extract_features(cfg, 'random', data_root=tiny_sysu)
    width = 4 * 32 if 'mutual' in name else 32
    assert found.images.features.shape[1] == width


def test_test_features_are_those_of_the_model(tiny_sysu, tmp_path):
    cfg = load_config('configs/mmgl/finetune/agw_r18-narrow_synthetic.py')
    cfg.model.backbone.update(SMALL)
    torch.manual_seed(3)
    model = MODELS.build(dict(cfg.model)).eval()
    state = model.state_dict()
    # Heads may differ: other identities were trained.
    state['heads.id.fc.weight'] = torch.zeros(3, 32)
    torch.save(dict(state_dict=state), tmp_path / 'a.pth')
    found = extract_features(
        cfg,
        str(tmp_path / 'a.pth'),
        split='val_test',
        data_root=tiny_sysu,
        feature='test',
    )
    loader = build_images(cfg, 'val_test', tiny_sysu, batch_size=7)
    batch = model.data_preprocessor(next(iter(loader)))
    with torch.no_grad():
        want = model(batch['inputs'], batch['targets'], mode='tensor')
    np.testing.assert_allclose(
        found.images.features[:7], want, rtol=1e-4, atol=1e-5
    )
    with pytest.raises(ConfigError, match='no file'):
        extract_features(cfg, 'random', data_root=tiny_sysu, feature='test')


def test_shuffled_stripes_keep_their_places(tiny_sysu):
    found = extract_features(
        small_config(), 'random', data_root=tiny_sysu, shuffled=True
    )
    assert isinstance(found, ExtractedFeatures)
    assert found.metainfo['split'] == 'val_test'
    places = found.shuffled.places
    np.testing.assert_array_equal(
        np.sort(places, axis=1), np.tile(np.arange(6), (len(places), 1))
    )
    assert len(np.unique(places, axis=0)) > 1
    assert found.parts.shape[1:] == (6, 32)
    # Stripes of equal height: the whole is their mean.
    np.testing.assert_allclose(
        found.parts.mean(axis=1), found.images.features, rtol=1e-4, atol=1e-5
    )


def test_smoke_on_images(tiny_sysu, tmp_path, capsys):
    """Takes 3 s: two passes over the validation images."""
    save_checkpoint(tmp_path / 'a.pth')
    out = tmp_path / 'probe.json'
    arguments = [
        PRETRAIN,
        'random',
        str(tmp_path / 'a.pth'),
        '--names',
        'no',
        'yes',
        '--data-root',
        tiny_sysu,
        '--out',
        str(out),
        '--cfg-options',
        'model.backbone.base_channels=4',
    ]
    probes = run_probe(arguments)
    assert [p['kind'] for p in probes] == ['random', 'mmgl']
    assert json.loads(out.read_text())['probes'] == probes
    assert all(np.isfinite(v) for p in probes for v in p['metrics'].values())
    assert 'parts/consistency' in capsys.readouterr().out
    # The same again, from the file.
    rows = probe_table(probes)
    run_probe([PRETRAIN, '--compare', str(out)])
    printed = capsys.readouterr().out
    assert all(cell in printed for row in rows for cell in row)


def test_regdb_takes_the_test_half(tiny_regdb):
    cfg = load_config(REGDB)
    cfg.model.backbone.update(depth=18, **SMALL)
    found = extract_features(cfg, 'random', data_root=tiny_regdb)
    assert found.metainfo['split'] == 'test' and found.images.trial == 1


@pytest.mark.parametrize(
    'arguments,words',
    [
        (['gone.py', 'random'], 'gone.py'),
        ([PRETRAIN], 'nothing to probe'),
        ([PRETRAIN, '--compare', PRETRAIN], 'no output'),
        ([PRETRAIN, 'random', 'random'], '--names'),
    ],
)
def test_mistakes_end_with_one_sentence(arguments, words, capsys):
    with pytest.raises(SystemExit) as stop:
        run_probe(arguments)
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert words in error and error.count('\n') == 1
