import pickle
import urllib.error

import numpy as np
import pytest
import torch
import torchvision
from bombs import Bomb, explode
from mmengine.config import ConfigDict
from mmengine.logging import HistoryBuffer

from mmgl.checkpoints import reader
from mmgl.checkpoints.export import export_backbone
from mmgl.checkpoints.fit import load_backbone
from mmgl.checkpoints.reader import (
    read_checkpoint,
    read_file,
    read_state_dict,
    trust,
)
from mmgl.models.backbones import OneStreamResNet, TwoStreamResNet
from mmgl.utils.errors import ConfigError


def net(cls=TwoStreamResNet, **kwargs):
    return cls(**{'depth': 18, 'base_channels': 4, **kwargs})


def checkpoint(backbone):
    state = {f'backbone.{k}': v for k, v in backbone.state_dict().items()}
    return {**state, 'heads.part.fc.weight': torch.zeros(3, 3)}


def equal(a, b):
    a, b = a.state_dict(), b.state_dict()
    return list(a) == list(b) and all(torch.equal(a[k], b[k]) for k in a)


@pytest.mark.parametrize('cls', [OneStreamResNet, TwoStreamResNet])
def test_exact_copies_every_tensor_and_drops_heads(cls):
    source = net(cls, non_local='agw')
    source.layer1[0].bn1.running_mean.fill_(3)
    target = net(cls, non_local='agw')
    report = load_backbone(target, checkpoint(source), 'mmgl')
    assert equal(source, target)
    assert set(report.matched) == set(target.state_dict())
    assert report.fresh == () and report.dropped == ('heads.part.fc.weight',)


def test_duplicate_stem():
    source, target = net(OneStreamResNet), net()
    load_backbone(target, checkpoint(source), 'mmgl', stems='duplicate')
    for stem in (target.visible_stem, target.infrared_stem):
        assert equal(source.stem, stem)
    assert equal(source.layer4, target.layer4)


@pytest.mark.parametrize('stems', ['visible', 'infrared'])
def test_take_one_stem(stems):
    source, target = net(), net(OneStreamResNet)
    report = load_backbone(target, checkpoint(source), 'mmgl', stems=stems)
    assert equal(target.stem, getattr(source, f'{stems}_stem'))
    assert any('_stem.conv1' in name for name in report.dropped)


@pytest.mark.parametrize(
    'source,target,stems,match',
    [
        (OneStreamResNet, TwoStreamResNet, 'exact', "set it to 'duplicate'"),
        (TwoStreamResNet, OneStreamResNet, 'exact', "'visible' or 'infrared'"),
        (TwoStreamResNet, TwoStreamResNet, 'duplicate', "set it to 'exact'"),
        (OneStreamResNet, OneStreamResNet, 'duplicate', "set it to 'exact'"),
        (OneStreamResNet, OneStreamResNet, 'visible', "set it to 'exact'"),
        (TwoStreamResNet, TwoStreamResNet, 'infrared', "set it to 'exact'"),
        (TwoStreamResNet, TwoStreamResNet, 'both', 'model.init_from.stems'),
    ],
)
def test_stems_that_do_not_fit(source, target, stems, match):
    with pytest.raises(ValueError, match=match):
        load_backbone(net(target), checkpoint(net(source)), 'mmgl', stems)


@pytest.mark.parametrize(
    'change,match',
    [
        (
            lambda s: s.pop('backbone.layer3.0.conv1.weight'),
            '1 missing: layer3.0.conv1.weight',
        ),
        (
            lambda s: s.pop('backbone.layer1.0.bn1.running_var'),
            '1 missing: layer1.0.bn1.running_var',
        ),
        (
            lambda s: s.update({'backbone.layer1.0.bn1.bias': torch.zeros(9)}),
            r'1 of another shape: layer1.0.bn1.bias \(9,\) instead of \(4,\)',
        ),
        (
            lambda s: s.update({'backbone.layer5.weight': torch.zeros(9)}),
            '1 without a place in the backbone: layer5.weight',
        ),
    ],
)
def test_misfit_loads_nothing_and_names_it(change, match):
    state = checkpoint(net())
    change(state)
    target = net()
    before = {k: v.clone() for k, v in target.state_dict().items()}
    with pytest.raises(ValueError, match=match):
        load_backbone(target, state, 'mmgl')
    assert all(
        torch.equal(v, before[k]) for k, v in target.state_dict().items()
    )


def test_missing_non_local_blocks_must_be_allowed():
    source, target = checkpoint(net()), net(non_local='agw')
    with pytest.raises(ValueError, match=r'missing: non_local\.layer2_0'):
        load_backbone(target, source, 'mmgl')
    report = load_backbone(
        target, source, 'mmgl', allow_missing=('non_local.',)
    )
    assert set(report.fresh) == {
        k for k in target.state_dict() if k.startswith('non_local.')
    }
    # Half of the blocks is a mistake even so.
    source['backbone.non_local.layer2_0.g.bias'] = torch.zeros(1)
    with pytest.raises(ValueError, match='missing'):
        load_backbone(target, source, 'mmgl', allow_missing=('non_local.',))


