"""Split the text of a CSV file into records, whatever its delimiter and quotes."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

from freeloc.datasets.class_names import clean_name
from freeloc.datasets.tags.cells import without_quotes
from freeloc.errors import MalformedFileError

__all__ = ["column_names", "read_records"]

_DELIMITERS = ",;\t"


def read_records(text: str, file: Path, *, usual: str = "") -> Iterator[tuple[int, list[str]]]:
    """Yield the first line number and the cells of each non-empty record.

    The delimiter (comma, semicolon or tab) is detected from the first record.

    Args:
        text: the text of the file.
        file: the file, for error messages.
        usual: a name that the header usually contains, which decides if several delimiters are possible.

    Raises:
        MalformedFileError: the text is not CSV, such as one with an unclosed quote.
    """
    first = next(filter(str.strip, io.StringIO(text, newline=None)), "")
    quote = "'" if clean_name(first).startswith("'") else '"'
    headers = {mark: _split_header(first, mark, quote) for mark in _DELIMITERS}
    # The first of those that divide the line into the most columns, unless another one yields the usual name.
    delimiter = max(_DELIMITERS, key=lambda mark: (usual in headers[mark], len(headers[mark])))
    # Some programs write spaces around each delimiter, also before and after a quote.
    blanks = re.compile(rf"(?<={quote})[ ]+(?=[{delimiter}\r\n]|\Z)")
    reader = csv.reader(
        io.StringIO(blanks.sub("", text), newline=""),
        delimiter=delimiter,
        quotechar=quote,
        skipinitialspace=True,
        strict=True,
    )
    while True:
        line = reader.line_num + 1
        try:
            record = next(reader, None)
        except csv.Error as error:
            raise MalformedFileError(file, line, f"malformed CSV: {error}") from error
        if record is None:
            return
        if any(map(str.strip, record)):
            yield line, record


def column_names(record: list[str]) -> list[str]:
    """Return the names of columns in a header, in their usual spelling and without quotes."""
    return [without_quotes(clean_name(name)) for name in record]


def _split_header(line: str, delimiter: str, quote: str) -> list[str]:
    reader = csv.reader([line], delimiter=delimiter, quotechar=quote, skipinitialspace=True)
    return column_names(next(reader, []))
