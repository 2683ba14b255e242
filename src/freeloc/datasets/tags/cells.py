"""Parse the tags in one cell of a tag list."""

from __future__ import annotations

import ast
import io
import json
import re
import tokenize
import warnings
from functools import lru_cache
from typing import Final

from freeloc.datasets.class_names import clean_name
from freeloc.datasets.json_values import is_null
from freeloc.datasets.tags.rows import RowProblem
from freeloc.io.text import is_encodable

__all__ = ["check_tags", "is_missing_word", "parse_tags", "split_tags", "without_quotes"]

_QUOTES: Final = {"'": "'", '"': '"', "“": "”", "‘": "’", "„": "“", "«": "»", "`": "`"}
_QUOTED = re.compile(
    "|".join(rf"{opening}(.*?){closing}(?=[^\S\n]*(?:[,;|\n]|$))" for opening, closing in _QUOTES.items()),
    re.DOTALL,
)
"""Text in quotes that a separator or the end follows."""

_SEPARATORS = re.compile(r"[,;|\n]|$")
_BRACKETS = {"[": "]", "(": ")", "{": "}"}
_CALL = re.compile(r"(set|frozenset|list|tuple|array|ndarray|Index)\(.*\)", re.DOTALL)
_TWO_QUOTED = re.compile(r"['\"”’`]\s+['\"“‘`]")
_MISSING_WORDS = frozenset(("nan", "-nan", "none", "null", "na", "n/a", "#n/a", "#na", "<na>", "nat"))


def is_missing_word(text: str) -> bool:
    """Return whether a text is one of the words that pandas, R, SQL and Python write for a missing value.

    Example:
        >>> [is_missing_word(text) for text in ("nan", "NULL", "None", "nun", "")]
        [True, True, True, False, False]
    """
    return text.casefold() in _MISSING_WORDS


def split_tags(cell: str) -> tuple[str, ...]:
    """Split the text of one cell into tags at commas, semicolons, vertical bars and line ends outside quotes.

    Example:
        >>> split_tags("dog, person|sofa;")
        ('dog', 'person', 'sofa')
        >>> split_tags("'salt, pepper', 'dog'")
        ('salt, pepper', 'dog')
    """
    tags = []
    position = 0
    while position < len(cell):
        if cell[position].isspace():
            position += 1
            continue
        quoted = _QUOTED.match(cell, position)
        end = _SEPARATORS.search(cell, position if quoted is None else quoted.end())
        stop = len(cell) if end is None else end.start()
        tags.append(cell[position:stop] if quoted is None else quoted[quoted.lastindex or 0])
        position = stop + 1
    return tuple(tag for text in tags if (tag := clean_name(text)))


def parse_tags(cell: str, column: str, problems: list[RowProblem]) -> tuple[str, ...]:
    """Parse the tags in one cell: separated tags, or a list, tuple or set of strings as Python or JSON writes it.

    Separated tags are split by `split_tags`. Quotes around the whole cell, or around a tag, do not count.

    Args:
        cell: the text, without leading or trailing white space.
        column: name of the column, for error messages.
        problems: list to which any problem with the cell is added.

    Example:
        >>> parse_tags("['salt, pepper', 'dog']", "tags", [])
        ('salt, pepper', 'dog')
        >>> parse_tags("dog|sea", "tags", [])
        ('dog', 'sea')
        >>> parse_tags("('dog',)", "tags", [])
        ('dog',)
    """
    tags, found = _parse(cell, column)
    problems += found
    return tags


@lru_cache(maxsize=4096)  # most lists repeat few cells
def _parse(cell: str, column: str) -> tuple[tuple[str, ...], tuple[RowProblem, ...]]:
    cell = without_quotes("\n".join(map(clean_name, cell.splitlines())))
    problems: list[RowProblem] = []
    if _is_literal(cell):
        value = _parse_literal(cell)
        return check_tags(cell if value is None else value, column, problems), tuple(problems)
    tags = split_tags(cell)
    if any(tag[0] in _QUOTES or _TWO_QUOTED.search(tag) for tag in tags):
        message = f"{column} is {cell!r}, in which quotes do not match: separate tags by commas"
        return (), (RowProblem("bad_value", message),)
    return check_tags(list(tags), column, problems), tuple(problems)


def check_tags(value: object, column: str, problems: list[RowProblem]) -> tuple[str, ...]:
    """Check that a value is a list of strings, and return these as tags in their usual spelling (`clean_name`).

    A missing value (None or NaN), as the list or in it, is left out. For any other value, a problem is added to
    ``problems``, and the result is empty.
    """
    if is_null(value):
        return ()
    if not isinstance(value, list):
        problems.append(RowProblem("bad_value", f"{column} is {value!r}, not a list of strings"))
        return ()
    tags = []
    for item in value:
        if is_null(item):
            continue
        tag = without_quotes(clean_name(item)) if isinstance(item, str) else ""
        if not tag:
            problems.append(RowProblem("bad_value", f"{column} is {value!r}, not a list of strings"))
            return ()
        if not is_encodable(tag):
            message = f"{column} contains {tag!r}, which UTF-8 cannot encode"
            problems.append(RowProblem("bad_value", message))
            return ()
        tags.append(tag)
    return tuple(tags)


def without_quotes(text: str) -> str:
    """Remove one pair of quotes around a text, unless the text also has such quotes inside.

    Example:
        >>> without_quotes("'dog'"), without_quotes("it's")
        ('dog', "it's")
    """
    closing = _QUOTES.get(text[:1])
    inner = text[1:-1]
    if closing is None or len(text) < 2 or text[-1] != closing or text[0] in inner or closing in inner:
        return text
    return inner.strip() or text


def _is_literal(cell: str) -> bool:
    closing = _BRACKETS.get(cell[:1])
    return (closing is not None and cell.endswith(closing)) or _CALL.fullmatch(cell) is not None


def _parse_literal(cell: str) -> object:
    """Return the list in a cell that looks like one, or None if it is neither JSON nor a Python literal."""
    try:
        value: object = json.loads(cell)
        # Python writes an empty dictionary, and PostgreSQL an empty array, as {}.
        return [] if value == {} else value if isinstance(value, list) else None
    except (ValueError, RecursionError):
        pass
    try:
        with warnings.catch_warnings():
            # Python warns about invalid escapes such as "\\d".
            warnings.simplefilter("ignore")
            tree = ast.parse(cell, mode="eval").body
        items = _items(tree)
        values = None if items is None else [ast.literal_eval(item) for item in items]
        # NumPy prints arrays without commas, so Python would join the strings: ['dog' 'cat'] would become
        # ['dogcat'].
        tokens = tokenize.generate_tokens(io.StringIO(cell).readline)
        written = sum(token.type == tokenize.STRING for token in tokens)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError, tokenize.TokenError):
        return None
    read = sum(isinstance(node, ast.Constant) and isinstance(node.value, str) for node in ast.walk(tree))
    return values if written == read else None


def _items(tree: ast.expr) -> list[ast.expr] | None:
    """Return the items of a list, tuple or set; one string in parentheses counts as a tuple."""
    match tree:
        case ast.List(elts=items) | ast.Tuple(elts=items) | ast.Set(elts=items):
            return items
        case ast.Constant(value=str()):
            return [tree]
        case ast.Call(func=ast.Name(), args=[]):
            return []
        case ast.Call(func=ast.Name(), args=[argument, *_]):
            return _items(argument)
    return None
