"""Exported networks that lie, reach out or never end; sealed again."""

import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from .bundles import KINDS, features
from .cases import Try, anything, attack, damaged, pick, refused, same

Change = Callable[[object], object]


def _fact(key: str, value: str | None) -> Change:
    """Set an entry of the metadata, or take it out."""

    def change(network: object) -> None:
        for prop in [*network.metadata_props]:
            if prop.key in (key, 'sha256'):
                network.metadata_props.remove(prop)
        if value is not None:
            network.metadata_props.add(key=key, value=value)

    return change


KEYS = (
    *('modality', 'size', 'colours', 'layout', 'precision', 'model_hash'),
    *('transforms', 'calibration', 'seen', 'mmgl'),
)
DEEP = '[' * 10**5 + ']' * 10**5
RESIZE = '[{"type": "Resize", "scale": [%s, %s]}]'
FACTS: dict[str, tuple[str, str]] = {
    'blue first': ('colours', 'BGR'),
    'channels first': ('layout', 'NCHW float32'),
    'other modality': ('modality', 'infrared'),
    'other size': ('size', '(96, 49)'),
    'size that runs': ('size', "__import__('os').system('touch canary')"),
    'deep size': ('size', DEEP),
    'endless size': ('size', '9' * 10**4),
    'huge pictures': ('transforms', RESIZE % (10**5, 10**5)),
    'endless pictures': ('transforms', RESIZE % (10**12, 10**12)),
    'no pictures': ('transforms', RESIZE % (0, 0)),
    'NaN pictures': ('transforms', RESIZE % ('NaN', 96)),
    'other step': ('transforms', '[{"type": "os.system", "scale": [1, 1]}]'),
    'deep transforms': ('transforms', DEEP),
    'hash of upper case': ('model_hash', 'A' * 64),
    'hash with an end of line': ('model_hash', 'a' * 63 + '\n'),
    'wrong calibration': ('calibration', '{"threshold": "a"}'),
    'deep calibration': ('calibration', DEEP),
    'broken calibration': ('calibration', '{'),
    'deep history': ('seen', DEEP),
}


def _elsewhere(place: str) -> Change:
    """Say that the first tensor lies in another file."""

    def change(network: object) -> None:
        tensor = network.graph.initializer[0]
        tensor.ClearField('raw_data')
        tensor.data_location = 1
        tensor.external_data.add(key='location', value=place)

    return change


def _node(kind: str, *inputs: str, domain: str = '', **how: object) -> Change:
    """Put an operator before the end."""

    def change(network: object) -> None:
        from onnx.helper import make_node, make_opsetid

        graph = network.graph
        graph.node[-1].output[0] = 'last'
        graph.node.append(
            make_node(
                kind, [*inputs], ['features'], 'new', domain=domain, **how
            )
        )
        if domain:
            network.opset_import.append(make_opsetid(domain, 1))

    return change


def _number(network: object, name: str, values: list[int]) -> None:
    from onnx.helper import make_tensor

    shape = [len(values)] if name == 'shape' else []
    network.graph.initializer.append(make_tensor(name, 7, shape, values))


def _endless(network: object) -> None:
    """Loop 2 ** 62 times over nothing."""
    from onnx import helper

    def info(name: str, kind: int, shape: list) -> object:
        return helper.make_tensor_value_info(name, kind, shape)

    body = helper.make_graph(
        [
            helper.make_node('Identity', ['on'], ['still']),
            helper.make_node('Identity', ['x'], ['y']),
        ],
        'body',
        [info('i', 7, []), info('on', 9, []), info('x', 1, ['n', 'd'])],
        [info('still', 9, []), info('y', 1, ['n', 'd'])],
    )
    _number(network, 'times', [2**62])
    _node('Loop', 'times', '', 'last', body=body)(network)


def _shaped(kind: str, *values: int) -> Change:
    """Give the features another shape, which may fit into no memory."""

    def change(network: object) -> None:
        _number(network, 'shape', list(values))
        _node(kind, 'last', 'shape')(network)

    return change


def _function(network: object) -> None:
    from onnx import helper

    network.functions.append(
        helper.make_function(
            'evil',
            'F',
            ['x'],
            ['y'],
            [helper.make_node('Identity', ['x'], ['y'])],
            [helper.make_opsetid('', 17)],
        )
    )
    _node('F', 'last', domain='evil')(network)


def _renamed(network: object) -> None:
    network.graph.node[0].op_type = 'Gone'


def _dims(*dims: int) -> Change:
    def change(network: object) -> None:
        tensor = network.graph.initializer[0]
        del tensor.dims[:]
        tensor.dims.extend(dims)

    return change


def _input(at: int, value: int) -> Change:
    def change(network: object) -> None:
        shape = network.graph.input[0].type.tensor_type.shape
        shape.dim[at].dim_value = value

    return change


