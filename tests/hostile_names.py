"""Names that would control a terminal, or pose as something else, if they were printed as they are."""

from __future__ import annotations

__all__ = ["HOSTILE", "is_safe"]

HOSTILE = {
    "color": "dog\x1b[31m",
    "title": "dog\x1b]0;owned\x07",
    "link": "dog\x1b]8;;mailto:evil\x1b\\click\x1b]8;;\x1b\\",
    "C1": "dog\x9b31mred",
    "next line": "dog\x85cat",
    "line break": "dog\nfreeloc: all is well",
    "carriage return": "dog\rcat",
    "line separator": "dog\u2028cat",
    "override": "dog\u202egpj.exe",
    "isolate": "dog\u2066cat\u2069",
    "mark": "dog\u200f",
    "zero width": "d\u200bog\ufeff",
    "joiner": "d\u200dog",
    "filler": "dog\u3164",
    "tag": "dog\U000e0041",
    "backspace": "dog\b\b\bcat",
    "bell": "dog\x07",
    "delete": "dog\x7f",
    "surrogate": "dog\udce9",
}


def is_safe(printed: str) -> bool:
    """Whether no character of a page controls the terminal or hides itself; lines may end, columns be separated."""
    return (
        all(
            char.isprintable() or char in "\n\t" or _joins(printed, index)
            for index, char in enumerate(printed)
        )
        and "\u3164" not in printed
    )


def _joins(printed: str, index: int) -> bool:
    """Whether a character is a joiner between letters or emoji of scripts that have joiners, which begin at U+0600."""
    around = printed[max(index - 1, 0) : index], printed[index + 1 : index + 2]
    return printed[index] in "\u200c\u200d" and all(
        char >= "\u0600" and char.isprintable() for char in around
    )
