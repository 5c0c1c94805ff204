"""Networks that ``mmgl export`` wrote as ONNX, which need no torch."""

import ast
import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mmgl.protocols.modality import MODALITY_NAMES
from mmgl.utils.errors import ConfigError, missing_packages, one_line
from mmgl.utils.resampling import KERNELS, resample

from .network import Features, UnexplainedError
from .onnx_runtimes import Runtime, open_runtime
from .seal import read_sealed
from .sources import LARGEST, Picture, window_of

SUFFIX = '.onnx'
# What both files of a model have in common.
_SHARED = ('model_hash', 'precision', 'size', 'transforms', 'calibration')
# What :meth:`OnnxNetwork.run` gives a file.
_INPUT = dict(colours='RGB', layout='NHWC uint8')
_HASH = re.compile('[0-9a-f]{64}')


def exported_files(weights: Sequence[str | Path]) -> list[Path]:
    """List the ``.onnx`` files that weights are; none if they are not."""
    paths = [Path(one).expanduser() for one in weights]
    if len(paths) == 1 and paths[0].is_dir():
        inside = (paths[0] / f'{name}{SUFFIX}' for name in MODALITY_NAMES)
        return [path for path in inside if path.is_file()]
    exported = [path for path in paths if path.suffix == SUFFIX]
    if exported and len(exported) < len(paths):
        raise ConfigError(
            f'{exported[0]} is an exported network, the other file is not; '
            'give those of one export'
        )
    return exported


class OnnxNetwork:
    """A file or two of one export, see :class:`.network.Network`."""

    explains = False

    def __init__(
        self, files: Sequence[Path], device: str, precision: str
    ) -> None:
        self.source = files[0]
        self._runtimes: dict[int, Runtime] = {}
        facts: dict[str, Any] = {}
        for path in files:
            runtime, found = _open(path, device, precision)
            number = MODALITY_NAMES.index(found['modality'])
            if number in self._runtimes:
                raise ConfigError(
                    f'{path} is for {found["modality"]} images, too; give '
                    'one file a modality'
                )
            for name in _SHARED:
                if self._runtimes and found.get(name) != facts.get(name):
                    raise ConfigError(
                        f'{path} and {files[0]} differ in their {name}; '
                        'give the files of one export'
                    )
            self._runtimes[number], facts = runtime, found
        self.modalities = sorted(self._runtimes)
        self.sha256 = facts['model_hash']
        self.seen, self.prepare = facts['seen'], facts['prepare']
        self.window = facts['window']
        self.info = dict(calibration=facts['known'])

    def run(self, pictures: Picture, modality: Sequence[int]) -> Features:
        """Compute unit features ``(n, D)`` of ``(n, H, W, 3)``, BGR."""
        rgb = np.ascontiguousarray(pictures[..., ::-1])
        numbers = np.asarray(modality)
        parts = {}
        for number in np.unique(numbers):
            runtime = self._runtimes.get(int(number))
            if runtime is None:
                raise ConfigError(
                    f'there is no network for {MODALITY_NAMES[number]} '
                    f'images beside {self.source}; give its file, too'
                )
            parts[number] = self._features(runtime, rgb[numbers == number])
        width = min(part.shape[1] for part in parts.values())
        result: Features = np.empty((len(rgb), width), np.float32)
        for number, part in parts.items():
            result[numbers == number] = part
        return result

    def _features(self, runtime: Runtime, rgb: Picture) -> Features:
        """Compute those of one modality."""
        try:
            part = runtime.run(rgb)
            if part.ndim != 2 or len(part) != len(rgb):
                raise ValueError(f'features are {part.shape}')
        except Exception as error:  # a runtime raises what it likes
            raise ConfigError(
                f'{self.source} and the file beside it compute no features '
                f'({one_line(error)}); export them again'
            ) from None
        found: Features = part
        return found

    def explain(
        self, pictures: Picture, modality: Sequence[int]
    ) -> tuple[float, Features]:
        """Refuse: the files give nothing but features."""
        raise UnexplainedError(
            'explanations need the feature maps of the torch model; use the '
            'bundle or checkpoint instead of an exported network'
        )

    def keep(self, calibration: Mapping[str, Any]) -> None:
        """Leave the file as it is: it holds what the bundle knew."""


def _open(
    path: Path, device: str, precision: str
) -> tuple[Runtime, dict[str, Any]]:
    """Open a file, and read what it says about itself.

    ``seen`` and ``known``, the calibration, are read; ``prepare`` is what the
    transforms do, ``window`` what is done before.
    """
    if not path.is_file():
        raise ConfigError(f'there is no file {path}')
    data = read_sealed(path)
    try:
        with missing_packages(str(path)):
            runtime = open_runtime(data, device, precision)
    except ConfigError:
        raise
    except Exception as error:  # each kind of damage has its own
        raise ConfigError(
            f'{path} cannot be opened ({one_line(error)})'
        ) from None
    try:
        facts = _facts(runtime, path)
    except ConfigError:
        raise
    except Exception:  # whatever a file may say
        raise ConfigError(
            f'{path} is no network that mmgl export wrote; export it again'
        ) from None
    return runtime, facts


def _facts(runtime: Runtime, path: Path) -> dict[str, Any]:
    """Read the metadata; any error says that they are none of ours."""
    facts: dict[str, Any] = dict(runtime.metadata)
    height, width = ast.literal_eval(facts['size'])
    facts['seen'] = json.loads(facts.get('seen', '[]'))
    facts['known'] = json.loads(facts.get('calibration', 'null'))
    steps = json.loads(facts['transforms'])
    facts['prepare'] = prepare = preparation(steps, path)
    facts['window'] = window_of(steps)
    blank = prepare(np.zeros((64, 32, 3), np.uint8))
    if not (
        blank.shape == (height, width, 3) == runtime.pictures()
        and facts['modality'] in MODALITY_NAMES
        and isinstance(facts['seen'], list)
        and _INPUT.items() <= facts.items()
        and _HASH.fullmatch(facts['model_hash'])
    ):
        raise ValueError
    return facts


def preparation(steps: Any, path: Path) -> Callable[[Picture], Picture]:
    """Return the transforms of a test pipeline between decoding and model.

    Raises:
        ConfigError: If there are others than resizing.
    """
    found = []
    for step in steps:
        kind = str(step['type'])
        if kind.startswith(('LoadImage', 'Pack')):
            continue
        rest = {k: v for k, v in step.items() if k not in ('type', 'scale')}
        filter_of = rest.pop('interpolation', 'bilinear')
        known = KERNELS if kind == 'PILResize' else ('bilinear',)
        if (
            kind not in ('Resize', 'PILResize')
            or rest
            or (filter_of not in known)
        ):
            raise ConfigError(
                f'{path} wants images prepared by {step}, which takes torch; '
                'use the bundle'
            )
        width, height = step['scale']
        if not (0 < width <= LARGEST and 0 < height <= LARGEST):
            raise ValueError(f'pictures of {width} x {height}')
        found.append((kind, (width, height), filter_of))

    def prepare(image: Picture) -> Picture:
        new: Any = image
        for kind, size, filter_of in found:
            if kind == 'PILResize':
                new = resample(new, size, filter_of)
            else:
                new = cv2.resize(new, size, interpolation=cv2.INTER_LINEAR)
        return np.ascontiguousarray(new)

    return prepare
