"""Decode JSON from files that may be damaged or malicious, and check it against types and limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

import msgspec

from freeloc.io.json_messages import in_plain_words

__all__ = ["check_depth", "convert_json", "decode_json", "reject_unknown_fields"]

_MAX_BYTES = 16 * 2**20

_MAX_MESSAGE = 300

Value = TypeVar("Value")


def decode_json(text: str, *, max_bytes: int = _MAX_BYTES) -> Any:
    """Decode JSON text; NaN and infinities are rejected, as the JSON standard requires.

    Args:
        text: the text.
        max_bytes: maximum length of the text when encoded as UTF-8.

    Raises:
        ValueError: the text is not valid JSON, is too long, or is nested too deeply. The message is a single line.
    """
    try:
        data = text.encode()
        if len(data) > max_bytes:
            size, limit = len(data) / 1e6, max_bytes / 1e6
            raise ValueError(f"the JSON is {size:.1f} MB, more than the limit of {limit:.1f} MB")
        return msgspec.json.decode(data)
    except msgspec.MsgspecError as error:
        raise ValueError(_describe(error)) from error
    except RecursionError as error:
        raise ValueError("the JSON is nested too deeply") from error


def check_depth(values: Any, limit: int) -> None:
    """Check that JSON values are not nested more deeply than code that processes them recursively can handle.

    Args:
        values: the JSON values.
        limit: maximum number of arrays and objects that contain each other.

    Raises:
        ValueError: the values are nested too deeply.
    """
    level = [values]
    for _ in range(limit + 1):
        containers = [value for value in level if isinstance(value, Mapping | list | tuple)]
        if not containers:
            return
        level = [
            inner
            for container in containers
            for inner in (container.values() if isinstance(container, Mapping) else container)
        ]
    raise ValueError("the JSON is nested too deeply")


def convert_json(values: Any, type_: type[Value]) -> Value:
    """Convert decoded JSON to a dataclass or a ``msgspec.Struct``, checking the type of every field.

    Fields that the class does not have are ignored. Types may be annotated with ``msgspec.Meta`` to limit values
    and lengths. A ``ValueError`` raised by ``__post_init__`` is reported in the same way as a wrong type.

    Args:
        values: decoded JSON, from `decode_json`.
        type_: the class.

    Raises:
        ValueError: a value has the wrong type or exceeds a limit. The message is one line that names the field.
    """
    try:
        return msgspec.convert(values, type_)
    except msgspec.MsgspecError as error:
        raise ValueError(_describe(error)) from error


def reject_unknown_fields(name: str, values: Any, type_: type[Any]) -> None:
    """Raise an error if a JSON object has fields that a dataclass does not have.

    Args:
        name: name of the object, for the message.
        values: decoded JSON; values that are not objects pass this check, because `convert_json` rejects them.
        type_: the dataclass.

    Raises:
        ValueError: the object has an unknown field.
    """
    if isinstance(values, Mapping):
        unknown = sorted(values.keys() - {field.name for field in fields(type_)})
        if unknown:
            raise ValueError(_shorten(f"{name} has the unknown field {unknown[0]!r}"))


def _describe(error: Exception) -> str:
    reason, _, path = " ".join(str(error).split()).partition(" - at `$")
    path = path.removesuffix("`").removeprefix(".")
    reason = in_plain_words(reason)
    return _shorten(f"{path}: {reason}" if path else reason)


def _shorten(message: str) -> str:
    return message if len(message) <= _MAX_MESSAGE else f"{message[:_MAX_MESSAGE]}…"
