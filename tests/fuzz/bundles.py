"""Bundles whose tensors, settings or files are not what was published."""

import json
import os
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np

from .cases import Try, anything, attack, damaged, pick, refused, same
from .child import CANARY

TENSORS, SETTINGS = 'model.safetensors', 'mmgl.json'
WEIGHT = 'backbone.layer1.0.conv1.weight'
Change = Callable[[dict], object]


def features(base: Path, folder: Path) -> Callable[[], object]:
    """Open a bundle; the features of a photograph in both modalities."""

    def run() -> object:
        import mmgl

        embedder = mmgl.Embedder(folder)
        known = embedder.calibration
        rows = [
            embedder.embed(base / 'person.png', number).round(6).tolist()
            for number in (0, 1)
        ]
        return rows, known and known.probability(0.5)

    return run


def _tensor(change: Callable) -> Change:
    return lambda state: state.update({WEIGHT: change(state[WEIGHT])})


def _renamed(state: dict) -> None:
    state[f'{WEIGHT}s'] = state.pop(WEIGHT)


def _to(name: str) -> Change:
    import torch

    return _tensor(lambda weight: weight.to(getattr(torch, name)))


def _twice(state: dict) -> None:
    state[f'module.{WEIGHT}'] = state[WEIGHT] + 1


STATES: dict[str, Change] = {
    'missing tensor': lambda state: state.pop(WEIGHT),
    'renamed tensor': _renamed,
    'more tensors': lambda state: state.update(more=state[WEIGHT]),
    'twice, with module.': _twice,
    'NaN': _tensor(lambda weight: weight * float('nan')),
    'infinite': _tensor(lambda weight: weight / 0),
    'reshaped': _tensor(lambda weight: weight[:1]),
    'flat': _tensor(lambda weight: weight.reshape(-1)),
    'no numbers': _tensor(lambda weight: weight[:0]),
    'integers': _to('int64'),
    'truths': _to('bool'),
    'complex': _to('complex64'),
    'eight bits': _to('float8_e5m2'),
    'no tensors': lambda state: state.clear(),
    'zeros': lambda state: [value.zero_() for value in state.values()],
}


def _put(path: str, value: object) -> Change:
    """Set what stands at a dotted path of the settings."""

    def change(settings: dict) -> None:
        *where, last = path.split('.')
        node = settings
        for name in where:
            node = node[int(name) if isinstance(node, list) else name]
        node[int(last) if isinstance(node, list) else last] = value

    return change


def _deep(depth: int) -> object:
    node: object = 1
    for _ in range(depth):
        node = [node]
    return node


EVIL = dict(type='mmpretrain.HuggingFaceClassifier', model_name='/evil')
IMPORTS = dict(type='RandomResize', scale=[9, 9], resize_type='evil.Thing')
TIMM = dict(type='mmpretrain.TIMMBackbone', model_name='resnet18')
LOADS = dict(type='Pretrained', checkpoint='http://127.0.0.1:9/a.pth')
KINDS = (None, True, -1, 0, 1.5, 'a', [], {}, [1], {'a': 1}, 10**30, 1e308)
# Whatever they are given: none of them is a part of a model.
TYPES = (
    *('os.system', 'builtins.exec', 'evil.Thing', 'torch.load', 'mmgl.gone'),
    *('pathlib.Path', 'mmengine.Config', 'mmengine.BaseDataset', '', '.'),
    *(None, 3, ['ReIDModel'], {}, 'ClassifierHead', 'LoadImageFromFile'),
)
PLACES = (
    *('model', 'model.backbone', 'model.neck', 'model.data_preprocessor'),
    *('model.backbone.depth', 'model.backbone.base_channels'),
    *('model.test_feature', 'model.data_preprocessor.mean'),
    *('test_pipeline', 'test_pipeline.0', 'test_pipeline.1.scale'),
    *('test_pipeline.1.interpolation', 'calibration', 'sha256', 'format'),
)
MADE: dict[str, Change] = {
    'another hash': _put('sha256', '0' * 64),
    'hash of upper case': lambda s: s.update(sha256=s['sha256'].upper()),
    'format of tomorrow': _put('format', 99),
    'no model': lambda settings: settings.pop('model'),
    'deep': _put('model', _deep(900)),
    'deep in the model': _put('model.backbone.plugins', _deep(800)),
    'reserved key': _put('filename', '/etc/passwd'),
    'base': _put('_base_', '/etc/passwd'),
    'scope': _put('model._scope_', 'evil'),
    'type that imports': _put('test_pipeline.1', IMPORTS),
    'model of the hub': _put('model', EVIL),
    'backbone that downloads': _put('model.backbone', TIMM),
    'weights of a URL': _put('model.backbone.norm_cfg', LOADS),
    'huge model': _put('model.backbone.base_channels', 10**6),
    'endless layers': _put('model.backbone.strides', [1] * 4 + [10**9]),
    'huge pictures': _put('test_pipeline.1.scale', [10**5, 10**5]),
    'endless pictures': _put('test_pipeline.1.scale', [10**12, 10**12]),
    'no pictures': _put('test_pipeline.1.scale', [0, 0]),
    'deviation 0': _put('model.data_preprocessor.std', [0, 0, 0]),
    'NaN mean': _put('model.data_preprocessor.mean', [float('nan')] * 3),
    'wrong calibration': _put('calibration', dict(threshold='a')),
    'more calibration': _put('calibration', dict(command='x')),
}


