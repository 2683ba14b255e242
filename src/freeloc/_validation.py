"""Check the values of parameters against their type annotations.

Every dataclass of options calls `check_fields` in ``__post_init__``, and every public function that takes such
values is decorated with `check_arguments`. The Python API and the command line therefore accept the same values,
and a wrong one is refused where it is set, before any work is done. Limits are part of the annotation::

    epochs: Annotated[int, Meta(ge=1)]
"""

from __future__ import annotations

import difflib
import functools
import inspect
import math
import operator
import os
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from numbers import Integral, Real
from pathlib import Path
from typing import Annotated, Any, Final, Literal, ParamSpec, TypeAlias, TypeVar, Union, get_args, get_origin

from msgspec import Meta

from freeloc.errors import ConfigurationError, check_choice, check_seed

__all__ = [
    "Count",
    "CountOrZero",
    "Fraction",
    "Name",
    "NonNegative",
    "Positive",
    "Seed",
    "check_arguments",
    "check_fields",
    "check_keywords",
    "check_value",
    "describe_value",
]

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

Count: TypeAlias = Annotated[int, Meta(ge=1, le=10**9)]
"""A number of things, at least one; the upper limit lets it be stored and multiplied."""
CountOrZero: TypeAlias = Annotated[int, Meta(ge=0, le=10**9)]
Seed: TypeAlias = Annotated[int, check_seed]
"""A random seed that every generator accepts and every file can store."""
Positive: TypeAlias = Annotated[float, Meta(gt=0)]
NonNegative: TypeAlias = Annotated[float, Meta(ge=0)]
Fraction: TypeAlias = Annotated[float, Meta(ge=0, le=1)]
Name: TypeAlias = Annotated[str, Meta(min_length=1, max_length=1000)]
"""A name that is stored in model files."""

_LIMITS: Final[tuple[tuple[str, Callable[[Any, Any], bool], str], ...]] = (
    ("ge", operator.ge, "at least"),
    ("gt", operator.gt, "greater than"),
    ("le", operator.le, "at most"),
    ("lt", operator.lt, "less than"),
    ("min_length", operator.ge, "at least"),
    ("max_length", operator.le, "at most"),
)
"""The limits of an annotation: the field of `Meta`, the comparison, and its description."""

_MAX_SHOWN = 80
"""Maximum length of a value in a message."""


class _WrongTypeError(Exception):
    """A value does not have the annotated type; the argument describes the values that are accepted."""


def check_fields(options: Any, names: Mapping[str, str] | None = None) -> None:
    """Check all fields of a frozen dataclass against their annotations, and convert them to these types.

    A list becomes a tuple, a whole number a float where the field is a float, and NumPy's numbers those of Python.

    Args:
        options: the instance, in ``__post_init__``.
        names: names of parameters, for messages, where they differ from those of the fields.

    Raises:
        ConfigurationError: a field has the wrong type or is out of range.
    """
    hints = _hints(type(options))
    for field in fields(options):
        value = getattr(options, field.name)
        checked = check_value((names or {}).get(field.name, field.name), value, hints[field.name])
        if checked is not value:
            object.__setattr__(options, field.name, checked)


