"""The formats of ``mmgl export``: how files are written, and run."""

import json
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from mmgl.utils.errors import ConfigError, missing_packages, one_line
from mmgl.utils.files import replace_whole

from .inference.network import Features
from .inference.onnx_runtimes import OnnxRuntime

# No batch that is checked: a constant of the trace would show.
_EXAMPLE = 3


class Backend(NamedTuple):
    """How a network is written with what is known of it, and how it runs."""

    write: Callable[[nn.Module, tuple[int, int], Path, Any], None]
    open: Callable[[Path], Callable[[Any], Features]]


def open_backend(format: str) -> Backend:
    """Find how to write and run files of a format.

    Raises:
        ConfigError: If its packages are not installed.
    """
    if format == 'torchscript':
        return Backend(_write_torchscript, _open_torchscript)
    with missing_packages(f'--format {format}'):
        import onnx  # noqa: F401

        if format == 'onnx':
            import onnxruntime  # noqa: F401

            return Backend(_write_onnx, _open_onnx)
        import openvino  # noqa: F401
    return Backend(_write_openvino, _open_openvino)


def _example(size: tuple[int, int]) -> Tensor:
    return torch.randint(0, 256, (_EXAMPLE, *size, 3), dtype=torch.uint8)


def _write_torchscript(
    network: nn.Module, size: tuple[int, int], path: Path, facts: Any
) -> None:
    with _quiet(), replace_whole(path) as partial:
        trace: Any = torch.jit.trace
        traced = trace(network, _example(size), check_trace=False)
        extra = {'mmgl.json': json.dumps(facts)}
        torch.jit.save(traced, str(partial), _extra_files=extra)


def _open_torchscript(path: Path) -> Callable[[Any], Features]:
    load: Any = torch.jit.load
    network = load(str(path))
    return lambda images: network(torch.from_numpy(images)).numpy()


def _write_onnx(
    network: nn.Module, size: tuple[int, int], path: Path, facts: Any
) -> None:
    import onnx

    with _quiet(), _expressed(), replace_whole(path) as partial:
        torch.onnx.export(
            network,
            (_example(size),),
            str(partial),
            input_names=['images'],
            output_names=['features'],
            dynamic_axes=dict(images={0: 'n'}, features={0: 'n'}),
            opset_version=17,
            dynamo=False,
        )
        written = onnx.load(str(partial))
        onnx.helper.set_model_props(
            written, {key: str(value) for key, value in facts.items()}
        )
        onnx.checker.check_model(written, full_check=True)
        onnx.save(written, str(partial))


def _open_onnx(path: Path) -> Callable[[Any], Features]:
    return OnnxRuntime(path.read_bytes(), 'cpu').run


def _write_openvino(
    network: nn.Module, size: tuple[int, int], path: Path, facts: Any
) -> None:
    import openvino

    onnx_path = path.with_suffix('.onnx')
    _write_onnx(network, size, onnx_path, facts)
    # convert_model would report to its authors.
    converted = openvino.Core().read_model(onnx_path)
    openvino.save_model(converted, path, compress_to_fp16=False)
    onnx_path.unlink()


def _open_openvino(path: Path) -> Callable[[Any], Features]:
    import openvino

    # Its default on some processors is bf16.
    network = openvino.compile_model(
        path, 'CPU', {'INFERENCE_PRECISION_HINT': 'f32'}
    )
    return lambda images: network([images])[0]


@contextmanager
def _expressed() -> Iterator[None]:
    """Say in a sentence what ONNX cannot."""
    try:
        yield
    except torch.onnx.OnnxExporterError as error:
        raise ConfigError(
            f'a part of the model cannot be written as ONNX '
            f'({one_line(error)}); use --format torchscript'
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the warnings that a trace has constants: sizes are."""
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        yield
