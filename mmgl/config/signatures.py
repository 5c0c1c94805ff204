"""Which arguments a constructor takes, read from its signature."""

import functools
import inspect
import re
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from types import NoneType, UnionType
from typing import Any

from mmengine.hooks import CheckpointHook
from torch import Tensor, nn

# A constructor that hands its **kwargs to one of these takes nothing more.
_CLOSED = (object, nn.Module)
# They take **kwargs to refuse them: CheckpointHook when it first saves.
_REFUSING = (nn.Module, CheckpointHook)
# Its **kwargs go to timm, past its bases.
_OPEN = 'TIMMBackbone'


@dataclass
class Signature:
    """Arguments of a component, with annotations where they are readable.

    Open are those that accept, and somehow use, further names.
    """

    parameters: dict[str, inspect.Parameter] = field(default_factory=dict)
    is_open: bool = False
    hints: dict[str, Any] = field(default_factory=dict)


@functools.cache
def read_signature(component: Callable[..., Any]) -> Signature:
    """Read which arguments a class, with its bases, or a function takes.

    What is unreadable (built-in types) is open.
    """
    if isinstance(component, functools.partial):
        # mmpretrain's wrapper of torchvision's transforms.
        component = component.keywords.get('transform', component.func)
    if not inspect.isclass(component):
        return _read([component])
    constructors = []
    for cls in component.__mro__:
        if cls in _CLOSED:
            break
        if '__init__' in vars(cls):
            constructors.append(vars(cls)['__init__'])
    result = _read(constructors)
    result.is_open &= not issubclass(component, _REFUSING)
    result.is_open |= component.__name__ == _OPEN
    return result


def _read(functions: list[Callable[..., Any]]) -> Signature:
    """Collect parameters, function after function while **kwargs go on."""
    result = Signature()
    for function in functions:
        try:
            parameters = inspect.signature(function).parameters.values()
        except (TypeError, ValueError):
            result.is_open = True
            return result
        result.is_open = False
        result.hints = _hints(function) | result.hints
        for parameter in parameters:
            if parameter.kind is inspect.Parameter.VAR_KEYWORD:
                result.is_open = True
            elif parameter.kind is not inspect.Parameter.VAR_POSITIONAL:
                result.parameters.setdefault(parameter.name, parameter)
        if not result.is_open:
            break
    result.parameters.pop('self', None)
    return result


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    """Resolve annotations; none if some exist for type checkers only."""
    try:
        return typing.get_type_hints(function)
    except Exception:
        return {}


def expected_kind(signature: Signature, name: str, value: Any) -> str | None:
    """Say what an argument should be; None if the value is fine."""
    hint = signature.hints.get(name, Any)
    default = signature.parameters[name].default
    if fits(value, hint) or (value is None and default is None):
        return None
    # A default of another kind shows that the annotation is loose.
    empty = default is inspect.Parameter.empty
    if type(value) is type(default) and not empty and not fits(default, hint):
        return None
    return describe(hint)


def describe(hint: Any) -> str:
    """Name the kind that an annotation stands for."""
    options, origin = typing.get_args(hint), typing.get_origin(hint)
    if origin in (typing.Union, UnionType, typing.Literal):
        *words, last = (
            repr(o) if origin is typing.Literal else describe(o)
            for o in options
            if o is not NoneType
        )
        return f'{", ".join(words)} or {last}' if words else last
    if origin in (dict, Mapping) or typing.is_typeddict(hint):
        return 'a dict'
    if origin is list and Any in options:
        return 'a list'
    if options or not inspect.isclass(hint):
        return re.sub(r'[a-z_]+\.(?=[A-Za-z])', '', str(hint))
    return hint.__name__


def fits(value: Any, hint: Any) -> bool:
    """Tell whether a value of a config is what an annotation asks for.

    Lists and tuples are alike; a dict is also a component to build, a text
    also the name of one.
    """
    kind, options = typing.get_origin(hint) or hint, typing.get_args(hint)
    if kind is Any:
        return True
    if kind in (typing.Union, UnionType):
        return any(fits(value, option) for option in options)
    if kind is typing.Literal:
        return any(value == o and type(value) is type(o) for o in options)
    if kind in (None, NoneType):
        return value is None
    if kind in (bool, int, float, str, Tensor):
        return _fits_scalar(value, kind)
    if not inspect.isclass(kind):
        return True
    container = issubclass(kind, Iterable)
    if isinstance(value, list | tuple):
        return not container or _fits_list(value, kind, options)
    if isinstance(value, dict):
        if not issubclass(dict, kind) or len(options) != 2:
            return not issubclass(kind, Sequence | Set)
        return all(
            fits(key, options[0]) and fits(item, options[1])
            for key, item in value.items()
        )
    plain = isinstance(value, bool | int | float | str | NoneType)
    return not (plain and (container or value is None))


def _fits_scalar(value: Any, kind: type) -> bool:
    """Whole numbers are floats too, and tensors may be numbers."""
    if isinstance(value, bool) or kind is bool:
        return isinstance(value, bool) and kind is bool
    if kind is str:
        return isinstance(value, str)
    if kind is int:
        # 1e3 in a config is a float; that is what the author meant.
        whole = isinstance(value, float) and value.is_integer()
        return whole or isinstance(value, int)
    numbers = list if kind is Tensor else Tensor
    return isinstance(value, int | float | numbers)


def _fits_list(value: Any, kind: type, options: tuple[Any, ...]) -> bool:
    """Check length and elements of a list or tuple."""
    if issubclass(kind, dict):
        return False
    if kind is tuple and options and options[-1] is not Ellipsis:
        return len(value) == len(options) and all(map(fits, value, options))
    return not options or all(fits(item, options[0]) for item in value)