def _kind(network: object) -> None:
    network.graph.input[0].type.tensor_type.elem_type = 1


GRAPHS: dict[str, Change] = {
    'tensor of /etc/passwd': _elsewhere('/etc/passwd'),
    'tensor outside': _elsewhere('../secret'),
    'tensor beside': _elsewhere('secret'),
    'tensor of a device': _elsewhere('/dev/zero'),
    'foreign operator': _node('System', 'last', domain='evil'),
    'operator of Microsoft': _node('Gelu', 'last', domain='com.microsoft'),
    'function': _function,
    'unknown operator': _renamed,
    'endless loop': _endless,
    'huge tile': _shaped('Tile', 2**31, 2**31),
    'huge expansion': _shaped('Expand', 2**31, 2**31, 1, 1),
    'huge reshape': _shaped('Reshape', 2**40, -1),
    'flat features': _shaped('Reshape', -1),
    'deep features': _shaped('Reshape', 0, -1, 1),
    'whole numbers': _node('Cast', 'last', to=7),
    'text': _node('Cast', 'last', to=8),
    'NaN': _node('Log', 'last'),
    'zeros': _node('Sub', 'last', 'last'),
    'huge tensor': _dims(2**40, 2**20),
    'negative tensor': _dims(-8, 3, 3, 3),
    'batch of two': _input(0, 2),
    'one channel': _input(3, 1),
    'pictures of floats': _kind,
    'no graph': lambda network: network.ClearField('graph'),
    'no metadata': lambda network: network.ClearField('metadata_props'),
    'version of tomorrow': lambda n: setattr(n, 'ir_version', 10**6),
    'no operators of ONNX': lambda n: n.ClearField('opset_import'),
}
BYTES: dict[str, Callable[[bytes], bytes]] = {
    'empty': lambda data: b'',
    'text': lambda data: b'no network',
    'endless number': lambda data: b'\xff' * 99,
    'behind the end': lambda data: b'\x3a\xff\xff\xff\x7f' + data,
    'number for a graph': lambda data: data + b'\x38\x01',
    'deep groups': lambda data: b'\x3b' * 10**5,
    'pickle': lambda data: b'cos\nsystem\n(S"touch canary"\ntR.',
}
FIXED = [
    *(('graph', kind) for kind in GRAPHS),
    *(('fact', kind) for kind in FACTS),
    *(('bytes', kind) for kind in BYTES),
    *(('without', key) for key in KEYS),
    *((key, value) for key in KEYS for value in KINDS),
]
# Of these, and of no calibration, nothing is read.
FREE = 'mmgl', 'precision', 'calibration', 'seen'


def _write(path: Path, data: bytes, sealed: bool = True) -> None:
    """Write a file, sealed as its author would."""
    from mmgl.apis.inference.seal import _seal_of

    path.write_bytes(data + _seal_of(data) if sealed else data)


def _changed(path: Path, change: Change) -> None:
    import onnx

    network = onnx.load(path)
    _fact('sha256', None)(network)
    change(network)
    _write(path, network.SerializeToString())


if find_spec('onnx') and find_spec('onnxruntime'):

    @attack('exported network', short=24, long=len(FIXED) + 80, seconds=60)
    def exported(
        base: Path, folder: Path, number: int, rng: np.random.Generator
    ) -> Try:
        """Fixed lies first, then bytes of either file damaged."""
        copy = folder / 'exported'
        shutil.copytree(base / 'exported', copy)
        for secret in (copy / 'secret', folder / 'secret'):
            secret.write_bytes(bytes(2**20))
        path = copy / 'visible.onnx'
        run, fine = features(base, copy), refused
        if number >= len(FIXED):
            path = copy / str(pick(['visible.onnx', 'infrared.onnx'], rng))
            kind, data = damaged(path.read_bytes(), rng)
            # Whoever seals it says that it is right.
            sealed = bool(rng.random() < 0.5)
            _write(path, data, sealed)
            whole = same(features(base, base / 'exported')())
            fine = anything if sealed else whole
            return Try(f'{path.name}, {kind}, {sealed=}', run, fine)
        # Steps that share no factor with their number visit all.
        place, kind = FIXED[number * 101 % len(FIXED)]
        if place == 'graph':
            _changed(path, GRAPHS[kind])
        elif place == 'fact':
            _changed(path, _fact(*FACTS[kind]))
        elif place == 'bytes':
            _write(path, BYTES[kind](path.read_bytes()))
        elif place == 'without':
            _changed(path, _fact(kind, None))
            fine = anything if kind in FREE else refused
        else:
            _changed(path, _fact(place, str(kind)))
            fine = anything if place in FREE else refused
        return Try(f'{place}, {kind!r}'[:80], run, fine)