def test_unused_non_local_blocks_must_be_allowed():
    source, target = checkpoint(net(non_local='agw')), net()
    with pytest.raises(ValueError, match='without a place.*non_local'):
        load_backbone(target, source, 'mmgl')
    load_backbone(target, source, 'mmgl', allow_unused='non_local.')
    assert torch.equal(
        target.layer1[0].conv1.weight, source['backbone.layer1.0.conv1.weight']
    )


def test_imagenet_goes_into_both_stems(tmp_path):
    reference = torchvision.models.resnet18()
    state = {
        k: v
        for k, v in reference.state_dict().items()
        if not k.endswith('num_batches_tracked')  # as in the old files
    }
    torch.save(state, tmp_path / 'resnet18.pth')
    target = TwoStreamResNet(18, non_local='agw')
    report = load_backbone(target, tmp_path / 'resnet18.pth', 'imagenet')
    for stem in (target.visible_stem, target.infrared_stem):
        assert torch.equal(stem.conv1.weight, reference.conv1.weight)
    assert all(
        name.startswith('non_local.') or 'num_batches' in name
        for name in report.fresh
    )
    assert report.dropped == ('fc.weight', 'fc.bias')


def test_imagenet_of_another_depth_or_width():
    state = torchvision.models.resnet18().state_dict()
    with pytest.raises(ValueError, match='missing'):
        load_backbone(TwoStreamResNet(34), state, 'imagenet')
    with pytest.raises(ValueError, match='of another shape'):
        load_backbone(net(), state, 'imagenet')
    with pytest.raises(ValueError, match="kind='imagenet'"):
        load_backbone(TwoStreamResNet(18), state, 'mmgl')
    with pytest.raises(ValueError, match='two stems.*--init mmgl'):
        both = TwoStreamResNet(18).state_dict()
        load_backbone(TwoStreamResNet(18), both, 'imagenet')
    with pytest.raises(ValueError, match='one stem'):
        load_backbone(TwoStreamResNet(18), state, 'imagenet', 'visible')


def test_torchvision_offline_names_the_remedy(monkeypatch):

    def offline(*args, **kwargs):
        raise urllib.error.URLError('no network')

    monkeypatch.setattr(torch.hub, 'load_state_dict_from_url', offline)
    monkeypatch.setattr(
        torchvision.models._api, 'load_state_dict_from_url', offline
    )
    with pytest.raises(
        FileNotFoundError,
        match='Download https://.*resnet50.*--init-checkpoint',
    ):
        load_backbone(net(), 'torchvision://resnet50', 'imagenet')
    with pytest.raises(ValueError, match='torchvision:// knows'):
        load_backbone(net(), 'torchvision://vgg16', 'imagenet')


def test_missing_or_wrong_files(tmp_path):
    for empty in (None, ''):
        with pytest.raises(ValueError, match='--init-checkpoint'):
            load_backbone(net(), empty, 'mmgl')
    with pytest.raises(FileNotFoundError, match='model.init_from.checkpoint'):
        load_backbone(net(), tmp_path / 'no.pth', 'mmgl')
    with pytest.raises(ValueError, match='neither a file'):
        load_backbone(net(), 'https://example.com/a.pth', 'mmgl')
    text = tmp_path / 'text.pth'
    text.write_text('hello')
    with pytest.raises(ValueError, match='damaged or no checkpoint'):
        load_backbone(net(), text, 'mmgl')
    cut = tmp_path / 'cut.pth'
    torch.save(checkpoint(net()), cut)
    cut.write_bytes(cut.read_bytes()[:5000])
    with pytest.raises(ValueError, match='damaged or no checkpoint'):
        load_backbone(net(), cut, 'mmgl')
    torch.save({'epoch': 3}, tmp_path / 'empty.pth')
    with pytest.raises(ValueError, match='no state dict'):
        load_backbone(net(), tmp_path / 'empty.pth', 'mmgl')


@pytest.fixture(params=[True, False], ids=['zip', 'legacy'])
def training_checkpoint(request, tmp_path):
    """Backbone, and a function that writes what mmengine does, and more."""
    source, path = net(), tmp_path / 'epoch_1.pth'
    optim = torch.optim.SGD(source.parameters(), lr=0.1)
    history = HistoryBuffer([1.0, 2.0], [1, 1])

    def write(**more):
        content = {
            'meta': ConfigDict(epoch=1),
            'message_hub': {
                'log_scalars': {'loss': history},
                'runtime_info': {'lr': np.float64(0.1), 'x': np.arange(3)},
            },
            'optimizer': optim.state_dict(),
            'state_dict': checkpoint(source),
            **more,
        }
        zipped = request.param
        torch.save(content, path, _use_new_zipfile_serialization=zipped)
        return path

    return source, write


