"""Bundles: what is written is what is read, and nothing else is accepted."""

import json
import shutil

import numpy as np
import pytest
import torch

import mmgl
from mmgl import Embedder
from mmgl.apis.inference.weights import open_weights
from mmgl.apis.publishing import figures_of, publish, run_publish
from mmgl.checkpoints.bundle import read_settings, write_settings
from mmgl.utils.errors import ConfigError

pytest.importorskip('safetensors')


@pytest.fixture
def copy(bundle, tmp_path):
    """Copy the bundle, to be spoiled."""
    return shutil.copytree(bundle, tmp_path / 'copy')


def edit(folder, **changes):
    write_settings(folder, read_settings(folder) | changes)


def test_a_bundle_gives_the_features_of_its_checkpoint(
    checkpoint, embedder, photographs
):
    direct = Embedder(checkpoint)
    for kind in (0, 1):
        want = direct.embed(photographs, kind)
        assert np.array_equal(embedder.embed(photographs, kind), want)
    assert direct.network.info['data_seen']['split'] == 'trainval'


def test_a_bundle_holds_neither_heads_nor_optimizer_nor_paths(bundle):
    settings = json.loads((bundle / 'mmgl.json').read_text())
    assert settings['model']['heads'] is None
    assert settings['data_seen'] == dict(dataset='sysu', split='trainval')
    assert settings['data_licence'] == 'drawn people, free'
    assert settings['versions']['mmgl'] == mmgl.__version__
    assert '/' not in json.dumps(settings['model'])
    assert {path.name for path in bundle.iterdir()} == {
        'README.md',
        'mmgl.json',
        'model.safetensors',
    }
    card = (bundle / 'README.md').read_text()
    assert settings['sha256'] in card and 'drawn people, free' in card


def test_half_precision_is_half_the_size(
    checkpoint, bundle, embedder, photographs, tmp_path
):
    publish(checkpoint, tmp_path / 'half', 'free', fp16=True)
    whole, half = (
        (folder / 'model.safetensors').stat().st_size
        for folder in (bundle, tmp_path / 'half')
    )
    assert 0.49 < half / whole < 0.53
    got = Embedder(tmp_path / 'half').embed(photographs, 0)
    np.testing.assert_allclose(got, embedder.embed(photographs, 0), atol=5e-3)


def test_heads_may_stay(checkpoint, tmp_path):
    publish(checkpoint, tmp_path / 'whole', 'free', with_heads=True)
    names = Embedder(tmp_path / 'whole').network.weights.state
    assert any(name.startswith('heads.') for name in names)


def test_a_bundle_stays_one_when_published_again(bundle, tmp_path):
    again = publish(bundle, tmp_path / 'again', 'free')
    settings = json.loads((bundle / 'mmgl.json').read_text())
    assert again['sha256'] == settings['sha256']


def test_all_that_was_seen_goes_along(checkpoint, tmp_path):
    saved = torch.load(checkpoint)
    own = dict(dataset='sysu', split='trainval')
    before = dict(dataset='regdb', split='train', trial=3, num_pids=206)
    saved['meta']['seen'] = [before, own]
    torch.save(saved, tmp_path / 'a.pth')
    publish(tmp_path / 'a.pth', tmp_path / 'b', 'free')
    publish(tmp_path / 'b', tmp_path / 'c', 'free')
    for folder in ('b', 'c'):
        weights = open_weights(tmp_path / folder)
        assert weights.seen == [before, own]
        card = (tmp_path / folder / 'README.md').read_text()
        assert 'dataset regdb, split train, trial 3, num_pids 206; ' in card


def test_metrics_go_along(checkpoint, tmp_path):
    metrics = tmp_path / 'metrics.json'
    metrics.write_text(json.dumps(dict(metrics={'all_single/rank1': 12.5})))
    out = tmp_path / 'out'
    run_publish(
        [
            str(checkpoint),
            str(out),
            '--data-licence=free',
            f'--metrics={metrics}',
        ]
    )
    assert '| all_single/rank1 | 12.50 |' in (out / 'README.md').read_text()


@pytest.mark.parametrize('again', ['same', 'moved', 'other', 'seen'])
def test_figures_of_another_checkpoint_do_not(again, checkpoint, tmp_path):
    tested = tmp_path / 'tested.pth'
    if again != 'moved':
        tested.write_bytes(checkpoint.read_bytes() + b'x' * (again == 'other'))
    settings = dict(checkpoint=str(tested), seen=again == 'seen' and 'some')
    metrics = tmp_path / 'metrics.json'
    report = dict(metrics={'all_single/rank1': 12.5}, settings=settings)
    metrics.write_text(json.dumps(report))
    if again in ('same', 'moved'):
        assert figures_of(str(metrics), checkpoint) == report['metrics']
        return
    words = 'not of .* test that one' if again == 'other' else 'has seen in'
    with pytest.raises(ConfigError, match=words):
        figures_of(str(metrics), checkpoint)


