"""``mmgl export``: one network a modality, for other runtimes.

A file takes uint8 images ``(N, H, W, 3)`` in RGB at the size of the model and
gives features ``(N, D)`` of length 1: normalisation is inside. Nothing stays
that has not been compared with torch.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmgl.models.single_modality import for_one_modality
from mmgl.structures import MODALITY_NAMES
from mmgl.utils.benchmark import alternate
from mmgl.utils.compat import silence_upstream_warnings
from mmgl.utils.errors import ConfigError, report_errors
from mmgl.version import __version__

from .export_formats import open_backend
from .inference.network import Features
from .inference.seal import seal
from .inference.sources import Images
from .inference.weights import Weights, open_weights
from .parsers import EXPORTS, export_parser
from .shrinking import pictures_of, quantize, store_half

# Largest difference of a feature, whose length is 1.
TOLERANCE = 1e-5
_BATCHES = (1, 2, 7)
# Lowest cosine with torch's feature of a smaller network.
_LEAST = {'fp16': 0.999, 'int8': 0.9}


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
    fp16: bool = False,
    int8: Sequence[Images] | None = None,
) -> list[dict[str, Any]]:
    """Write ``visible`` and ``infrared`` networks into a folder.

    ``fp16`` halves ONNX files; ``int8``, images of each modality, makes them
    a quarter and faster. Returns a report of each: its file, size, largest
    difference from torch, for smaller ones the lowest cosine, and times.

    Raises:
        ConfigError: If the format or its packages are not there, or a
            network gives other features than torch.
    """
    if format not in EXPORTS:
        raise ConfigError(
            f'--format must be one of {", ".join(EXPORTS)}, got {format!r}'
        )
    kind = 'int8' if int8 else 'fp16' if fp16 else 'fp32'
    if kind != 'fp32' and (format != 'onnx' or (fp16 and int8)):
        raise ConfigError(
            '--fp16 and --int8 exclude each other and are for --format onnx'
        )
    backend = open_backend(format)
    opened = open_weights(weights, config)
    model, size = opened.build(), image_size(opened)
    pictures = [pictures_of(opened, *pair) for pair in enumerate(int8 or ())]
    facts = dict(
        mmgl=__version__,
        model_hash=opened.sha256,
        seen=json.dumps(opened.seen),
        size=size,
        colours='RGB',
        layout='NHWC uint8',
        precision=kind,
        transforms=json.dumps(opened.test_pipeline),
    )
    if known := opened.info.get('calibration'):
        facts['calibration'] = json.dumps(known)
    reports = []
    for modality, name in enumerate(MODALITY_NAMES):
        network = DeployedNetwork(model, modality).eval()
        path = Path(out) / f'{name}{EXPORTS[format]}'
        backend.write(network, size, path, dict(facts, modality=name))
        report = compare(network, backend.open(path), size)
        _accept(path, report['difference'] < TOLERANCE, report, 'difference')
        if kind != 'fp32':
            given = pictures[modality] if int8 else None
            report = _shrink(network, path, size, given)
            _accept(path, report['cosine'] > _LEAST[kind], report, 'cosine')
        if format == 'onnx':
            seal(path)
        size_of = sum(file.stat().st_size for file in _files(path))
        reports.append(dict(report, file=str(path), bytes=size_of))
    return reports


def _files(path: Path) -> list[Path]:
    """List a file and the one of weights that OpenVINO puts beside it."""
    tensors = path.with_suffix('.bin')
    return [path, tensors] if path.suffix == '.xml' else [path]


def _accept(
    path: Path, good: bool, report: dict[str, float], measure: str
) -> None:
    """Remove a file that is not good, and say so."""
    if not good:
        for file in _files(path):
            file.unlink()
        raise ConfigError(
            f'{path} differs from torch: {measure} {report[measure]:.1e}; it '
            'is removed'
        )


def _shrink(
    network: nn.Module, path: Path, size: tuple[int, int], pictures: Any
) -> dict[str, float]:
    """Make a file smaller, and compare its features with torch's."""
    if pictures is None:
        store_half(path)
        pictures = np.concatenate(
            [*_images(np.random.default_rng(1), 7, size)]
        )
    else:
        quantize(path, pictures)
    run = open_backend('onnx').open(path)
    with torch.inference_mode():
        want = network(torch.from_numpy(pictures)).numpy()
    cosines = np.einsum('ij,ij->i', want, run(pictures))
    return dict(compare(network, run, size), cosine=float(cosines.min()))


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
    runs: dict[str, Callable[[], object]] = {
        'ms': lambda: other(images),
        'torch_ms': lambda: network(torch.from_numpy(images)),
    }
    times = alternate(runs, clock=time.perf_counter)
    each = {name: 1e3 * span / len(images) for name, span in times.items()}
    return dict(each, difference=difference)


def _images(
    rng: np.random.Generator, count: int, size: tuple[int, int]
) -> Iterator[Any]:
    """Yield noise, and smooth and flat images as photographs are."""
    shape = (count, *size, 3)
    yield rng.integers(0, 256, shape, np.uint8)
    rows = np.linspace(0, 255, size[0])[:, None, None]
    yield np.broadcast_to(rows, shape).astype(np.uint8)
    yield np.full(shape, rng.integers(0, 256), np.uint8)


def run_export(arguments: Sequence[str] | None = None) -> None:
    """Export by command line arguments."""
    options = export_parser().parse_args(arguments)
    silence_upstream_warnings()
    with report_errors():
        reports = export(**vars(options))
    for report in reports:
        cosine = report.get('cosine')
        near = (
            f'differs from torch by at most {report["difference"]:.1e}'
            if cosine is None
            else f'lowest cosine with torch {cosine:.4f}'
        )
        print(
            f'{report["file"]}: {report["bytes"] / 1e6:.1f} MB, {near}, '
            f'{report["ms"]:.2f} ms an image (torch {report["torch_ms"]:.2f})'
        )
