"""Exported networks give the features of the embedder, for every method."""

import json

import cv2
import numpy as np
import pytest
import torch

import mmgl
from mmgl.apis import exporting
from mmgl.apis.exporting import DeployedNetwork, export, run_export
from mmgl.models.pruning import prune_model
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
    bundle, embedder, photographs, tmp_path
):
    onnxruntime = pytest.importorskip('onnxruntime')
    pytest.importorskip('onnx')
    reports = export(bundle, tmp_path, 'onnx')
    paths = sorted(photographs.rglob('*.png'))
    # The pipeline of this model is OpenCV's bilinear resize to 48 x 96.
    images = np.stack(
        [
            cv2.resize(cv2.imread(str(path)), (48, 96))[..., ::-1]
            for path in paths
        ]
    )
    for name, report in zip(('visible', 'infrared'), reports, strict=True):
        session = onnxruntime.InferenceSession(report['file'])
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
        assert report['difference'] < 1e-6 and report['bytes'] > 1e6


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


def test_a_pruned_network_of_one_modality():
    torch.manual_seed(0)
    model = mmgl.build_model('finetune/nfs_r18-narrow_synthetic')
    lively(model)
    with torch.no_grad():
        for name, value in model.named_parameters():
            if name.endswith('channel_logit'):
                value.copy_(torch.randn_like(value))
    for name, value in model.named_buffers():
        if name.endswith('phase'):
            value.fill_(2)
    pruned = prune_model(model).eval()
    images = torch.randint(0, 256, (2, 96, 48, 3), dtype=torch.uint8)
    for modality in (0, 1):
        with torch.no_grad():
            got = DeployedNetwork(pruned, modality)(images)
            want = DeployedNetwork(model, modality).eval()(images)
        torch.testing.assert_close(got, want, atol=1e-5, rtol=0)


def test_a_difference_is_not_accepted(bundle, tmp_path, monkeypatch):
    monkeypatch.setattr(
        exporting,
        '_open_torchscript',
        lambda path: lambda images: np.full((len(images), 256), 0.0625),
    )
    with pytest.raises(ConfigError, match='differs from torch by'):
        export(bundle, tmp_path, 'torchscript')


def test_the_command_reports(bundle, tmp_path, capsys):
    run_export([str(bundle), str(tmp_path), '--format=torchscript'])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and all('MB, differs from' in ln for ln in lines)
    with pytest.raises(ConfigError, match='--format must be one of'):
        export(bundle, tmp_path, 'tflite')
    for name in ('visible', 'infrared'):
        assert (tmp_path / f'{name}.pt').is_file()


def test_a_missing_package_is_named(bundle, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__('sys').modules, 'openvino', None)
    monkeypatch.setitem(__import__('sys').modules, 'onnx', None)
    with pytest.raises(ConfigError, match='pip install'):
        export(bundle, tmp_path, 'openvino')
