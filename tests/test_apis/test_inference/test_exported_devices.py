"""Exported networks by OpenVINO, and by ONNX Runtime on a GPU."""

import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from mmgl import Embedder
from mmgl.apis.inference.seal import seal
from mmgl.utils.errors import ConfigError

onnx = pytest.importorskip('onnx')
onnxruntime = pytest.importorskip('onnxruntime')


@pytest.mark.parametrize(
    'arguments, what',
    [
        (dict(device='cuda'), 'pip install onnxruntime-gpu'),
        (dict(device='mps'), 'on the devices auto, cpu, openvino, cuda'),
        (dict(device='cuda:x'), 'on the devices auto, cpu, openvino, cuda'),
        (dict(device='openvino:GPU'), 'on the devices auto, cpu, openvino'),
        (dict(precision='bf16'), 'in the precision of the file'),
        (dict(device='openvino', precision='fp16'), 'leave out .*fp16'),
        (dict(config='agw.py'), 'need no config'),
    ],
)
def test_what_exported_networks_cannot(exported, arguments, what):
    with pytest.raises(ConfigError, match=what):
        Embedder(exported, **arguments)


@pytest.mark.parametrize(
    'precision, furthest', [('auto', 1e-6), ('fp32', 1e-6), ('bf16', 0.02)]
)
def test_openvino(exported, embedder, photographs, precision, furthest):
    pytest.importorskip('openvino')
    images = sorted(photographs.rglob('*.png'))[:2]
    fast = Embedder(
        exported, device='openvino', precision=precision, batch_size=3
    )
    assert fast.model_hash == embedder.model_hash
    assert fast.calibration == Embedder(exported).calibration
    modalities = [0, 1] * 8
    want = embedder.embed(images * 8, modalities)
    got = fast.embed(images * 8, modalities)
    assert np.abs(got - want).max() < furthest
    # As the threads of a service do.
    with ThreadPoolExecutor(4) as pool:
        rows = pool.map(fast.embed, images * 8, modalities)
        np.testing.assert_allclose(np.concatenate([*rows]), got, atol=1e-6)


def test_openvino_refuses_what_onnx_runtime_does(exported, tmp_path):
    pytest.importorskip('openvino')
    other = tmp_path / 'any.onnx'
    network = onnx.load(exported / 'visible.onnx')
    facts = [*network.metadata_props]
    del network.metadata_props[:]
    onnx.save(network, other)
    seal(other)
    with pytest.raises(ConfigError, match='no network that mmgl export'):
        Embedder(other, device='openvino')
    network.metadata_props.extend(facts)
    network.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.INT8
    onnx.save(network, other)
    seal(other)
    with pytest.raises(ConfigError, match='no network that mmgl export'):
        Embedder(other, device='openvino')
    del network.graph.node[3]
    onnx.save(network, other)
    seal(other)
    with pytest.raises(ConfigError, match='any.onnx cannot be opened'):
        Embedder(other, device='openvino')


def test_openvino_is_named_where_it_is_missing(exported, monkeypatch):
    monkeypatch.setitem(sys.modules, 'openvino', None)
    with pytest.raises(ConfigError, match='needs openvino, .* pip install'):
        Embedder(exported, device='openvino')


class GpuRuntime:
    """What onnxruntime-gpu tells; the first session has no GPU, if not."""

    SessionOptions = onnxruntime.SessionOptions

    def __init__(self, works):
        self.works, self.asked = works, []

    def get_available_providers(self):
        return ['CUDAExecutionProvider', 'CPUExecutionProvider']

    def InferenceSession(self, data, options, providers):
        self.asked.append(providers)
        session = onnxruntime.InferenceSession(
            data, options, providers=['CPUExecutionProvider']
        )
        if self.works:
            session.get_providers = self.get_available_providers
        return session


@pytest.mark.parametrize('device, number', [('auto', '0'), ('cuda:1', '1')])
def test_a_gpu_is_used_where_there_is_one(
    exported, embedder, photographs, monkeypatch, device, number
):
    runtime = GpuRuntime(works=True)
    monkeypatch.setitem(sys.modules, 'onnxruntime', runtime)
    image = next(photographs.rglob('*.png'))
    rows = Embedder(exported, device=device).embed(image, 0)
    np.testing.assert_allclose(rows, embedder.embed(image, 0), atol=1e-6)
    how = dict(device_id=number, use_tf32='0')
    assert runtime.asked == 2 * [
        [('CUDAExecutionProvider', how), 'CPUExecutionProvider']
    ]
    Embedder(exported, device='cpu')
    assert runtime.asked[-1] == ['CPUExecutionProvider']


def test_a_gpu_that_does_not_work(exported, monkeypatch):
    monkeypatch.setitem(sys.modules, 'onnxruntime', GpuRuntime(works=False))
    with pytest.raises(ConfigError, match="cannot use device 'cuda'"):
        Embedder(exported, device='cuda')
    assert Embedder(exported).dimensions == 256  # on the CPU