def check_arguments(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Decorate a function so that its arguments are checked against their annotations before it is called.

    A keyword that it does not take raises a `ConfigurationError` that names the nearest one; see `check_keywords`.
    """
    signature = inspect.signature(function)
    kinds = {name: parameter.kind for name, parameter in signature.parameters.items()}
    takes_any = inspect.Parameter.VAR_KEYWORD in kinds.values()
    owner = getattr(function, "__name__", "the function")

    @functools.wraps(function)
    def checked(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        if not takes_any:
            check_keywords(owner, kwargs, (name for name in kinds if name != "self"))
        bound = signature.bind(*args, **kwargs)
        hints = _hints(function)
        for name, value in bound.arguments.items():
            if name in hints and signature.parameters[name].kind is not inspect.Parameter.VAR_KEYWORD:
                bound.arguments[name] = check_value(name, value, hints[name])
        return function(*bound.args, **bound.kwargs)

    return checked


def check_value(name: str, value: Any, hint: Any) -> Any:
    """Check one value against an annotation.

    Args:
        name: name of the parameter.
        value: its value.
        hint: the annotation, evaluated.

    Returns:
        The value, converted to the annotated type.

    Raises:
        ConfigurationError: the value has the wrong type or is out of range.
    """
    try:
        return _convert(name, value, hint)
    except _WrongTypeError as error:
        raise _refused(name, value, f"it must be {error}") from None


def check_keywords(owner: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Check the names of keyword arguments that are passed on.

    Args:
        owner: what the arguments belong to, such as "a recipe".
        given: the names.
        known: the names that exist.

    Raises:
        ConfigurationError: a name does not exist.
    """
    names = list(known)
    for name in given:
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"choose among {', '.join(names)}"
            raise ConfigurationError(f"{owner} has no option called {name!r}: {hint}", parameter=name)


def describe_value(value: object) -> str:
    """Return a short description of a value, for messages: plain values themselves, others by their type."""
    if value is None or isinstance(value, str | bytes | bool | int | float | tuple | list):
        text = repr(value)
        return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"
    if isinstance(value, type):
        return f"the class {value.__name__}"
    return f"of type {type(value).__name__}"


def _refused(name: str, value: object, rule: str) -> ConfigurationError:
    return ConfigurationError(f"{name} is {describe_value(value)}: {rule}", parameter=name)


_HINTS: dict[Any, dict[str, Any]] = {}
"""Evaluated annotations of classes and functions."""


def _hints(owner: Any) -> dict[str, Any]:
    if owner not in _HINTS:
        annotated, names = owner, None
        if not isinstance(owner, type):
            # The type of the result is left out, because it may be imported for type checkers alone.
            kept = {name: hint for name, hint in owner.__annotations__.items() if name != "return"}
            annotated, names = types.SimpleNamespace(__annotations__=kept), owner.__globals__
        _HINTS[owner] = typing.get_type_hints(annotated, names, include_extras=True)
    return _HINTS[owner]


def _convert(name: str, value: Any, hint: Any) -> Any:
    origin = get_origin(hint)
    if hint is Any or isinstance(hint, TypeVar):
        return value
    if origin is Annotated:
        base, *extras = get_args(hint)
        return _check_limits(name, _convert_limited(name, value, base, extras), extras)
    if origin in (Union, types.UnionType):
        return _convert_union(name, value, get_args(hint))
    if origin is Literal:
        check_choice(name, value, hint)
        return value
    if hint in _SIMPLE:
        return _SIMPLE[hint](value)
    if hint in (Path, os.PathLike) or origin is os.PathLike:
        return Path(_path(value)) if hint is Path else _path(value)
    if origin in (tuple, Sequence, list):
        return _convert_sequence(name, value, hint)
    if origin is Callable or origin is Iterable:
        return value if callable(value) or origin is Iterable else _fail("a function")
    kind = origin or hint
    return value if isinstance(value, kind) else _fail(_describe(hint))


def _fail(expected: str) -> Any:
    raise _WrongTypeError(expected)


def _convert_limited(name: str, value: Any, base: Any, extras: Sequence[Any]) -> Any:
    try:
        return _convert(name, value, base)
    except _WrongTypeError as error:
        for meta in extras:
            for rule, _, text in _LIMITS[:2]:
                if getattr(meta, rule, None) is not None:
                    raise _WrongTypeError(f"{error}, {text} {getattr(meta, rule):,}") from None
        raise


def _check_limits(name: str, value: Any, extras: Sequence[Any]) -> Any:
    for extra in extras:
        if callable(extra):
            extra(value)
        for rule, is_kept, text in _LIMITS:
            limit = getattr(extra, rule, None)
            if limit is None:
                continue
            if rule.endswith("_length"):
                if not is_kept(len(value), limit):
                    rule_text = "not be empty" if limit == 1 else f"be {text} {limit:,} long"
                    raise _refused(name, value, f"it must {rule_text}")
            elif not is_kept(value, limit):
                raise _refused(name, value, f"it must be {text} {limit:,}")
    return value


def _convert_union(name: str, value: Any, options: tuple[Any, ...]) -> Any:
    if value is None and type(None) in options:
        return None
    others = [option for option in options if option is not type(None)]
    paths = [option for option in others if os.PathLike in (option, get_origin(option)) or option is Path]
    if paths and str in others:  # either form of a path is kept as it is
        others = [os.PathLike, *(option for option in others if option is not str and option not in paths)]
    expected = []
    for option in others:
        try:
            return _convert(name, value, option)
        except _WrongTypeError as error:
            expected.append(str(error))
    if type(None) in options:
        expected.append("None")
    joint = ", or " if any("," in text for text in expected) else " or "
    return _fail(joint.join(dict.fromkeys(expected)))


def _convert_sequence(name: str, value: Any, hint: Any) -> Sequence[Any]:
    inner = get_args(hint)
    if getattr(value, "ndim", None) == 1 and hasattr(value, "tolist"):  # an array
        value = value.tolist()
    if isinstance(value, str | bytes | bytearray) or not isinstance(value, Sequence):
        return _fail(_describe(hint))  # type: ignore[no-any-return]
    kinds = inner if get_origin(hint) is tuple and inner[-1:] != (...,) else (inner[0],) * len(value)
    if len(kinds) != len(value):
        return _fail(_describe(hint))  # type: ignore[no-any-return]
    try:
        converted = tuple(_convert(name, item, kind) for item, kind in zip(value, kinds, strict=True))
    except _WrongTypeError:
        return _fail(_describe(hint))  # type: ignore[no-any-return]
    except ConfigurationError as error:
        raise ConfigurationError(
            str(error).replace(f"{name} is ", f"{name} contains ", 1), parameter=name
        ) from None
    if type(value) in (tuple, list) and all(map(operator.is_, converted, value)):
        return value if get_origin(hint) is list or isinstance(value, tuple) else converted
    return list(converted) if get_origin(hint) is list else converted


def _bool(value: Any) -> bool:
    kind = getattr(getattr(value, "dtype", None), "kind", "")  # NumPy's truth values
    if isinstance(value, bool) or (kind == "b" and getattr(value, "ndim", 1) == 0):
        return value if isinstance(value, bool) else bool(value)
    raise _WrongTypeError("True or False")


def _int(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise _WrongTypeError("a whole number")
    return int(value)


def _float(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise _WrongTypeError("a finite number")
    try:
        number = float(value)  # a float itself stays the same object
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise _WrongTypeError("a finite number")
    return number


def _str(value: Any) -> str:
    if isinstance(value, str):
        return value if type(value) is str else str.__str__(value)
    raise _WrongTypeError("a string")


def _path(value: Any) -> Any:
    """Return the value unchanged if it is a path: a string or an object that stands for one."""
    text = os.fspath(value) if isinstance(value, str | os.PathLike) else None
    if not isinstance(text, str):
        raise _WrongTypeError("a path")
    if "\0" in text:
        raise _WrongTypeError("a path, without null characters")
    return value


def _anything(value: Any) -> Any:
    return value


_SIMPLE: dict[Any, Callable[[Any], Any]] = {
    bool: _bool,
    int: _int,
    float: _float,
    str: _str,
    object: _anything,
    type(None): lambda value: value if value is None else _fail("None"),
}

_NOUNS: dict[Any, tuple[str, str]] = {
    int: ("a whole number", "whole numbers"),
    float: ("a finite number", "finite numbers"),
    str: ("a string", "strings"),
    Path: ("a path", "paths"),
}


def _describe(hint: Any) -> str:
    """Return a noun phrase for the values of an annotation."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _describe(inner[0])
    if origin in (tuple, Sequence, list):
        kind = inner[0] if inner else object
        while get_origin(kind) is Annotated:
            kind = get_args(kind)[0]
        if get_origin(kind) in (Union, types.UnionType):
            kind = Path
        plural = _NOUNS[kind][1] if kind in _NOUNS else f"values of type {getattr(kind, '__name__', kind)}"
        count = "" if origin is not tuple or inner[-1:] == (...,) else f"{len(inner)} "
        return f"a {'tuple' if origin is tuple else 'list'} of {count}{plural}"
    if hint in _NOUNS:
        return _NOUNS[hint][0]
    name = getattr(origin or hint, "__name__", str(hint))
    return f"{'an' if name[:1] in 'AEIOUaeiou' else 'a'} {name}"
