"""Class names: one spelling for names that look alike, and a search for names that may mean the same class."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Sequence

from freeloc._printable import JOINERS, is_needed_joiner

__all__ = ["clean_name", "similar_names"]

_INVISIBLE = re.compile("[\u00ad\u034f\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
"""Characters without a glyph: soft hyphen, zero-width space, marks of direction, word joiner, byte order mark."""

_FIRST_WITH_MARKS = "\u0600"
"""The first character of the scripts in which marks distinguish words; Latin, Greek and Cyrillic come before."""

_IGNORED = re.compile("[\\s_\\-.'’\ufe0f]+")
"""Separators, and the mark that asks for a colored emoji, which a comparison of names leaves out."""

_LOOKALIKES = str.maketrans("аеорсухіјѕԁһαοενι", "aeopcyxijsdhaoevi")
"""Cyrillic and Greek letters that look like Latin ones."""

_MIN_SINGULAR = 3


def clean_name(text: str) -> str:
    r"""Return the spelling of a class name that stands for all spellings that look the same.

    The text is composed (NFC, so that "é" is one character). Any white space, such as a non-breaking space,
    becomes a plain space, and is removed at both ends. Invisible characters, such as zero-width spaces and
    byte order marks, are removed; joiners are kept between characters of scripts that need them.

    Example:
        >>> clean_name("cafe\u0301\u00a0bar\ufeff ") == "caf\xe9 bar"
        True
    """
    if text.isascii() and text.isprintable():
        return text.strip()
    text = _INVISIBLE.sub("", text)
    text = JOINERS.sub(lambda match: match[0] if is_needed_joiner(text, match.start()) else "", text)
    text = "".join(" " if character.isspace() else character for character in text)
    return unicodedata.normalize("NFC", text).strip()


def similar_names(names: Sequence[str]) -> list[tuple[str, ...]]:
    """Return the groups of names that are equal except for case, blanks, accents, look-alike letters or plural.

    Hyphens, underscores, dots and apostrophes count as blanks. The groups, and the names in each of them, are
    in the order of ``names``.

    Example:
        >>> similar_names(["dog", "hot dog", "cat", "Hot-Dogs", "dogs"])
        [('dog', 'dogs'), ('hot dog', 'Hot-Dogs')]
    """
    keys = {name: _comparison_key(name) for name in names}
    known = set(keys.values())
    groups: dict[str, list[str]] = defaultdict(list)
    for name, key in keys.items():
        singular = next((each for each in _singulars(key) if each in known), key)
        groups[singular].append(name)
    return [tuple(group) for group in groups.values() if len(group) > 1]


def _comparison_key(name: str) -> str:
    folded = unicodedata.normalize("NFKC", name).casefold().translate(_LOOKALIKES)
    bare = _IGNORED.sub("", _without_accents(folded))
    return bare or folded


def _without_accents(text: str) -> str:
    """Remove the accents of Latin, Greek and Cyrillic letters; in other scripts, marks distinguish words."""
    kept: list[str] = []
    base = ""
    for character in unicodedata.normalize("NFD", text):
        if not unicodedata.combining(character):
            base = character
        elif base < _FIRST_WITH_MARKS:
            continue
        kept.append(character)
    return unicodedata.normalize("NFC", "".join(kept))


def _singulars(key: str) -> list[str]:
    """Return the words of which a word may be the plural, most regular first."""
    endings = (("s", ""), ("es", ""), ("ies", "y"), ("ves", "f"), ("ves", "fe"), ("men", "man"))
    words = [
        key.removesuffix(plural) + singular
        for plural, singular in (*endings, ("people", "person"), ("children", "child"), ("mice", "mouse"))
        if key.endswith(plural)
    ]
    return [word for word in words if len(word) >= _MIN_SINGULAR]
