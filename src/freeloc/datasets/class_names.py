"""Class names of datasets: their spelling, and a search for names that may mean the same class."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence

from freeloc._class_names import clean_name

__all__ = ["clean_name", "fold_name", "joined_names", "misspelled_names", "similar_names"]

_FIRST_WITH_MARKS = "\u0600"
"""The first character of the scripts in which marks distinguish words; Latin, Greek and Cyrillic come before."""

_IGNORED = re.compile("[\\s_\\-.'’\ufe0f]+")
"""Separators, and the mark that asks for a colored emoji, which a comparison of names leaves out."""

_LOOKALIKES = str.maketrans("аеорсухіјѕԁһαοενι", "aeopcyxijsdhaoevi")
"""Cyrillic and Greek letters that look like Latin ones."""

_MIN_SINGULAR = 3

_MISSPELLED = 5
"""How many times as many images a name must have as the one that is taken for a misspelling of it."""

_MIN_EXCHANGED, _MIN_MISSING, _MIN_WRONG = 4, 5, 7
"""Minimum length of words of which one is taken for the other with letters exchanged, missing or wrong."""

_BETWEEN_NAMES = re.compile(r"[\s_/\\+&.:-]+(?:and[\s_]+)?")
"""What may stand between the names of several classes: blanks and marks that do not separate tags."""


def fold_name(name: str) -> str:
    """Return the form that a name has in common with its spellings in upper and lower case.

    Example:
        >>> fold_name("Straße") == fold_name("STRASSE")
        True
    """
    return unicodedata.normalize("NFC", name.casefold())


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


def misspelled_names(images: Mapping[str, int]) -> dict[str, str]:
    """Return the rare names that are probably frequent ones, misspelled, with these.

    They differ in one letter that is missing, added or wrong, or in two letters that are exchanged, and have at
    most a fifth of the images. Short names, digits, and what `similar_names` returns do not count.

    Args:
        images: the number of images of each name.

    Example:
        >>> misspelled_names({"zebra": 40, "zbera": 1, "horse": 20, "house": 2})
        {'zbera': 'zebra'}
    """
    keys = {name: _comparison_key(name) for name in images}
    near: dict[str, list[str]] = defaultdict(list)
    for name, key in keys.items():
        if len(key) >= _MIN_EXCHANGED:
            places = (place for place, character in enumerate(key) if not character.isdigit())
            for variant in {key, *(key[:place] + key[place + 1 :] for place in places)}:
                near[variant].append(name)
    found: dict[str, str] = {}
    for names in near.values():
        for one, other in itertools.combinations(sorted(names, key=lambda name: images[name]), 2):
            best = images[found[one]] if one in found else 0
            if (
                _MISSPELLED * images[one] <= images[other] > best
                and _is_slip(keys[one], keys[other])
                and not _is_plural(keys[one], keys[other])
            ):
                found[one] = other
    return dict(sorted(found.items()))


def joined_names(names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the names that consist of other names, with these: several tags that were read as one.

    Example:
        >>> joined_names(["dog", "dining table", "dog dining table", "hot dog"])
        {'dog dining table': ('dog', 'dining table')}
    """
    words = {name: tuple(filter(None, _BETWEEN_NAMES.split(name.casefold()))) for name in names}
    known = {key: name for name, key in reversed(words.items()) if key}
    parts = {name: _parts(key, known) for name, key in words.items() if len(key) > 1}
    return {name: found for name, found in parts.items() if found}


def _parts(words: tuple[str, ...], known: Mapping[tuple[str, ...], str]) -> tuple[str, ...]:
    """Return the names, in their order, of which words consist; an empty tuple if these are not several names."""
    found: list[tuple[str, ...] | None] = [()]
    for end in range(1, len(words) + 1):
        before = (
            (*parts, known[words[start:end]])
            for start in range(end)
            if end - start < len(words) and (parts := found[start]) is not None and words[start:end] in known
        )
        found.append(next(before, None))
    return found[-1] or ()


def _comparison_key(name: str) -> str:
    folded = unicodedata.normalize("NFKC", name).casefold().translate(_LOOKALIKES)
    bare = _IGNORED.sub("", _without_accents(folded))
    return bare or folded


def _is_slip(one: str, other: str) -> bool:
    """Return whether two words, unless they are short, differ in one letter or in two that are exchanged."""
    short, long = sorted((one, other), key=len)
    pairs = enumerate(zip(short, long, strict=False))
    start = next((place for place, (here, there) in pairs if here != there), len(short))
    rest, longer_rest = short[start:], long[start:]
    if any(character.isdigit() for character in longer_rest[:2]):
        return False
    if len(long) > len(short):
        return len(short) >= _MIN_MISSING and longer_rest[1:] == rest
    exchanged = rest[:2] == longer_rest[1::-1] and rest[2:] == longer_rest[2:]
    wrong = len(short) >= _MIN_WRONG and rest[1:] == longer_rest[1:]
    return short != long and ((len(rest) >= 2 and exchanged) or wrong)


def _is_plural(one: str, other: str) -> bool:
    return one in _singulars(other) or other in _singulars(one)


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
