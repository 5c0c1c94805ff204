"""Networks that ``mmgl export`` wrote, run by ONNX Runtime without torch."""

import ast
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mmgl.protocols.modality import MODALITY_NAMES
from mmgl.utils.errors import ConfigError
from mmgl.utils.resampling import KERNELS, resample

from .network import Features, UnexplainedError
from .seal import check_seal
from .sources import Picture

SUFFIX = '.onnx'
# What both files of a model have in common.
_SHARED = ('model_hash', 'precision', 'size', 'transforms', 'calibration')


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
        if device not in ('auto', 'cpu') or precision not in ('auto', 'fp32'):
            raise ConfigError(
                'exported networks run on the CPU, in the precision of the '
                f'file; leave out device {device!r} and precision '
                f'{precision!r}'
            )
        self.source = files[0]
        self._sessions: dict[int, Any] = {}
        facts: dict[str, Any] = {}
        for path in files:
            session, found = _open(path)
            number = MODALITY_NAMES.index(found['modality'])
            if number in self._sessions:
                raise ConfigError(
                    f'{path} is for {found["modality"]} images, too; give '
                    'one file a modality'
                )
            for name in _SHARED:
                if self._sessions and found.get(name) != facts.get(name):
                    raise ConfigError(
                        f'{path} and {files[0]} differ in their {name}; '
                        'give the files of one export'
                    )
            self._sessions[number], facts = session, found
        self.modalities = sorted(self._sessions)
        self.sha256 = facts['model_hash']
        self.seen, self.prepare = facts['seen'], facts['prepare']
        known = facts.get('calibration')
        self.info = dict(calibration=json.loads(known)) if known else {}

    def run(self, pictures: Picture, modality: Sequence[int]) -> Features:
        """Compute unit features ``(n, D)`` of ``(n, H, W, 3)``, BGR."""
        rgb = np.ascontiguousarray(pictures[..., ::-1])
        numbers = np.asarray(modality)
        parts = []
        for number in np.unique(numbers):
            session = self._sessions.get(int(number))
            if session is None:
                raise ConfigError(
                    f'there is no network for {MODALITY_NAMES[number]} '
                    f'images beside {self.source}; give its file, too'
                )
            parts.append(session.run(None, {'images': rgb[numbers == number]}))
        result: Features = np.empty(
            (len(rgb), parts[0][0].shape[1]), np.float32
        )
        for number, (part,) in zip(np.unique(numbers), parts, strict=True):
            result[numbers == number] = part
        return result

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


def _open(path: Path) -> tuple[Any, dict[str, Any]]:
    """Open a file, and read what it says about itself.

    ``seen`` is read, and ``prepare`` is what the transforms do.
    """
    try:
        import onnxruntime
    except ImportError:
        raise ConfigError(
            f'{path} needs onnxruntime: pip install onnxruntime'
        ) from None
    if not path.is_file():
        raise ConfigError(f'there is no file {path}')
    check_seal(path)
    try:
        session = onnxruntime.InferenceSession(
            str(path), providers=['CPUExecutionProvider']
        )
    except Exception as error:  # each kind of damage has its own
        why = ' '.join(str(error).split())
        raise ConfigError(f'{path} cannot be opened ({why})') from None
    facts: dict[str, Any] = dict(session.get_modelmeta().custom_metadata_map)
    try:
        if facts['modality'] not in MODALITY_NAMES:
            raise ValueError
        height, width = ast.literal_eval(facts['size'])
        facts['seen'] = json.loads(facts.get('seen', '[]'))
        prepare = preparation(json.loads(facts['transforms']), path)
        facts['prepare'] = prepare
        blank = prepare(np.zeros((64, 32, 3), np.uint8))
        (given,) = session.get_inputs()
        fits = blank.shape == (height, width, 3) and given.name == 'images'
        if not fits or not facts['model_hash']:
            raise ValueError
    except ConfigError:
        raise
    except (KeyError, ValueError, TypeError, SyntaxError, cv2.error):
        raise ConfigError(
            f'{path} is no network that mmgl export wrote; export it again'
        ) from None
    return session, facts


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