def _sealed(folder: Path, change: Change) -> None:
    """Change the settings as their author would."""
    from mmgl.checkpoints.bundle import read_settings, write_settings

    settings = read_settings(folder)
    change(settings)
    write_settings(folder, settings)


def _written(folder: Path, change: Change) -> None:
    """Change the tensors as their author would."""
    from mmgl.checkpoints.bundle import read_bundle, write_bundle

    settings, state = read_bundle(folder)
    change(state)
    write_bundle(folder, state, settings)


def _header(change: Callable[[dict], object]) -> Callable[[bytes], bytes]:
    """Change the header of a file of tensors."""

    def apply(data: bytes) -> bytes:
        size = struct.unpack('<Q', data[:8])[0]
        header = json.loads(data[8 : 8 + size])
        text = json.dumps(change(header) or header).encode()
        return struct.pack('<Q', len(text)) + text + data[8 + size :]

    return apply


def _lie(**changes: object) -> Callable[[bytes], bytes]:
    return _header(lambda header: header[WEIGHT].update(changes))


BYTES: dict[str, Callable[[bytes], bytes]] = {
    'empty': lambda data: b'',
    'header longer than all': lambda data: b'\xff' * 7 + b'\x7f' + data[8:],
    'header of another file': lambda data: b'\x80\x02cos\nsystem\n' + data,
    'shape too large': _lie(shape=[2**40, 2**40]),
    'negative shape': _lie(shape=[-8, 8, 3, 3]),
    'shape of text': _lie(shape='ab'),
    'other kind of numbers': _lie(dtype='I32'),
    'unknown kind': _lie(dtype='PICKLE'),
    'behind the end': _lie(data_offsets=[0, 2**50]),
    'backwards': _lie(data_offsets=[100, 0]),
    'another place': _lie(data_offsets=[0, 2304]),
    'no dict': _header(lambda header: [1]),
    'deep notes': _header(lambda h: h.update(__metadata__=_deep(900))),
}


def _specials(path: Path) -> dict[str, Callable[[], object]]:
    return {
        'gone': lambda: None,
        'folder': path.mkdir,
        'pipe': lambda: os.mkfifo(path),
        'loop': lambda: path.symlink_to(path),
        'dangling link': lambda: path.symlink_to('gone'),
        'device': lambda: path.symlink_to('/dev/zero'),
        'passwd': lambda: path.symlink_to('/etc/passwd'),
    }


FIXED = [
    *(('tensors', kind) for kind in STATES),
    *(('settings', kind) for kind in MADE),
    *(('bytes', kind) for kind in BYTES),
    *(
        (name, kind)
        for name in (TENSORS, SETTINGS)
        for kind in _specials(Path())
    ),
    *(('type', number) for number in range(2 * len(TYPES))),
    *(('kind', number) for number in range(len(PLACES) * len(KINDS))),
]


@attack('bundle', short=24, long=len(FIXED) + 80, seconds=60)
def bundle(
    base: Path, folder: Path, number: int, rng: np.random.Generator
) -> Try:
    """Fixed lies first, then bytes of either file damaged."""
    copy = folder / 'bundle'
    shutil.copytree(base / 'bundle', copy)
    (folder / 'evil.py').write_text(f'open({CANARY!r}, "w").close()')
    run, fine = features(base, copy), refused
    if number >= len(FIXED):
        path = copy / str(pick([TENSORS, SETTINGS], rng))
        kind, data = damaged(path.read_bytes(), rng)
        path.write_bytes(data)
        fine = same(features(base, base / 'bundle')())
        return Try(f'{path.name}, {kind}', run, fine)
    # Steps that share no factor with their number visit all.
    place, kind = FIXED[number * 101 % len(FIXED)]
    if place == 'tensors':
        _written(copy, STATES[kind])
        fine = anything if kind == 'eight bits' else refused
    elif place == 'settings':
        _sealed(copy, MADE[kind])
        fine = anything if kind == 'base' else refused
    elif place == 'bytes':
        path = copy / TENSORS
        path.write_bytes(BYTES[kind](path.read_bytes()))
        digest = _digest(path)
        _sealed(copy, lambda settings: settings.update(sha256=digest))
    elif place == 'type':
        where = ('model.backbone.type', 'test_pipeline.1.type')[kind % 2]
        kind = TYPES[kind // 2]
        _sealed(copy, _put(where, kind))
    elif place == 'kind':
        where, kind = PLACES[kind // len(KINDS)], KINDS[kind % len(KINDS)]
        _sealed(copy, _put(where, kind))
        place, fine = where, anything  # some are defaults, written out
    else:
        (copy / place).unlink()
        _specials(copy / place)[kind]()
    return Try(f'{place}, {kind!r}'[:80], run, fine)


def _digest(path: Path) -> str:
    from mmgl.checkpoints.bundle import hash_file

    return hash_file(path)
