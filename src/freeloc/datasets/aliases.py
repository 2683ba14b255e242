"""Aliases: other names of classes, from a file that people write by hand, or from a dictionary."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from freeloc.datasets.class_names import clean_name, fold_name
from freeloc.datasets.problems import ProblemKind, ProblemList
from freeloc.datasets.tags.csv_records import column_names, read_records
from freeloc.errors import ConfigurationError, FreelocError, MalformedFileError
from freeloc.io.folders import expand_user
from freeloc.io.text import check_exists, is_encodable, read_text

__all__ = ["read_aliases"]

_COLUMNS: Final = ("tag", "class")
_EXAMPLE: Final = "write a tag and its class, such as puppy,dog"


class _Alias(NamedTuple):
    """One line of the file: a tag, its class (empty if the tag is to be left out), and the number of the line."""

    tag: str
    name: str
    line: int | None


class _Problem(NamedTuple):
    kind: ProblemKind
    line: int | None
    message: str


def read_aliases(source: Path | Mapping[str, Sequence[str]], *, fold_case: bool = False) -> dict[str, str]:
    """Return the class of each alias, after following aliases of aliases.

    Args:
        source: a CSV file with the columns ``tag`` and ``class``, of which the header is optional; a JSON file
            with an object that lists the other names of each class; or the same as a dictionary. A tag with an
            empty class is left out.
        fold_case: whether names that differ only in case are the same.

    Returns:
        The class of each alias, in the order of the source; an empty string for a tag that is left out. With
        ``fold_case``, aliases are in the form of `freeloc.datasets.class_names.fold_name`.

    Raises:
        DataProblems: the file has problems, such as a tag with two classes, or tags that are aliases of each
            other.
        MissingDatasetError: the file does not exist.
        ConfigurationError: the dictionary has such problems.

    Example:
        >>> read_aliases({"dog": ["puppy", "doggo"], "": ["todo"]})
        {'puppy': 'dog', 'doggo': 'dog', 'todo': ''}
    """
    if isinstance(source, Mapping):
        entries, problems = _check_object(source)
    else:
        entries, problems = _read_file(source)
    aliases = _resolve(entries, problems, fold_case=fold_case)
    if not problems:
        return aliases
    if isinstance(source, Mapping):
        message = "; ".join(problem.message for problem in problems)
        raise ConfigurationError(f"aliases: {message}", parameter="aliases")
    report = ProblemList(source)
    for problem in problems:
        report.add(problem.kind, source, problem.line, problem.message, fatal=True)
    report.report(skip_bad=False)
    raise AssertionError("a report with a problem always raises")


# --- files -------------------------------------------------------------------------------------------------


def _read_file(path: Path) -> tuple[list[_Alias], list[_Problem]]:
    try:
        file = expand_user(path)
        check_exists(file, "aliases")
        text = read_text(file)
    except MalformedFileError as error:
        return [], [_Problem("malformed_file", error.line, error.reason)]
    except FreelocError as error:
        error.parameter = "aliases"
        raise
    try:
        return _parse_json(text) if file.suffix.lower() == ".json" else _parse_csv(text, file)
    except MalformedFileError as error:
        return [], [_Problem("malformed_file", error.line, error.reason)]


def _parse_csv(text: str, file: Path) -> tuple[list[_Alias], list[_Problem]]:
    entries: list[_Alias] = []
    problems: list[_Problem] = []
    records = list(read_records(text, file))
    header = [name.casefold() for name in column_names(records[0][1])] if records else []
    places = (0, 1)
    if set(_COLUMNS) <= set(header):
        places = (header.index("tag"), header.index("class"))
        records, width = records[1:], len(header)
    else:
        width = 2
    for line, record in records:
        if len(record) != width:
            cells = "1 cell" if len(record) == 1 else f"{len(record)} cells"
            advice = _EXAMPLE if width == 2 else f"but the header has {width}"
            mark = ": " if width == 2 else ", "
            problems.append(_Problem("malformed_row", line, f"the row has {cells}{mark}{advice}"))
            continue
        tag, name = (clean_name(record[place]) for place in places)
        if tag:
            entries.append(_Alias(tag, name, line))
        else:
            problems.append(_Problem("bad_value", line, f"the row has no tag: {_EXAMPLE}"))
    return entries, problems


def _parse_json(text: str) -> tuple[list[_Alias], list[_Problem]]:
    def check_pairs(pairs: list[tuple[str, object]]) -> dict[str, object]:
        names = [name for name, _ in pairs]
        repeated.update(name for name in names if names.count(name) > 1)
        return dict(pairs)

    repeated: set[str] = set()
    try:
        value = json.loads(text, object_pairs_hook=check_pairs)
    except json.JSONDecodeError as error:
        return [], [_Problem("malformed_file", error.lineno, f"malformed JSON: {error.msg}")]
    except (ValueError, RecursionError):
        return [], [_Problem("malformed_file", None, "malformed JSON")]
    if not isinstance(value, dict):
        reason = 'the file contains no object: write {"dog": ["puppy"]}'
        return [], [_Problem("malformed_file", None, reason)]
    entries, problems = _check_object(value)
    problems += [
        _Problem(
            "duplicate_row", None, f"the class {name!r} is listed twice: write all of its names in one list"
        )
        for name in sorted(repeated)
    ]
    return entries, problems


def _check_object(value: Mapping[str, object]) -> tuple[list[_Alias], list[_Problem]]:
    """Return the aliases in a dictionary of lists."""
    entries: list[_Alias] = []
    problems: list[_Problem] = []
    for name, tags in value.items():
        others = list(tags) if isinstance(tags, Sequence) and not isinstance(tags, str | bytes) else [tags]
        if not isinstance(name, str) or others == [tags] or not all(isinstance(tag, str) for tag in others):
            message = f"{name!r} has {tags!r}, not a list of its other names: write {{'dog': ['puppy']}}"
            problems.append(_Problem("bad_value", None, message))
            continue
        for other in others:
            if tag := clean_name(str(other)):
                entries.append(_Alias(tag, clean_name(name), None))
            else:
                problems.append(_Problem("bad_value", None, f"{name!r} has an empty name: remove it"))
    return entries, problems


# --- meaning -----------------------------------------------------------------------------------------------


def _resolve(entries: Iterable[_Alias], problems: list[_Problem], *, fold_case: bool) -> dict[str, str]:
    """Return the class of each alias, and add what contradicts itself to the problems."""
    keys = {name: fold_name(name) if fold_case else name for entry in entries for name in entry[:2]}
    direct: dict[str, _Alias] = {}
    for entry in entries:
        if not (is_encodable(entry.tag) and is_encodable(entry.name)):
            wrong = entry.name if is_encodable(entry.tag) else entry.tag
            problems.append(
                _Problem("bad_value", entry.line, f"{wrong!r} cannot be encoded as UTF-8: rename it")
            )
        elif keys[entry.tag] != keys[entry.name]:  # otherwise, it is the name of the class itself
            first = direct.setdefault(keys[entry.tag], entry)
            if first is not entry and (problem := _repetition(first, entry, keys)) is not None:
                problems.append(problem)
    aliases: dict[str, str] = {}
    circles: set[frozenset[str]] = set()
    for key, entry in direct.items():
        path = [key]
        while keys[entry.name] in direct and keys[entry.name] not in path:
            path.append(keys[entry.name])
            entry = direct[path[-1]]  # noqa: PLW2901 - the next alias of the chain
        if keys[entry.name] not in path:
            aliases[key] = entry.name
            continue
        circle = path[path.index(keys[entry.name]) :]
        if frozenset(circle) not in circles:
            circles.add(frozenset(circle))
            names = " and ".join(repr(direct[each].tag) for each in circle)
            message = f"{names} are aliases of each other: make one of them the class"
            problems.append(_Problem("bad_value", direct[circle[-1]].line, message))
    return aliases


def _repetition(first: _Alias, second: _Alias, keys: Mapping[str, str]) -> _Problem | None:
    """Return the problem with the second of two aliases of one tag; None if they only differ in case."""
    where = "" if first.line is None else f" on line {first.line}"
    if keys[first.name] == keys[second.name]:
        if first.tag != second.tag:
            return None
        return _Problem(
            "duplicate_row", second.line, f"{second.tag!r} is already listed{where}: remove one of them"
        )
    classes = [repr(each.name) if each.name else "no class" for each in (second, first)]
    message = f"{second.tag!r} is an alias of {classes[0]}, but of {classes[1]}{where}: choose one of them"
    return _Problem("bad_value", second.line, message)
