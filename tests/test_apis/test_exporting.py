"""Exported networks give the features of the embedder, for every method."""

import json

import cv2
import numpy as np
import pytest
import torch

import mmgl
from mmgl.apis import export_formats
from mmgl.apis.exporting import (
    TOLERANCE,
    DeployedNetwork,
    compare,
    export,
    run_export,
)
from mmgl.apis.inference.seal import read_sealed, seal
from mmgl.models.pruning import save_pruned
from mmgl.utils.errors import ConfigError

METHODS = 'one-stream agw ddag nfs caj mutual-info mpanet deen'.split()


def lively(model):
    """Give batch norms statistics as after a training."""
    for name, value in model.named_buffers():
        if name.endswith('running_mean'):
            value.normal_(0, 0.1)
        elif name.endswith('running_var'):
            value.uniform_(0.5, 2)
    return model


def test_files_give_the_features_of_the_embedder(
    exported, embedder, photographs
):
    onnxruntime = pytest.importorskip('onnxruntime')
    paths = sorted(photographs.rglob('*.png'))
    # The pipeline of this model is OpenCV's bilinear resize to 48 x 96.
    images = np.stack(
        [
            cv2.resize(cv2.imread(str(path)), (48, 96))[..., ::-1]
            for path in paths
        ]
    )
    for name in ('visible', 'infrared'):
        session = onnxruntime.InferenceSession(exported / f'{name}.onnx')
        (got,) = session.run(None, {'images': images})
        (one,) = session.run(None, {'images': images[:1]})
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr('warnings.warn', lambda *_, **__: None)
            want = embedder.embed(paths, name)
        np.testing.assert_allclose(got, want, atol=1e-6)
        np.testing.assert_allclose(one, want[:1], atol=1e-6)
        facts = session.get_modelmeta().custom_metadata_map
        assert facts['model_hash'] == embedder.model_hash
        assert facts['modality'] == name and facts['colours'] == 'RGB'
        assert facts['size'] == '(96, 48)'
        assert json.loads(facts['transforms'])


