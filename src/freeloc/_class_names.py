"""Names of classes: their spelling, and the choice of some of the classes of a model or dataset."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from typing import Final

from freeloc._log import get_logger
from freeloc._printable import JOINERS, is_needed_joiner
from freeloc.errors import ConfigurationError
from freeloc.io.text import is_encodable

__all__ = [
    "check_class_names",
    "clean_name",
    "did_you_mean",
    "indices_of_classes",
    "log_missing_classes",
    "quote_names",
    "refuse_misspelled_classes",
    "select_classes",
]

_log = get_logger(__name__)

_INVISIBLE = re.compile("[\u00ad\u034f\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
"""Characters without a glyph: soft hyphen, zero-width space, marks of direction, word joiner, byte order mark."""

_MAX_NAMES: Final = 10
"""Maximum number of names in a message."""

_MISSPELLED: Final = 0.65
"""Similarity from which on a name may be another one, misspelled, such as "dgo" for "dog" (0.67)."""


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


def check_class_names(classes: Sequence[str]) -> tuple[str, ...]:
    """Return chosen class names in their usual spelling (`clean_name`).

    Raises:
        ConfigurationError: there are no names, or a name is empty, repeated, or not encodable as UTF-8.
    """
    names = tuple(map(clean_name, classes))
    if not names:
        raise _classes_error("is empty: specify at least one class")
    for name in names:
        if not name:
            raise _classes_error("contains an empty name: remove it")
        if not is_encodable(name):
            raise _classes_error(f"contains {name!r}, which UTF-8 cannot encode: rename the class")
        if names.count(name) > 1:
            raise _classes_error(f"contains {name!r} more than once: list each class only once")
    return names


def refuse_misspelled_classes(chosen: Sequence[str], known: Collection[str], owner: str) -> None:
    """Refuse chosen classes that a model or dataset does not have if their names resemble classes that it has.

    A class that is left out of a training run because its name is misspelled would go unnoticed.

    Args:
        chosen: the chosen classes.
        known: the classes of the model or dataset.
        owner: the model or dataset, for messages.

    Raises:
        ConfigurationError: some of the classes are known, and the name of another one resembles a known class that
            was not chosen.
    """
    others = [name for name in known if name not in chosen]
    missing = [name for name in chosen if name not in known]
    misspelled = [name for name in missing if _similar([name], others, _MISSPELLED)]
    if misspelled and len(missing) < len(chosen):
        name, it = ("name", "it") if len(misspelled) == 1 else ("names", "them")
        meant = quote_names(_similar(misspelled, others, _MISSPELLED))
        raise ConfigurationError(
            f"{owner} does not have the {_noun(misspelled)} {quote_names(misspelled)} (did you mean {meant}?): "
            f"correct the {name}, or leave {it} out",
            parameter="classes",
        )


def select_classes(chosen: Iterable[str], known: Sequence[str], owner: str) -> tuple[str, ...]:
    """Return the chosen classes that a model or dataset has, in the chosen order, and log the others in one line.

    Args:
        chosen: the chosen classes.
        known: the classes of the model or dataset.
        owner: the model or dataset, for messages.

    Raises:
        ConfigurationError: none of the classes is known.
    """
    chosen = tuple(chosen)
    missing = log_missing_classes(chosen, known, owner, "left out")
    return tuple(name for name in chosen if name not in missing)


def indices_of_classes(
    chosen: Iterable[str] | None, known: Sequence[str], owner: str
) -> tuple[int, ...] | None:
    """Return the indices of the chosen classes, see `select_classes`; None if all classes are used.

    Raises:
        ConfigurationError: none of the classes is known.
    """
    if chosen is None:
        return None
    return tuple(known.index(name) for name in select_classes(chosen, known, owner))


def log_missing_classes(
    chosen: Sequence[str], known: Collection[str], owner: str, consequence: str
) -> frozenset[str]:
    """Log in one line, with similar names, the chosen classes that a model or dataset does not have.

    Args:
        chosen: the chosen classes.
        known: the classes of the model or dataset.
        owner: the model or dataset, for messages.
        consequence: what happens to the missing classes, such as "left out".

    Returns:
        The missing classes.

    Raises:
        ConfigurationError: none of the classes is known.
    """
    missing = [name for name in chosen if name not in known]
    if not missing:
        return frozenset()
    is_error = len(missing) == len(chosen)
    others = [name for name in known if name not in chosen]
    similar = _similar(missing[:_MAX_NAMES], others, 0.6 if is_error else _MISSPELLED)
    advice = f" (did you mean {quote_names(similar, 'or')}?)" if similar else ""
    if is_error:
        raise ConfigurationError(
            f"{owner} has none of the classes {quote_names(missing)}{advice}, only {quote_names(known)}: choose "
            "some of these",
            parameter="classes",
        )
    _log.warning(
        "%s does not have the %s %s%s: %s",
        *(owner, _noun(missing), quote_names(missing), advice, consequence),
    )
    return frozenset(missing)


def did_you_mean(names: Iterable[str], known: Collection[str]) -> str:
    """Return a question about the known names that are similar to misspelled ones; "" if there are none.

    Example:
        >>> "no class 'dgo'" + did_you_mean(["dgo"], ["cat", "dog"])
        "no class 'dgo' (did you mean 'dog'?)"
    """
    similar = _similar(names, known, 0.6)
    return f" (did you mean {quote_names(similar, 'or')}?)" if similar else ""


def quote_names(names: Iterable[str], word: str = "and") -> str:
    """Return names in quotation marks as one text, such as "'a', 'b' and 'c'"; a long list is cut short.

    Example:
        >>> quote_names(["dog", "cat"])
        "'dog' and 'cat'"
    """
    quoted = [repr(name) for name in names]
    if len(quoted) > _MAX_NAMES:
        quoted = [*quoted[:_MAX_NAMES], f"{len(quoted) - _MAX_NAMES} more"]
    *others, last = quoted or ["none"]
    return f"{', '.join(others)} {word} {last}" if others else last


def _similar(names: Iterable[str], known: Collection[str], cutoff: float) -> list[str]:
    """Return the known names that are most similar to each of the names, ignoring case."""
    folded = {name.casefold(): name for name in known}
    matches = (difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=cutoff) for name in names)
    return list(dict.fromkeys(folded[match] for found in matches for match in found))


def _noun(names: Collection[str]) -> str:
    return "class" if len(names) == 1 else "classes"


def _classes_error(problem: str) -> ConfigurationError:
    return ConfigurationError(f"classes {problem}", parameter="classes")
