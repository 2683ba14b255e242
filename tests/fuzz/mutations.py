"""Changes of bytes, text and JSON values."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

__all__ = [
    "ODD_NUMBERS",
    "ODD_TEXTS",
    "change_bytes",
    "change_json",
    "change_lines",
    "count_changes",
    "odd_value",
    "to_json",
]

ODD_NUMBERS: tuple[Any, ...] = (
    *(0, -1, 1, 2, 3, 7, 255, 256, 65535, 65536, 2**31 - 1, 2**31, 2**32, 2**53 + 1, 2**63, 2**64, 10**30),
    *(-0.0, 0.5, 1.5, -2.5, 1e-320, 1e15, 1e19, 1e300, 1e308, -1e308, -(2**31), -(2**63)),
    *(float("nan"), float("inf"), float("-inf"), True, False),
)

ODD_TEXTS: tuple[str, ...] = (
    *(
        "",
        " ",
        "0",
        "1",
        "-1",
        "1.0",
        "1e5",
        "nan",
        "inf",
        "-inf",
        "None",
        "null",
        "NULL",
        "true",
        "yes",
        "١",
        "½",
    ),
    *(
        ".",
        "..",
        "/",
        "//",
        "../x",
        "/dev/zero",
        "/dev/stdin",
        "~",
        "~/x",
        "~nobody/x",
        "C:\\x",
        "a\\b",
        "a/b/",
    ),
    *(
        "a" * 300,
        "x/" * 2000,
        "%s",
        "{}",
        "{0}",
        "$HOME",
        "*",
        "?",
        "[a]",
        "[",
        "(1,)",
        "{'a'}",
        "['a', 'b']",
    ),
    *("cafe\u0301", "café", "ＤＯＧ", "狗", "🐕‍🦺", "ß", "İ", "\ufb01", "\u0130\u0307", "َ"),
    *("\x00", "a\x00b", "\x1b[31m", "a\nb", "a\r\nb", "\r", "\t", "a,b", "a;b", "a|b", '"', "'", '"a', "''"),
    *(
        "\u200b",
        "\ufeff",
        "d\u200bog",
        "\u202e",
        "\u2028",
        "\x85",
        "\xa0",
        "\u3000",
        "\ud800",
        "\udcff",
        "\uffff",
    ),
    *(
        "\U0010ffff",
        "<b>",
        "&amp;",
        "&x;",
        "]]>",
        "<!--",
        "images",
        "test",
        "train",
        "val",
        "tags",
        "file_name",
    ),
    *("_", "-", "__MACOSX", ".hidden", "Thumbs.db", "a.jpg", "a.JPG", "con", "nul.jpg", "A", "background"),
)


def count_changes(rng: Random, most: int = 8) -> int:
    """Return the number of changes of one case: often none, one or two."""
    count = 0
    while count < most and rng.random() < 0.6:
        count += 1
    return count


# --- JSON --------------------------------------------------------------------------------------------------


def odd_value(rng: Random, like: object = None) -> Any:
    """Return a value that is unlike the usual ones, sometimes close to ``like``."""
    if isinstance(like, int | float) and not isinstance(like, bool) and rng.random() < 0.5:
        close: tuple[Any, ...] = (
            like + 1,
            like - 1,
            -like,
            like + 0.5,
            str(like),
            f" {like} ",
            [like],
            float(like),
        )
        return rng.choice(close)
    if isinstance(like, str) and rng.random() < 0.5:
        close = (
            like + " ",
            like.upper(),
            like + rng.choice(ODD_TEXTS),
            like[:-1],
            [like],
            like[::-1],
            like * 3,
        )
        return rng.choice(close)
    kinds: tuple[Callable[[], Any], ...] = (
        lambda: rng.choice(ODD_NUMBERS),
        lambda: rng.choice(ODD_TEXTS),
        lambda: rng.choice((None, [], {}, [[]], {"": None}, [None], True, False)),
        lambda: [rng.choice(ODD_NUMBERS) for _ in range(rng.randrange(6))],
        lambda: nested(rng.choice((5, 60, 150)), rng.choice(("list", "object"))),
    )
    return rng.choices(kinds, (6, 6, 4, 2, 0.3))[0]()


def nested(depth: int, kind: str) -> Any:
    """Return lists or objects within each other."""
    value: Any = 1
    for _ in range(depth):
        value = [value] if kind == "list" else {"a": value}
    return value


def change_json(rng: Random, value: Any, changes: int) -> Any:
    """Return a changed copy of a JSON value: fields deleted, renamed, swapped, repeated or replaced."""
    value = copy.deepcopy(value)
    for _ in range(changes):
        places = _places(value)
        if not places:
            return odd_value(rng)
        # Half of the changes go to the upper levels, of which there are few places.
        container, key = rng.choice(places[: max(1, len(places) // 8)] if rng.random() < 0.3 else places)
        _change_place(rng, container, key, places)
    return value


def _places(value: Any, most: int = 3000) -> list[tuple[Any, Any]]:
    """Return the places of all values within a JSON value, the outer ones first."""
    found: list[tuple[Any, Any]] = []
    waiting = [value]
    while waiting and len(found) < most:
        container = waiting.pop(0)
        if isinstance(container, dict | list):
            keys = list(container) if isinstance(container, dict) else range(len(container))
            found += [(container, key) for key in keys]
            waiting += [container[key] for key in keys]
    return found


def _change_place(rng: Random, container: Any, key: Any, places: Sequence[tuple[Any, Any]]) -> None:
    action = rng.choice(("odd", "odd", "odd", "delete", "delete", "swap", "copy", "repeat", "rename", "wrap"))
    other, other_key = rng.choice(places)
    if action == "odd":
        container[key] = odd_value(rng, container[key])
    elif action == "delete":
        del container[key]
    elif action == "swap":
        container[key], other[other_key] = copy.deepcopy(other[other_key]), copy.deepcopy(container[key])
    elif action == "copy":
        container[key] = copy.deepcopy(other[other_key])
    elif action == "wrap":
        container[key] = rng.choice(([container[key]], {"value": container[key]}, str(container[key])))
    elif isinstance(container, list):
        container.insert(rng.randrange(len(container) + 1), copy.deepcopy(container[key]))
    elif action == "rename":
        container[rng.choice((rng.choice(ODD_TEXTS), f"{key} ", str(key).upper()))] = container.pop(key)
    else:
        container[rng.choice(ODD_TEXTS)] = copy.deepcopy(container[key])


def to_json(rng: Random, value: Any) -> bytes:
    """Write JSON in one of many styles; lone surrogates and NaN are kept."""
    indent = rng.choice((None, None, 1))
    ascii_only = rng.random() < 0.5
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    if rng.random() < 0.03:
        # What json.dumps does not write: deep nesting, numbers of many digits, repeated keys.
        raw = rng.choice(
            ("[" * 100_000, '{"a":' * 100_000, "9" * 5000, "1e999", '{"a": 1, "a": 2}', "-", "0x1")
        )
        place = rng.randrange(len(text) + 1)
        text = text[:place] + raw + text[place:]
    return text.encode("utf-8", "surrogatepass")


# --- text and bytes ----------------------------------------------------------------------------------------


def change_lines(rng: Random, text: str, changes: int) -> str:
    """Return text with some lines deleted, repeated, swapped or changed."""
    lines = text.split("\n")
    for _ in range(changes):
        place = rng.randrange(len(lines))
        action = rng.choice(
            ("delete", "repeat", "swap", "insert", "replace word", "replace word", "odd", "cut")
        )
        if action == "delete" and len(lines) > 1:
            del lines[place]
        elif action == "repeat":
            lines.insert(rng.randrange(len(lines) + 1), lines[place])
        elif action == "swap":
            other = rng.randrange(len(lines))
            lines[place], lines[other] = lines[other], lines[place]
        elif action == "insert":
            lines.insert(place, rng.choice(ODD_TEXTS))
        elif action == "odd":
            position = rng.randrange(len(lines[place]) + 1)
            lines[place] = lines[place][:position] + rng.choice(ODD_TEXTS) + lines[place][position:]
        elif action == "cut":
            lines[place] = lines[place][: rng.randrange(len(lines[place]) + 1)]
        else:
            words = lines[place].split(" ")
            words[rng.randrange(len(words))] = str(odd_value(rng))
            lines[place] = " ".join(words)
    return "\n".join(lines)


def change_bytes(rng: Random, data: bytes, changes: int) -> bytes:
    """Return bytes with some flipped, inserted, deleted, repeated, moved, cut off or set to extremes."""
    buffer = bytearray(data)
    for _ in range(changes):
        size = len(buffer)
        place = rng.randrange(size + 1)
        # Headers are at the start of most files.
        place = min(place, rng.randrange(1, 200)) if rng.random() < 0.5 else place
        length = min(rng.choice((1, 1, 2, 4, 16, 200)), size - place)
        action = rng.randrange(9)
        if action in {0, 1} and place < size:
            buffer[place] ^= 1 << rng.randrange(8)
        elif action == 2:
            buffer[place : place + length] = rng.randbytes(length)
        elif action == 3:
            buffer[place:place] = rng.randbytes(rng.choice((1, 2, 4, 100)))
        elif action == 4:
            del buffer[place : place + length]
        elif action == 5:
            buffer[place:place] = buffer[place : place + length] * rng.choice((1, 2, 50))
        elif action == 6 and rng.random() < 0.4:
            del buffer[place:]
        elif action == 7:
            width = rng.choice((1, 2, 4, 8))
            number = rng.choice(
                (0, 1, 2 ** (8 * width - 1) - 1, 2 ** (8 * width - 1), 2 ** (8 * width) - 1, size)
            )
            order = rng.choice(("little", "big"))
            number %= 2 ** (8 * width)
            buffer[place : place + width] = number.to_bytes(width, "little" if order == "little" else "big")
        else:
            source = rng.randrange(size + 1)
            buffer[place : place + length] = buffer[source : source + length]
    return bytes(buffer)