@pytest.mark.parametrize('method', METHODS)
def test_one_modality_alone_is_the_model(method):
    """Traced, every method gives what the whole model gives."""
    torch.manual_seed(0)
    model = mmgl.build_model(f'finetune/{method}_r18-narrow_synthetic')
    lively(model)
    images = torch.randint(0, 256, (3, 96, 48, 3), dtype=torch.uint8)
    for modality in (0, 1):
        numbers = torch.full((3,), modality)
        pixels = model.data_preprocessor.normalise(
            images.permute(0, 3, 1, 2).flip(1).contiguous()
        )
        with torch.no_grad():
            want = model.embed(pixels, dict(modality=numbers))
            network = DeployedNetwork(model, modality).eval()
            traced = torch.jit.trace(network, images[:2], check_trace=False)
            got = traced(images)
        assert torch.isfinite(got).all()
        torch.testing.assert_close(got, want, atol=1e-6, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize('method', METHODS)
def test_every_method_is_a_plain_network(method, tmp_path):
    """Two seconds each: written, looked into, and compared with torch."""
    torch.manual_seed(0)
    model = mmgl.build_model(f'finetune/{method}_r18-narrow_synthetic')
    network = DeployedNetwork(lively(model), 1).eval()
    backend = export_formats.open_backend('onnx')
    path = tmp_path / 'infrared.onnx'
    backend.write(network, (96, 48), path, {})
    seal(path)
    assert read_sealed(path)
    report = compare(network, backend.open(path), (96, 48))
    assert report['difference'] < TOLERANCE


class Odd(torch.nn.Module):
    """Has a part that no exporter knows."""

    def forward(self, images):
        return torch.special.i1e(images[:, 0, 0].float())


def test_what_onnx_cannot_is_one_sentence(tmp_path):
    pytest.importorskip('onnx')
    write = export_formats.open_backend('onnx').write
    with pytest.raises(ConfigError, match='i1e.* use --format torchscript'):
        write(Odd(), (8, 4), tmp_path / 'odd.onnx', {})
    assert not any(tmp_path.iterdir())


def test_a_pruned_network(photographs, tmp_path):
    torch.manual_seed(0)
    name = 'finetune/nfs_r18-narrow_synthetic'
    model = mmgl.build_model(name)
    lively(model)
    with torch.no_grad():
        for key, value in model.named_parameters():
            if key.endswith('channel_logit'):
                value.copy_(torch.randn_like(value))
    for key, value in model.named_buffers():
        if key.endswith('phase'):
            value.fill_(2)
    path = tmp_path / 'pruned.pth'
    pruned = save_pruned(model, mmgl.get_config(name).model, path).eval()
    images = torch.randint(0, 256, (2, 96, 48, 3), dtype=torch.uint8)
    for modality in (0, 1):
        with torch.no_grad():
            got = DeployedNetwork(pruned, modality)(images)
            want = DeployedNetwork(model, modality).eval()(images)
        torch.testing.assert_close(got, want, atol=1e-5, rtol=0)
    pytest.importorskip('onnxruntime')
    # Other batches than the traced one are compared.
    export(path, tmp_path / 'exported', config=name)
    got = mmgl.Embedder(tmp_path / 'exported').embed(photographs, 'visible')
    want = mmgl.Embedder(path, config=name).embed(photographs, 'visible')
    np.testing.assert_allclose(got, want, atol=1e-5)


def test_a_difference_is_not_accepted(bundle, tmp_path, monkeypatch):
    monkeypatch.setattr(
        export_formats,
        '_open_torchscript',
        lambda path: lambda images: np.full((len(images), 256), 0.0625),
    )
    with pytest.raises(ConfigError, match='differs from torch: difference'):
        export(bundle, tmp_path, 'torchscript')
    assert not any(tmp_path.iterdir())


@pytest.fixture(scope='module')
def half(bundle, tmp_path_factory):
    pytest.importorskip('onnxruntime')
    folder = tmp_path_factory.mktemp('half')
    return folder, export(bundle, folder, fp16=True)


def test_half_precision_is_half_as_large(exported, half, photographs):
    folder, reports = half
    for report in reports:
        assert report['difference'] < 2e-3
        assert 0.9999 < report['cosine'] < 1.000001
        whole = exported / report['file'].rpartition('/')[2]
        assert report['bytes'] < 0.52 * whole.stat().st_size
    want = mmgl.Embedder(exported).embed(photographs, 'visible')
    got = mmgl.Embedder(folder).embed(photographs, 'visible')
    assert 0 < np.abs(got - want).max() < 2e-3


def test_eight_bits_are_a_quarter_and_near(
    bundle, exported, half, photographs, tmp_path, capsys
):
    images = str(photographs)
    run_export([str(bundle), str(tmp_path), '--int8', images, images])
    assert capsys.readouterr().out.count('lowest cosine with torch 0.9') == 2
    size = (tmp_path / 'visible.onnx').stat().st_size
    assert size < 0.3 * (exported / 'visible.onnx').stat().st_size
    small = mmgl.Embedder(tmp_path)
    got = small.embed(photographs, 'visible')
    want = mmgl.Embedder(exported).embed(photographs, 'visible')
    assert 0.98 < (got * want).sum(axis=1).min() < 0.99999
    with pytest.raises(ConfigError, match='differ in their precision'):
        mmgl.Embedder(tmp_path / 'visible.onnx', half[0] / 'infrared.onnx')


@pytest.mark.parametrize(
    'arguments, what',
    [
        (dict(format='torchscript', fp16=True), 'for --format onnx'),
        (dict(fp16=True, int8=('a', 'b')), 'exclude each other'),
        (dict(int8=('nowhere', 'nowhere')), "no image 'nowhere'"),
    ],
)
def test_what_cannot_be_made_smaller(bundle, tmp_path, arguments, what):
    with pytest.raises(ConfigError, match=what):
        export(bundle, tmp_path, **arguments)
    assert not any(tmp_path.iterdir())


def test_the_command_reports(bundle, tmp_path, capsys):
    run_export([str(bundle), str(tmp_path), '--format=torchscript'])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and all('MB, differs from' in ln for ln in lines)
    with pytest.raises(ConfigError, match='--format must be one of'):
        export(bundle, tmp_path, 'tflite')
    for name in ('visible', 'infrared'):
        # Programs, which nothing here opens.
        with pytest.raises(ConfigError, match='TorchScript'):
            mmgl.Embedder(tmp_path / f'{name}.pt')


def test_openvino(bundle, exported, tmp_path):
    pytest.importorskip('openvino')
    for report in export(bundle, tmp_path, 'openvino'):
        assert report['difference'] < 1e-5
        onnx = exported / report['file'].rpartition('/')[2]
        whole = onnx.with_suffix('.onnx').stat().st_size
        assert 0.9 * whole < report['bytes'] < 1.1 * whole
    left = {path.name for path in tmp_path.iterdir()}
    kinds = ('xml', 'bin')
    assert left == {f'{m}.{k}' for m in ('visible', 'infrared') for k in kinds}


def test_a_missing_package_is_named(bundle, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__('sys').modules, 'openvino', None)
    monkeypatch.setitem(__import__('sys').modules, 'onnx', None)
    with pytest.raises(ConfigError, match='pip install'):
        export(bundle, tmp_path, 'openvino')
