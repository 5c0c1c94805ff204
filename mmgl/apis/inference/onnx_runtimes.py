"""What computes exported networks: ONNX Runtime or OpenVINO."""

import re
from collections.abc import Mapping
from typing import Any, Protocol

from mmgl.utils.errors import ConfigError

from .sources import Picture

_DEVICE = re.compile(r'auto|cpu|openvino|cuda(:[0-9]+)?')
_CUDA = 'CUDAExecutionProvider'
# As OpenVINO calls precisions.
_HINTS = {'auto': 'f32', 'fp32': 'f32', 'bf16': 'bf16'}


class Runtime(Protocol):
    """An opened network; ``metadata`` is what its file says of itself."""

    metadata: Mapping[str, str]

    def pictures(self) -> tuple[int, ...]:
        """Tell the shape (H, W, 3) of one.

        Raises:
            ValueError: If the network does not turn uint8 into float32.
        """

    def run(self, rgb: Picture) -> Any:
        """Compute features ``(n, D)`` of ``(n, H, W, 3)``.

        Threads may do so side by side.
        """


def open_runtime(data: bytes, device: str, precision: str) -> Runtime:
    """Open a network with what the device stands for.

    Raises:
        ConfigError: If there is no such device, or not in this precision.
    """
    if not _DEVICE.fullmatch(device):
        raise ConfigError(
            'exported networks run on the devices auto, cpu, openvino, cuda '
            f'or cuda:1 and so on, got {device!r}'
        )
    if device == 'openvino' and precision in _HINTS:
        return OpenvinoRuntime(data, precision)
    if precision not in ('auto', 'fp32'):
        raise ConfigError(
            'exported networks run in the precision of the file, or in bf16 '
            f"on device 'openvino'; leave out precision {precision!r}"
        )
    return OnnxRuntime(data, device)


class OnnxRuntime:
    """A network in ONNX Runtime, on a processor or a GPU of NVIDIA."""

    def __init__(self, data: bytes, device: str) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # errors are raised as well
        self._session = onnxruntime.InferenceSession(
            data, options, providers=_providers(device, onnxruntime)
        )
        used = self._session.get_providers()
        if device.startswith('cuda') and _CUDA not in used:
            raise ConfigError(
                f'onnxruntime cannot use device {device!r}; install CUDA and '
                'cuDNN of the versions that onnxruntime-gpu names'
            )
        self.metadata = self._session.get_modelmeta().custom_metadata_map

    def pictures(self) -> tuple[int, ...]:
        """Tell the shape of a picture."""
        (given,) = self._session.get_inputs()
        (got,) = self._session.get_outputs()
        if (given.type, got.type) != ('tensor(uint8)', 'tensor(float)'):
            raise ValueError(given.type, got.type)
        return tuple(given.shape[1:])

    def run(self, rgb: Picture) -> Any:
        """Compute features ``(n, D)`` of ``(n, H, W, 3)``."""
        (features,) = self._session.run(None, {'images': rgb})
        return features


def _providers(device: str, onnxruntime: Any) -> list[Any]:
    """Choose what computes; the CPU takes what a GPU cannot."""
    kind, _, number = device.partition(':')
    there = _CUDA in onnxruntime.get_available_providers()
    if kind == 'cuda' and not there:
        raise ConfigError(
            f'device {device!r} needs ONNX Runtime for NVIDIA GPUs: pip '
            'uninstall onnxruntime, then pip install onnxruntime-gpu'
        )
    cpu = 'CPUExecutionProvider'
    if kind == 'cpu' or not there:
        return [cpu]
    # With TF32 features would be those of ten bits.
    return [(_CUDA, dict(device_id=number or '0', use_tf32='0')), cpu]


class OpenvinoRuntime:
    """A network in OpenVINO, on a processor."""

    def __init__(self, data: bytes, precision: str) -> None:
        import openvino

        core = openvino.Core()
        network = core.read_model(data)
        facts = dict(network.get_rt_info()).get('framework', {})
        self.metadata: Mapping[str, str] = {
            name: entry.value for name, entry in facts.items()
        }
        # Its default on some processors is bf16.
        self._network = core.compile_model(
            network, 'CPU', {'INFERENCE_PRECISION_HINT': _HINTS[precision]}
        )

    def pictures(self) -> tuple[int, ...]:
        """Tell the shape of a picture."""
        (given,), (got,) = self._network.inputs, self._network.outputs
        kinds = [str(one.element_type.to_dtype()) for one in (given, got)]
        if kinds != ['uint8', 'float32']:
            raise ValueError(kinds)
        _, *sizes = given.partial_shape
        return tuple(one.get_length() for one in sizes)

    def run(self, rgb: Picture) -> Any:
        """Compute features ``(n, D)`` of ``(n, H, W, 3)``."""
        return self._network.create_infer_request().infer([rgb])[0]
