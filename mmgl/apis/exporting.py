"""``mmgl export``: one network a modality, for other runtimes.

A file takes uint8 images ``(N, H, W, 3)`` in RGB at the size of the model and
gives features ``(N, D)`` of length 1: normalisation is inside. Nothing stays
that has not been compared with torch.
"""

import argparse
import json
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmgl.models.single_modality import for_one_modality
from mmgl.structures import MODALITY_NAMES
from mmgl.utils.arguments import output_folder
from mmgl.utils.compat import silence_upstream_warnings
from mmgl.utils.errors import ConfigError, report_errors
from mmgl.utils.files import replace_whole
from mmgl.version import __version__

from .inference.embedder import Features
from .inference.weights import Weights, open_weights

SUFFIXES = {'onnx': '.onnx', 'torchscript': '.pt', 'openvino': '.xml'}
# Largest difference of a feature, whose length is 1.
TOLERANCE = 1e-5
_BATCHES = (1, 2, 7)
# No batch that is checked: a constant of the trace would show.
_EXAMPLE = 3


class DeployedNetwork(nn.Module):
    """From uint8 images of one modality to unit features."""

    mean: Tensor
    std: Tensor

    def __init__(self, model: Any, modality: int) -> None:
        super().__init__()
        self.model = for_one_modality(model, modality)
        self.modality = modality
        pixels = model.data_preprocessor
        for name in ('mean', 'std'):
            value = getattr(pixels, name).reshape(1, 1, 1, 3).clone()
            self.register_buffer(name, value)

    def forward(self, images: Tensor) -> Tensor:
        """Compute ``(N, D)`` of ``(N, H, W, 3)``, RGB."""
        pixels = ((images.float() - self.mean) / self.std).permute(0, 3, 1, 2)
        modality = torch.full_like(images[:, 0, 0, 0], self.modality).long()
        vectors = self.model.embed(pixels, dict(modality=modality))
        return F.normalize(vectors.float(), dim=1)


def image_size(weights: Weights) -> tuple[int, int]:
    """Find height and width that the test pipeline gives."""
    image = weights.preparation()(np.zeros((64, 32, 3), np.uint8))
    height, width = image.shape[:2]
    return height, width


def export(
    weights: str | Path,
    out: str | Path,
    format: str = 'onnx',
    config: str | None = None,
) -> list[dict[str, Any]]:
    """Write ``visible`` and ``infrared`` networks into a folder.

    Returns a report of each: its file, size, largest difference from torch,
    and times.

    Raises:
        ConfigError: If the format or its packages are not there, or a
            network gives other features than torch.
    """
    if format not in SUFFIXES:
        raise ConfigError(
            f'--format must be one of {", ".join(SUFFIXES)}, got {format!r}'
        )
    writer, opener = _backend(format)
    opened = open_weights(weights, config)
    model, size = opened.build(), image_size(opened)
    facts = dict(
        mmgl=__version__,
        model_hash=opened.sha256,
        seen=json.dumps(opened.seen),
        size=size,
        colours='RGB',
        layout='NHWC uint8',
        transforms=json.dumps(opened.test_pipeline),
    )
    reports = []
    for modality, name in enumerate(MODALITY_NAMES):
        network = DeployedNetwork(model, modality).eval()
        path = Path(out) / f'{name}{SUFFIXES[format]}'
        writer(network, size, path, dict(facts, modality=name))
        report = compare(network, opener(path), size)
        if not report['difference'] < TOLERANCE:
            raise ConfigError(
                f'{path} differs from torch by {report["difference"]:.1e} '
                f'(at most {TOLERANCE:.0e}); do not use it'
            )
        reports.append(dict(report, file=str(path), bytes=path.stat().st_size))
    return reports