@pytest.mark.parametrize('name', ['model.safetensors', 'mmgl.json'])
def test_a_flipped_bit_is_found(copy, name):
    data = bytearray((copy / name).read_bytes())
    data[len(data) // 2] ^= 1
    (copy / name).write_bytes(data)
    changed = 'settings_sha256|cannot be read'
    what = 'SHA-256' if name == 'model.safetensors' else changed
    with pytest.raises(ConfigError, match=what):
        Embedder(copy)


def test_bundles_without_a_hash_of_the_settings_are_read(copy, embedder):
    path = copy / 'mmgl.json'
    settings = json.loads(path.read_text())
    assert len(settings.pop('settings_sha256')) == 64
    path.write_text(json.dumps(settings))
    assert Embedder(copy).model_hash == embedder.model_hash


@pytest.mark.parametrize('name', ['model.safetensors', 'mmgl.json'])
def test_a_missing_or_cut_file_is_named(copy, name):
    data = (copy / name).read_bytes()
    (copy / name).write_bytes(data[: len(data) // 2])
    with pytest.raises(ConfigError, match=name):
        Embedder(copy)
    (copy / name).unlink()
    with pytest.raises(ConfigError, match='bundle'):
        Embedder(copy)


@pytest.mark.parametrize(
    'changes, what',
    [
        (dict(format=2), 'format 1'),
        (dict(model={}), 'no model'),
        (dict(model=dict(type='os.system', command='x')), 'os.system'),
        (dict(test_pipeline=[dict(type='subprocess.Popen')]), 'subprocess'),
        (dict(test_pipeline=None), 'no test_pipeline'),
    ],
)
def test_settings_that_are_no_model_are_refused(copy, changes, what):
    edit(copy, **changes)
    with pytest.raises(ConfigError, match=what):
        Embedder(copy)


def test_tensors_must_fit(copy, bundle):
    settings = json.loads((bundle / 'mmgl.json').read_text())
    model = settings['model']
    model['backbone']['base_channels'] *= 2
    edit(copy, model=model)
    with pytest.raises(ConfigError, match='does not fit'):
        Embedder(copy)


def test_nothing_runs_code(checkpoint, copy, tmp_path):
    canary = tmp_path / 'executed'
    hostile = f'__import__("pathlib").Path({str(canary)!r}).touch()'
    saved = torch.load(checkpoint)
    for text in (hostile, f'model = dict(a={hostile})', f'{hostile}\nx = 1'):
        saved['meta']['cfg'] = text
        path = tmp_path / 'hostile.pth'
        torch.save(saved, path)
        with pytest.raises(ConfigError, match='more than settings'):
            Embedder(path)
    for name in ('builtins.eval', 'pathlib.Path', 'mmengine.Config'):
        edit(copy, model=dict(type=name, source=hostile))
        with pytest.raises(ConfigError, match=name):
            Embedder(copy)
    assert not canary.exists()


@pytest.mark.parametrize(
    'part, what',
    [
        # Their arguments name what they import, or download.
        (dict(type='RandomResize', scale=[9, 9], resize_type='a.B'), 'Random'),
        (dict(type='mmpretrain.HuggingFaceClassifier'), 'Hugging'),
        (dict(type='Resize', scale=[10**5, 10**5]), r'1e\+05'),
        (dict(type='mmpretrain.TIMMBackbone', pretrained=True), 'elsewhere'),
        (dict(type='mmpretrain.ResNet', checkpoint_path='x'), 'checkpoint'),
        (dict(type='Resize', model_name='hf-hub:a/b'), 'hf-hub'),
    ],
)
def test_what_would_import_or_fill_the_memory_is_refused(copy, part, what):
    edit(copy, test_pipeline=[part])
    with pytest.raises(ConfigError, match=what):
        Embedder(copy)


def test_a_model_is_measured_before_it_is_built(copy):
    model = read_settings(copy)['model']
    model['backbone']['base_channels'] = 10**6
    edit(copy, model=model)
    with pytest.raises(ConfigError, match=r'model of \d\.\de\+\d+ numbers'):
        Embedder(copy)


@pytest.mark.parametrize(
    'change, what',
    [
        (dict(run='nowhere.pth'), 'nowhere.pth'),
        (dict(run='.'), 'no last_checkpoint'),
        (dict(data_licence='  '), 'data-licence'),
        (dict(metrics='nowhere.json'), 'nowhere.json'),
    ],
)
def test_mistakes_in_publishing(checkpoint, tmp_path, change, what):
    settings = dict(run=checkpoint, out=tmp_path / 'o', data_licence='free')
    with pytest.raises(ConfigError, match=what):
        publish(**{**settings, **change})
    assert not (tmp_path / 'o').exists()


def test_nothing_is_overwritten(checkpoint, tmp_path):
    (tmp_path / 'mine.txt').write_text('keep')
    with pytest.raises(ConfigError, match='not empty'):
        publish(checkpoint, tmp_path, 'free')


def test_weights_that_are_not_finite_are_not_published(checkpoint, tmp_path):
    saved = torch.load(checkpoint)
    saved['state_dict']['neck.bn.bias'] = torch.full((256,), torch.inf)
    torch.save(saved, tmp_path / 'bad.pth')
    with pytest.raises(ConfigError, match='NaN or Inf in 1 of .*neck.bn.bias'):
        publish(tmp_path / 'bad.pth', tmp_path / 'o', 'free')
    assert not (tmp_path / 'o').exists()
