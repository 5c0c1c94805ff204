"""Which arguments a constructor takes, read from its signature."""

import inspect
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from torch import nn

# A constructor that hands its **kwargs to one of these takes nothing more.
_CLOSED = (object, nn.Module)
_SCALARS = (bool, int, float, str)


@dataclass
class Signature:
    """Arguments of a component, with annotations where they are readable.

    Open are those that accept, and somehow use, further names.
    """

    parameters: dict[str, inspect.Parameter] = field(default_factory=dict)
    is_open: bool = False
    hints: dict[str, Any] = field(default_factory=dict)


def read_signature(component: Callable[..., Any]) -> Signature:
    """Read which arguments a class, with its bases, or a function takes.

    What is unreadable (built-in types) is open.
    """
    if not inspect.isclass(component):
        return _read([component])
    constructors = []
    for cls in component.__mro__:
        if cls in _CLOSED:
            break
        if '__init__' in vars(cls):
            constructors.append(vars(cls)['__init__'])
    else:
        cls = object
    result = _read(constructors)
    # nn.Module takes **kwargs only to refuse them.
    result.is_open &= cls is not nn.Module
    return result


def _read(functions: list[Callable[..., Any]]) -> Signature:
    """Collect parameters, function after function while **kwargs go on."""
    result = Signature(is_open=True)
    for function in functions:
        try:
            parameters = inspect.signature(function).parameters.values()
        except (TypeError, ValueError):
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


def expected_scalar(signature: Signature, name: str, value: Any) -> str | None:
    """Say what an argument should be; None if the value is fine.

    Only annotations made of bool, int, float, str and None are checked:
    others are often loose.
    """
    hint = signature.hints.get(name, Any)
    union = typing.get_origin(hint) in (typing.Union, types.UnionType)
    options = typing.get_args(hint) if union else (hint,)
    if not all(o in _SCALARS or o in (None, type(None)) for o in options):
        return None
    default = signature.parameters[name].default
    if value is None and (type(None) in options or default is None):
        return None
    if any(_fits(value, option) for option in options):
        return None
    # A default of another kind shows that the annotation is loose.
    loose = default is not inspect.Parameter.empty and not any(
        _fits(default, option) for option in options
    )
    if loose and type(value) is type(default):
        return None
    return ' or '.join(o.__name__ for o in options if o is not type(None))


def _fits(value: Any, kind: type) -> bool:
    """Tell whether a value is of a kind; whole numbers are floats too."""
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind is int:
        # 1e3 in a config is a float; that is what the author meant.
        whole = isinstance(value, float) and value.is_integer()
        return whole or (
            isinstance(value, int) and not isinstance(value, bool)
        )
    return isinstance(value, kind)
