"""Reports as self-contained HTML files, without scripts or external resources."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from freeloc.io import atomic
from freeloc.visualization.data_uri import data_uri, media_type
from freeloc.visualization.html_templates import render_template

__all__ = ["Figure", "Report", "Section", "Table", "render_report", "write_report"]


@dataclass(frozen=True)
class Table:
    """Rows of text under a header.

    Attributes:
        header: one name per column.
        rows: rows with one cell per column; the first cell names the row.
        caption: text above the table.
        notes: paragraphs below the table.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""
    notes: Sequence[str] = ()

    def __post_init__(self) -> None:
        if not self.header or any(len(row) != len(self.header) for row in self.rows):
            raise ValueError(
                f"table {self.caption!r}: the header must not be empty, and every row must have as many cells as "
                "the header"
            )

    @property
    def numeric_columns(self) -> tuple[bool, ...]:
        """Whether each column is numeric; the first column contains names and is never numeric."""
        columns = [[row[column] for row in self.rows] for column in range(1, len(self.header))]
        return (False, *map(_is_numeric, columns))


@dataclass(frozen=True)
class Figure:
    """An image with a caption.

    Attributes:
        data: bytes of a PNG, JPEG or SVG file.
        caption: text below the image.
        alt: alternative text, for readers who cannot see the image.
    """

    data: bytes
    caption: str
    alt: str

    def __post_init__(self) -> None:
        if not self.alt.strip():
            raise ValueError(f"figure {self.caption!r} has no alternative text: describe what it shows")
        media_type(self.data)

    @property
    def data_uri(self) -> str:
        """The image as a data URI."""
        return data_uri(self.data)


@dataclass(frozen=True)
class Section:
    """A section of a report: text, then tables, then figures.

    Attributes:
        heading: heading of the section.
        text: paragraphs.
        tables: tables below the text.
        figures: figures below the tables.
    """

    heading: str
    text: Sequence[str] = ()
    tables: Sequence[Table] = ()
    figures: Sequence[Figure] = ()


@dataclass(frozen=True)
class Report:
    """A report. Text is escaped; web addresses in it do not become links.

    Attributes:
        title: title of the page.
        lead: introductory paragraphs, which state the subject and the main results.
        sections: the sections; two or more are listed in a table of contents.
    """

    title: str
    lead: Sequence[str] = ()
    sections: Sequence[Section] = ()


def write_report(path: Path, report: Report) -> None:
    """Write a report atomically to a single HTML file.

    Raises:
        OutputError: the file cannot be written.
    """
    atomic.write_text(path, render_report(report))


def render_report(report: Report) -> str:
    """Return a report as HTML; equal reports yield equal text."""
    return render_template(
        "report.html.j2",
        title=report.title,
        lead=report.lead,
        headings=[section.heading for section in report.sections],
        sections=report.sections,
    )


_NUMBER: Final = re.compile(
    r"[+−-]?[\d.,\u2009\u202f ]*\d\s*(%|×|s|ms|MiB|GiB)?(\s*(±|\[|\().*)?|[–—]?|n/a", re.DOTALL
)


def _is_numeric(cells: Sequence[str]) -> bool:
    """Return whether every cell is a number or a placeholder, and at least one is a number.

    A number may have a sign, a unit or an interval. Placeholders for missing values are dashes, "n/a" and empty
    cells.
    """
    cells = [cell.strip() for cell in cells]
    return any(re.search(r"\d", cell) for cell in cells) and all(_NUMBER.fullmatch(cell) for cell in cells)