@torch.inference_mode()
def compare(
    network: nn.Module, other: Callable[[Any], Features], size: tuple[int, int]
) -> dict[str, float]:
    """Measure difference and time, over batches and kinds of images."""
    rng = np.random.default_rng(0)
    difference = 0.0
    for count in _BATCHES:
        for images in _images(rng, count, size):
            want = network(torch.from_numpy(images)).numpy()
            got = other(images)
            if got.shape != want.shape or not np.isfinite(got).all():
                return dict(difference=float('inf'))
            difference = max(difference, float(np.abs(got - want).max()))
    times = {
        'ms': lambda: other(images),
        'torch_ms': lambda: network(torch.from_numpy(images)),
    }
    return dict(
        difference=difference,
        **{name: _time(run) / _BATCHES[-1] for name, run in times.items()},
    )


def _images(
    rng: np.random.Generator, count: int, size: tuple[int, int]
) -> Iterator[Any]:
    """Yield noise, and smooth and flat images as photographs are."""
    shape = (count, *size, 3)
    yield rng.integers(0, 256, shape, np.uint8)
    rows = np.linspace(0, 255, size[0])[:, None, None]
    yield np.broadcast_to(rows, shape).astype(np.uint8)
    yield np.full(shape, rng.integers(0, 256), np.uint8)


def _time(run: Callable[[], Any], repeats: int = 5) -> float:
    """Return the median of the milliseconds that a call takes."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(1e3 * (time.perf_counter() - start))
    return float(np.median(times))


def _backend(format: str) -> tuple[Callable[..., None], Callable[..., Any]]:
    """Return how to write a file, and how to run it."""
    try:
        if format == 'torchscript':
            return _write_torchscript, _open_torchscript
        import onnx  # noqa: F401

        if format == 'onnx':
            import onnxruntime  # noqa: F401

            return _write_onnx, _open_onnx
        import openvino  # noqa: F401

        return _write_openvino, _open_openvino
    except ImportError as error:
        raise ConfigError(
            f'--format {format} needs {error.name}: pip install {error.name}'
        ) from None


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

    with _quiet(), replace_whole(path) as partial:
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
    import onnxruntime

    session = onnxruntime.InferenceSession(
        str(path), providers=['CPUExecutionProvider']
    )
    return lambda images: session.run(None, {'images': images})[0]


def _write_openvino(
    network: nn.Module, size: tuple[int, int], path: Path, facts: Any
) -> None:
    import openvino

    onnx_path = path.with_suffix('.onnx')
    _write_onnx(network, size, onnx_path, facts)
    openvino.save_model(
        openvino.convert_model(str(onnx_path)), path, compress_to_fp16=False
    )
    onnx_path.unlink()


def _open_openvino(path: Path) -> Callable[[Any], Features]:
    import openvino

    # Its default on some processors is bf16.
    network = openvino.compile_model(
        path, 'CPU', {'INFERENCE_PRECISION_HINT': 'f32'}
    )
    return lambda images: network([images])[0]


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the warnings that a trace has constants: sizes are."""
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        yield


def export_parser() -> argparse.ArgumentParser:
    """Return the parser of ``mmgl export``."""
    parser = argparse.ArgumentParser(
        description='Write a network for each modality, and compare it with '
        'torch.'
    )
    add = parser.add_argument
    add('weights', help='bundle or checkpoint')
    add('out', type=output_folder, help='folder to write')
    add('--format', default='onnx', choices=SUFFIXES)
    add('--config', help='config, if the checkpoint does not carry it')
    return parser


def run_export(arguments: Sequence[str] | None = None) -> None:
    """Export by command line arguments."""
    options = export_parser().parse_args(arguments)
    silence_upstream_warnings()
    with report_errors():
        reports = export(**vars(options))
    for report in reports:
        print(
            f'{report["file"]}: {report["bytes"] / 1e6:.1f} MB, differs from '
            f'torch by at most {report["difference"]:.1e}, '
            f'{report["ms"]:.2f} ms an image (torch {report["torch_ms"]:.2f})'
        )
