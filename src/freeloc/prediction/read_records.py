"""Read the records of ``predictions.jsonl``, one at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from freeloc.datasets.problems import ProblemList
from freeloc.errors import DatasetError, MalformedFileError, MissingDatasetError
from freeloc.io.limits import check_resources
from freeloc.io.regular_file import open_regular
from freeloc.io.typed_json import check_depth
from freeloc.writers.image_record import ImageRecord, parse_record
from freeloc.writers.masks import check_mask

__all__ = ["check_records", "read_records"]

_MAX_DEPTH = 20
_MAX_LINE = 256 * 2**20
"""Maximum length of a line in bytes; the record of 10,000 classes has about 20 MB."""


def read_records(path: Path) -> Iterator[ImageRecord]:
    """Yield the records of a file.

    Args:
        path: the file that ``freeloc predict`` has written.

    Raises:
        MissingDatasetError: the file does not exist.
        DatasetError: the file cannot be read.
        MalformedFileError: a line is not a record.
    """
    for number, line in _lines(path):
        try:
            yield _parse(line)
        except ValueError as error:
            raise MalformedFileError(path, number, str(error)) from error


def check_records(path: Path) -> list[tuple[str, int | None]]:
    """Check all lines of a file, and return the image of each record.

    Returns:
        The path of each image or video, and the number of the frame of a video.

    Raises:
        MissingDatasetError: the file does not exist.
        DatasetError: the file cannot be read, or contains no record.
        DataProblems: lines are not records, or the records are not of the same classes; the report names each
            line.
    """
    problems = ProblemList(path)
    images: list[tuple[str, int | None]] = []
    names: tuple[str, ...] | None = None
    for number, line in _lines(path):
        try:
            record = _parse(line)
        except ValueError as error:
            problems.add("malformed_row", path, number, str(error), fatal=True)
            continue
        names = record.names if names is None else names
        if record.names != names:
            message = (
                "it has other classes than the first record: convert each model's predictions on their own"
            )
            problems.add("malformed_row", path, number, message, fatal=True)
        images.append((record.image, record.frame))
    problems.report(skip_bad=False)
    if not images:
        raise DatasetError(
            f"{path} contains no prediction: specify what freeloc predict has written", path=path
        )
    return images


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the number and the text of each line that is not empty."""
    try:
        with open_regular(path) as file:
            number = 0
            while line := file.readline(_MAX_LINE):
                number += 1
                if line.strip():
                    yield number, line
    except (OSError, ValueError) as error:
        check_resources(error)
        reason = getattr(error, "strerror", None) or error
        kind = MissingDatasetError if isinstance(error, FileNotFoundError) else DatasetError
        raise kind(f"cannot read {path}: {reason}; check the path and its permissions", path=path) from error


def _parse(line: bytes) -> ImageRecord:
    if not line.endswith(b"\n"):
        raise ValueError("the line is cut off: predict again, or remove it")
    try:
        # Paths may contain lone surrogates, which stand for bytes that are not UTF-8; msgspec would reject them.
        values: Any = json.loads(line, parse_constant=_reject_number)
    except RecursionError as error:
        raise ValueError("the JSON is nested too deeply") from error
    except UnicodeDecodeError as error:
        raise ValueError("it is not UTF-8") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"it is not JSON: {error.msg} at character {error.pos + 1}") from error
    if not isinstance(values, dict):
        raise ValueError("it is not a JSON object")  # noqa: TRY004 - all damage is reported as a ValueError
    if values.get("schema_version", 1) != 1:
        raise ValueError(
            f"schema_version is {values['schema_version']!r}: this version of freeloc reads version 1"
        )
    check_depth(values, _MAX_DEPTH)
    record = parse_record(values)
    for each in record.classes:
        if each.mask is not None:
            try:
                check_mask(each.mask, record.size)
            except ValueError as error:
                raise ValueError(f"the mask of {each.name!r} is damaged: {error}; predict again") from error
    return record


def _reject_number(word: str) -> float:
    raise ValueError(f"it contains {word}, which is not JSON")