def test_training_checkpoint_is_read(training_checkpoint):
    source, write = training_checkpoint
    path = write()
    with pytest.raises(pickle.UnpicklingError):
        torch.load(path, weights_only=True)
    target = net()
    load_backbone(target, path, 'mmgl')
    assert equal(source, target)
    loaded = read_checkpoint(path)
    assert set(loaded['state_dict']) == set(checkpoint(source))
    assert loaded['meta'] == {'epoch': 1}
    hub = loaded['message_hub']
    (history,) = hub['log_scalars'].values()
    assert type(history) is HistoryBuffer and history.mean() == 1.5
    assert hub['runtime_info']['lr'] == 0.1
    assert hub['runtime_info']['x'].tolist() == [0, 1, 2]


def test_code_in_a_file_does_not_run(training_checkpoint, monkeypatch):
    _, write = training_checkpoint
    path = write(bomb=Bomb())
    Bomb.exploded = 0
    for read in (read_checkpoint, read_state_dict):
        with pytest.raises(ConfigError, match='explode, which may run code'):
            read(path)
    assert Bomb.exploded == 0
    monkeypatch.setattr(reader, '_trusted', set())
    trust(path)
    assert read_checkpoint(path)['meta'] == {'epoch': 1}
    assert Bomb.exploded == 1  # the bomb was real


def test_methods_of_a_buffer_are_not_taken_from_the_file(tmp_path):
    history = HistoryBuffer([1.0], [1])
    before = dict(HistoryBuffer._statistics_methods)
    history.register_statistics(explode)
    path = tmp_path / 'a.pth'
    torch.save(dict(checkpoint(net()), log=history), path)
    HistoryBuffer._statistics_methods = dict(before)
    with pytest.raises(ConfigError, match='explode'):
        read_file(path)
    assert HistoryBuffer._statistics_methods == before


@pytest.mark.parametrize(
    'value',
    [
        np.arange(6, dtype='>i2').reshape(2, 3),
        np.asfortranarray(np.random.rand(3, 4)),
        np.array(['a', 'bcd']),
        np.array(2.5),
        np.zeros((0, 3), np.float32),
        np.array([True, False]),
    ],
)
def test_arrays_are_read_as_they_are(value, tmp_path):
    path = tmp_path / 'a.pth'
    torch.save(dict(checkpoint(net()), a=[(value, value.dtype)]), path)
    ((found, kind),) = read_file(path)['a']
    assert type(found) is np.ndarray and found.dtype == kind == value.dtype
    np.testing.assert_array_equal(found, value)


class Twisted:
    """An array of objects whose type says that they are numbers."""

    def __reduce__(self):
        rebuild, arguments, _ = np.array([None]).__reduce__()
        return rebuild, arguments, (1, (1,), Kind(), False, b'\x00' * 8)


class Kind:
    def __reduce__(self):
        return np.dtype, ('O8', False, True), (3, '|', *[None] * 3, -1, -1, 0)


def test_addresses_are_not_taken_from_a_file(tmp_path):
    path = tmp_path / 'a.pth'
    for value in (Twisted(), np.array([1, None], object), np.zeros(2, 'V4')):
        torch.save(dict(checkpoint(net()), a=value), path)
        with pytest.raises(ConfigError, match='an array of numpy type'):
            read_file(path)


def test_ddp_prefix():
    state = {f'module.{k}': v for k, v in checkpoint(net()).items()}
    load_backbone(net(), state, 'mmgl')
    assert 'backbone.layer1.0.bn1.weight' in read_state_dict(state)


def test_export_round_trip(tmp_path):
    model = torch.nn.Module()
    model.backbone, model.head = net(), torch.nn.Linear(2, 2)
    path = export_backbone(model, tmp_path / 'sub' / 'b.pth', {'epoch': 3})
    stored = torch.load(path, weights_only=True)
    assert stored['meta'] == {'epoch': 3}
    assert all(k.startswith('backbone.') for k in stored['state_dict'])
    target = net()
    load_backbone(target, path, 'mmgl')
    assert equal(target, model.backbone)
    again = export_backbone(path, tmp_path / 'again.pth')
    assert torch.load(again, weights_only=True)['meta'] == {}


def test_export_refuses_odd_meta_and_no_backbone(tmp_path):
    with pytest.raises(ValueError, match=r"meta\['lr'\] is a float64"):
        export_backbone(
            checkpoint(net()), tmp_path / 'b.pth', {'lr': np.float64(1)}
        )
    with pytest.raises(ValueError, match='nothing to export'):
        export_backbone(torch.nn.Linear(2, 2), tmp_path / 'b.pth')
    assert not (tmp_path / 'b.pth').exists()
