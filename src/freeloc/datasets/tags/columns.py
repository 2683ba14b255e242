"""Decide what each column contains: file names, tags, a split, labels of a class or other data."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from freeloc._log import get_logger
from freeloc.datasets.class_names import clean_name
from freeloc.datasets.tags.cells import is_missing_word
from freeloc.datasets.tags.file_column import FILE
from freeloc.datasets.tags.rows import RowProblem, TagSource, is_split_name
from freeloc.errors import MalformedFileError

__all__ = [
    "SPLIT",
    "TAGS",
    "UNKNOWN",
    "Cells",
    "Columns",
    "choose_columns",
    "is_label_name",
    "is_value",
    "parse_value",
]

_log = get_logger(__name__)

TAGS, UNKNOWN, SPLIT = "tags", "unknown_tags", "split"

Cells = dict[str, str]
"""The cells of one row by column name."""

_WORDS: Final = {"true": 1, "false": 0}
_UNNAMED = re.compile(r"(unnamed: \d+(_level_\d+|\.\d+)?)?", re.IGNORECASE)
_INDEX = re.compile(r"index|idx|level_0|id|(image|img)_?id", re.IGNORECASE)
_LABEL = re.compile(
    r"(class|category|label|target|tag)([_ ]?names?)?|labels|tags|classes|categories|targets", re.IGNORECASE
)
_FLAG = re.compile(r"is[_ ]?(val|valid|validation|test|testing|train|training|dev|eval)", re.IGNORECASE)
_ABOUT_THE_IMAGE = re.compile(
    r"(data[_ ]?)?(split|subset|partition|fold|set)([_ ]?(name|id))?"
    r"|is[_ ]?crowd|is[_ ]?group[_ ]?of|(is[_ ]?)?(occluded|truncated|difficult|depiction|verified)",
    re.IGNORECASE,
)
"""Columns that are not classes even if they contain 1 and 0: parts of the dataset, and flags of the annotation."""

_NUMBERS = re.compile(
    r"(image_?|img_?)?(width|height)|[xy]_?(min|max|1|2|center)?|[wh]|bbox.*|area|channels|(file_?)?size"
    r"|confidence|score|weight|lat(itude)?|lon(gitude)?|year|age",
    re.IGNORECASE,
)
"""Columns of numbers that often accompany an image; some of the numbers may be 1 or 0."""

_MAX_DIGITS = 20

_MIN_NUMBERS = 3
"""The count of other numbers from which on a short column is reported once, and not row by row."""

_MANY_NUMBERS = 10
"""The count of other numbers from which on a column of any length is reported once."""

_MAX_LISTED = 8
"""Maximum number of columns that a message lists."""

_MAX_WORDS = 2
"""The number of different texts up to which a column could contain the labels of a class in other words."""


@dataclass(frozen=True)
class Columns:
    """The role of each column of a list.

    Attributes:
        tags: the column of tags; None if the list has one column per class.
        classes: the classes that have a column each, in the order of the columns.
        split: the column that names the split; None if there is none.
        flags: columns that say whether an image belongs to one split, by the name of that split.
        problems: problems with whole columns.
    """

    tags: str | None
    classes: tuple[str, ...] = ()
    split: str | None = None
    flags: tuple[tuple[str, str], ...] = ()
    problems: tuple[RowProblem, ...] = ()

    def split_of(self, cells: Cells) -> str:
        """Return the split of a row; an empty string if it has none."""
        if self.split is not None:
            split = clean_name(cells[self.split])
            return "" if is_missing_word(split) else split
        values = {split: parse_value(cells[name]) for name, split in self.flags}
        if not any(value is not None for value in values.values()):
            return ""
        true = [split for split, value in values.items() if value == 1]
        training = next((split for split in values if split.startswith("train")), None)
        if true:
            return true[0]
        return "train" if training is None else "val"


def is_label_name(name: str) -> bool:
    """Return whether a column is called ``tags`` or has another name that columns of tags often have."""
    return _LABEL.fullmatch(name) is not None


@lru_cache(maxsize=4096)  # a list repeats few different cells
def is_value(text: str) -> bool:
    """Return whether a cell is 1, 0, −1, true, false or empty, or says that a value is missing."""
    return not text or is_missing_word(text) or parse_value(text) is not None


@lru_cache(maxsize=4096)
def parse_value(text: str) -> int | None:
    """Return the label value in a cell: 1, 0, −1, or None if it contains none of them."""
    word = _WORDS.get(text.lower())
    if word is not None:
        return word
    number = _parse_number(text)
    return int(number) if number in (1, 0, -1) else None


def choose_columns(
    header: Sequence[str], rows: Sequence[Cells], source: TagSource, line: int | None
) -> Columns:
    """Return the role of each column.

    The log says which columns are not what they are called.

    Args:
        header: the names of the columns, which include ``file_name``.
        rows: the cells of all complete rows.
        source: the list.
        line: line number of the header.

    Raises:
        MalformedFileError: there are neither tags nor labels, or it is unclear which columns contain them.
    """
    chosen = set(source.classes or ())
    others = [name for name in header if name not in (FILE, TAGS, UNKNOWN, SPLIT)]
    texts = {name: Counter(cells[name] for cells in rows) for name in others}
    free = [name for name in others if TAGS in header or name not in chosen]
    split, flags = (SPLIT, ()) if SPLIT in header else _find_split(free, texts)
    used = [name for name in (split, *(flag for flag, _ in flags)) if name is not None]
    if used and split != SPLIT:
        _log.warning("%s: the split of each image is read from column %s", source.file, _quoted(used))
    if TAGS in header:
        return Columns(TAGS, split=split, flags=flags)
    others = [name for name in others if name not in used]
    unnamed = [name for name in others if not name]
    if unnamed and not _is_row_number("", rows):
        reason = "the header has a column '', which is not allowed with one column per class"
        raise MalformedFileError(source.file, line, reason)
    no_classes = [name for name in others if name not in chosen and _is_no_class(name, texts[name], rows)]
    others = [name for name in others if name not in no_classes]
    labels = _find_label_column(others, texts, source, line)
    if labels is not None:
        _log.warning("%s: the tags of each image are read from column %r", source.file, labels)
        return Columns(labels, split=split, flags=flags)
    if UNKNOWN in header:
        reason = f"the header has a column {UNKNOWN!r}, which is not allowed with one column per class"
        raise MalformedFileError(source.file, line, reason)
    return _choose_classes(others, no_classes, Columns(None, (), split, flags), texts, source, line)


# --- split -------------------------------------------------------------------------------------------------


def _find_split(
    names: Iterable[str], texts: Mapping[str, Counter[str]]
) -> tuple[str | None, tuple[tuple[str, str], ...]]:
    """Return the column that contains names of splits, and otherwise the columns that say "is in this split"."""
    names = list(names)
    flags = tuple(
        (name, match[1].lower())
        for name in names
        if (match := _FLAG.fullmatch(name)) and all(map(is_value, texts[name]))
    )
    if flags:
        return None, flags
    for name in names:
        words = {text for text in texts[name] if text and not is_missing_word(text)}
        if words and all(map(is_split_name, words)) and not _LABEL.fullmatch(name):
            return name, ()
    return None, ()


# --- one column of tags under another name -----------------------------------------------------------------


def _find_label_column(
    names: Sequence[str], texts: Mapping[str, Counter[str]], source: TagSource, line: int | None
) -> str | None:
    """Return the column of tags that has another name, such as "label"; None if there is none.

    Raises:
        MalformedFileError: the column contains numbers, or other columns could contain the tags as well.
    """
    chosen = source.classes or ()
    labels = [name for name in names if _LABEL.fullmatch(name) and name not in chosen]
    words = [name for name in labels if not all(map(_is_number_or_empty, texts[name]))]
    classes = [
        name for name in names if name not in labels and any(texts[name]) and all(map(is_value, texts[name]))
    ]
    if len(words) == 1 and not classes:
        return words[0]
    values = {text for name in words for text in texts[name] if text}
    if (len(words) == 1 and values <= set(classes)) or (labels and classes and not words):
        # The class columns contain the same tags, or the numbers of the classes.
        return None
    if words:
        found = [*words, *classes]
        reason = f"the tags could be in column {_quoted(found, 'or')}: call the right one 'tags'"
        raise MalformedFileError(source.file, line, reason)
    if labels:
        reason = (
            f"column {labels[0]!r} contains numbers, which name no class: write the names of the classes instead, "
            "or call the column 'tags' to use the numbers as names"
        )
        raise MalformedFileError(source.file, line, reason)
    return None


# --- one column per class ----------------------------------------------------------------------------------


def _choose_classes(
    names: Sequence[str],
    left_out: Sequence[str],
    columns: Columns,
    texts: Mapping[str, Counter[str]],
    source: TagSource,
    line: int | None,
) -> Columns:
    """Return the columns of classes, leaving out columns whose cells are no labels."""
    chosen = source.classes or ()
    classes: list[str] = []
    problems: list[str] = []
    wrong: list[str] = []
    others = list(left_out)
    for name in names:
        is_other, problem = _judge_column(name, texts[name]) if source.classes is None else (False, "")
        if name in chosen:
            classes.append(name)
        elif is_other or _LABEL.fullmatch(name):
            others.append(name)
        elif problem:
            wrong.append(name)
            problems.append(problem)
        else:
            classes.append(name)
    if not classes and not problems:
        reason = "the header has neither a column 'tags' nor one column per class"
        reason += f", but other data in column {_quoted(others)}" if others else ""
        reason += ": call the column that contains the tags 'tags'"
        raise MalformedFileError(source.file, line, reason)
    if others and source.classes is None:
        _log.warning("%s: left out as no class: column %s", source.file, _quoted(others))
    joint = _joint_problem(wrong, problems)
    return Columns(None, tuple(classes), columns.split, columns.flags, joint)


def _joint_problem(names: Sequence[str], problems: Sequence[str]) -> tuple[RowProblem, ...]:
    """Return one problem for all columns that are neither clearly classes nor clearly other data.

    A list may have hundreds of columns of measurements, about which the user decides once.
    """
    if len(problems) <= 1:
        return tuple(RowProblem("bad_value", message) for message in problems)
    listed = (
        _quoted(names) if len(names) <= _MAX_LISTED else f"{', '.join(map(repr, names[:_MAX_LISTED]))}, …"
    )
    return (
        RowProblem(
            "bad_value",
            f"{len(names)} columns contain other values than 0, 1, -1 or empty ({listed}): remove the columns, "
            "correct their values, or choose classes without them",
        ),
    )


def _judge_column(name: str, texts: Counter[str]) -> tuple[bool, str]:
    """Return whether a column contains other data than labels, or a message if many of its cells are wrong."""
    filled = Counter({text: count for text, count in texts.items() if text and not is_missing_word(text)})
    wrong = Counter({text: count for text, count in filled.items() if not is_value(text)})
    numbers = {text: number for text in filled if (number := _parse_number(text)) is not None}
    # A few wrong cells are errors in their rows, but many numbers are counts or measurements.
    other_numbers = sum(count for text, count in wrong.items() if text in numbers)
    is_number = other_numbers >= max(_MIN_NUMBERS, min(_MANY_NUMBERS, filled.total() / 10))
    if 2 * wrong.total() <= filled.total() and not is_number:
        return False, ""
    is_fraction = len(numbers) == len(filled) and all(-1 <= number <= 1 for number in numbers.values())
    is_marked = not numbers and len(filled) <= _MAX_WORDS < texts.total()
    if _NUMBERS.fullmatch(name) or (len(wrong) == len(filled) and not is_fraction and not is_marked):
        return True, ""
    return False, (
        f"column {name!r} contains {next(iter(wrong))!r} and other values than 0, 1, -1 or empty in "
        f"{wrong.total()} of {texts.total()} rows: remove the column, correct its values, or choose classes "
        "without it"
    )


# --- texts -------------------------------------------------------------------------------------------------


def _parse_number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _is_number_or_empty(text: str) -> bool:
    return is_value(text) or _parse_number(text) is not None


def _is_no_class(name: str, texts: Counter[str], rows: Sequence[Cells]) -> bool:
    """Return whether a column contains flags, parts of the dataset, or numbers of rows or images."""
    if any(pattern.fullmatch(name) for pattern in (_FLAG, _ABOUT_THE_IMAGE, _UNNAMED)):
        return True
    if not _INDEX.fullmatch(name):
        return False
    return not all(map(is_value, texts)) or (len(rows) > 1 and _is_row_number(name, rows))


def _is_row_number(name: str, rows: Sequence[Cells]) -> bool:
    texts = [cells[name] for cells in rows]
    numbers = [int(text) for text in texts if text.isascii() and text.isdecimal() and len(text) < _MAX_DIGITS]
    return bool(texts) and numbers in (list(range(len(texts))), list(range(1, len(texts) + 1)))


def _quoted(names: Iterable[str], word: str = "and") -> str:
    *others, last = (repr(name) for name in names)
    return f"{', '.join(others)} {word} {last}" if others else last
