"""Configs that come out of weight files: data, never code."""

import ast
from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.config import Config
from mmengine.registry import Registry

from mmgl.registry import MODELS, TRANSFORMS
from mmgl.utils.compat import registry_scope
from mmgl.utils.errors import ConfigError, understood

# What files may name beside parts of this package: those of its configs, and
# layers. Others import or download what their arguments name.
_FOREIGN = {
    *('Resize', 'Pad', 'CenterCrop', 'Normalize'),
    *('BYOL', 'BarlowTwins', 'SimCLR', 'SimSiam', 'SwAV'),
    *('CosineSimilarityLoss', 'CrossCorrelationLoss', 'CrossEntropyLoss'),
    *('LatentPredictHead', 'NonLinearNeck', 'SwAVHead', 'SwAVNeck'),
}
_LAYERS = ('torch.nn.', 'mmcv.cnn.', 'mmengine.utils.dl_utils.')
# Networks that AnyBackbone takes, and what would load weights past it.
_NETWORKS = {
    *('ConvNeXt', 'EfficientNet', 'MobileNetV2', 'MobileNetV3', 'RegNet'),
    *('ResNeXt', 'ResNet', 'SEResNet', 'SEResNeXt', 'ShuffleNetV2'),
    *('SwinTransformer', 'SwinTransformerV2', 'TIMMBackbone'),
    'VisionTransformer',
}
_LOADING = ('checkpoint_path', 'pretrained', 'pretrained_cfg')
# More of anything in a model takes all memory, or for ever.
_MOST = 2**20


def parse_config(text: str, source: str) -> Config:
    """Read the text of a config as a checkpoint's ``meta`` holds it.

    It is Python as mmengine prints it: assignments of literals and
    ``dict(...)``. Nothing else is understood, and nothing is executed.

    Raises:
        ConfigError: If there is anything else in it.
    """
    try:
        body = ast.parse(text).body
        values = {
            statement.targets[0].id: _value(statement.value)  # type: ignore
            for statement in body
        }
    except (
        SyntaxError,
        AttributeError,
        TypeError,
        ValueError,
        RecursionError,
        MemoryError,
    ) as error:
        raise ConfigError(
            f'{source} holds a config that is more than settings ({error}); '
            'give the config of the model'
        ) from None
    with understood(source):
        return Config(values)


def _value(node: ast.expr) -> Any:
    if isinstance(node, ast.Call):
        if not isinstance(node.func, ast.Name) or node.func.id != 'dict':
            raise ValueError(f'a call in line {node.lineno}')
        # dict(a=1), or dict({'a.b': 1}) where a key is no identifier.
        given = _value(node.args[0]) if len(node.args) == 1 else {}
        named = {pair.arg: _value(pair.value) for pair in node.keywords}
        if len(node.args) > 1 or None in named:
            raise ValueError(f'an unknown dict in line {node.lineno}')
        return {**given, **named}
    if isinstance(node, ast.Dict):
        return {
            ast.literal_eval(key) if key else None: _value(value)
            for key, value in zip(node.keys, node.values, strict=True)
        }
    if isinstance(node, ast.List):
        return [_value(item) for item in node.elts]
    if isinstance(node, ast.Tuple):
        return tuple(_value(item) for item in node.elts)
    return ast.literal_eval(node)


def check_types(settings: Any, source: str, most: int = _MOST) -> None:
    """Refuse types that are no models, parts of one or transforms.

    mmengine imports whatever else a ``type`` names, and calls it. Numbers
    larger than ``most`` are refused, too.

    Raises:
        ConfigError: If there is one.
    """
    with registry_scope(), understood(source):
        for key, value in _leaves(settings):
            # A scope is a package, which would be imported too.
            named = key in ('type', '_scope_')
            if named and not (isinstance(value, str) and _known(value)):
                raise ConfigError(
                    f'{source}: type {value!r:.80} is no model, no part of '
                    'one and no transform that files may name'
                )
            # timm fetches names with a colon from elsewhere.
            elsewhere = key == 'model_name' and ':' in str(value)
            if (key in _LOADING and value) or elsewhere:
                raise ConfigError(
                    f'{source}: {key}={value!r:.80} would load weights from '
                    'elsewhere'
                )
            number = isinstance(value, int | float)
            if number and not -most <= value <= most:
                raise ConfigError(
                    f'{source}: {key} has the number {value:.3g}, which is '
                    'beyond any model or image'
                )


def _leaves(node: Any, key: Any = '') -> Iterator[tuple[Any, Any]]:
    """Walk over nested settings: what is in them, and under which key."""
    if isinstance(node, Mapping):
        for name, value in node.items():
            if name in ('type', '_scope_'):
                yield name, value
            else:
                yield from _leaves(value, name)
    elif isinstance(node, list | tuple):
        for value in node:
            yield from _leaves(value, key)
    else:
        yield key, node


def _known(name: str) -> bool:
    """Look a name up in the registries, which then import nothing for it."""
    scope, _, short = name.rpartition('.')
    if scope == 'mmpretrain':
        return short in _FOREIGN | _NETWORKS
    if scope not in ('', MODELS.scope):
        return False
    registries: list[Registry] = [MODELS, TRANSFORMS]
    for registry in registries:
        registry.import_from_location()
        if short in registry.module_dict:
            return True
    parts = [registry.parent.module_dict.get(short) for registry in registries]
    return any(
        part.__module__.startswith(_LAYERS) or short in _FOREIGN
        for part in parts
        if part is not None
    )
