"""A report as one HTML file that needs nothing else: no script, no font, no picture from elsewhere."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from freeloc.io import atomic

__all__ = ["Figure", "Report", "Section", "Table", "render_report", "write_report"]


@dataclass(frozen=True)
class Table:
    """Rows of text under a header.

    Attributes:
        header: one name per column.
        rows: as many cells each; the first names its row.
        caption: above the table.
        notes: below it, a paragraph each.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""
    notes: Sequence[str] = ()

    def __post_init__(self) -> None:
        if not self.header or any(len(row) != len(self.header) for row in self.rows):
            raise ValueError(
                f"table {self.caption!r}: every row has as many cells as the header, at least one"
            )


@dataclass(frozen=True)
class Figure:
    """A picture.

    Attributes:
        data: bytes of a PNG or SVG file.
        caption: below the picture.
        alt: what the picture shows, for those who do not see it.
    """

    data: bytes
    caption: str
    alt: str

    def __post_init__(self) -> None:
        if not self.alt.strip():
            raise ValueError(f"figure {self.caption!r} lacks the text for those who do not see it")
        _media_type(self.data)


@dataclass(frozen=True)
class Section:
    """A part of the report: text, then tables, then figures.

    Attributes:
        heading: of the part.
        text: paragraphs.
        tables: below the text.
        figures: below the tables.
    """

    heading: str
    text: Sequence[str] = ()
    tables: Sequence[Table] = ()
    figures: Sequence[Figure] = ()


@dataclass(frozen=True)
class Report:
    """A whole report. All text is shown as it is; addresses (``https://…``) become links.

    Attributes:
        title: of the page.
        lead: first paragraphs, which say what it is about and what came out.
        sections: the parts, listed at the top where there are several.
    """

    title: str
    lead: Sequence[str] = ()
    sections: Sequence[Section] = ()


def write_report(path: Path, report: Report) -> None:
    """Write a report as one HTML file, as a whole or not at all.

    Raises:
        FreelocError: the place is not writable.
    """
    atomic.write_text(path, render_report(report))


def render_report(report: Report) -> str:
    """The report as HTML text; the same report gives the same text."""
    numbering = _Numbering()
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="color-scheme" content="light dark">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        f"<title>{_escaped(report.title)}</title>",
        f"<style>\n{_STYLE}</style>",
        "</head>",
        "<body>",
        "<header>",
        f"<h1>{_escaped(report.title)}</h1>",
        *(f'<p class="lead">{_linked(paragraph)}</p>' for paragraph in report.lead),
        "</header>",
        *_contents(report.sections),
        "<main>",
    ]
    for number, section in enumerate(report.sections, start=1):
        parts += _section(section, number, numbering)
    return "\n".join([*parts, "</main>", "</body>", "</html>", ""])


class _Numbering:
    """Tables and figures are counted through the whole report."""

    def __init__(self) -> None:
        self.tables = 0
        self.figures = 0


def _contents(sections: Sequence[Section]) -> list[str]:
    if len(sections) < 2:
        return []
    links = [
        f'<li><a href="#s{number}">{_escaped(section.heading)}</a></li>'
        for number, section in enumerate(sections, start=1)
    ]
    return ['<nav aria-label="Contents">', "<ol>", *links, "</ol>", "</nav>"]


def _section(section: Section, number: int, numbering: _Numbering) -> list[str]:
    parts = [
        f'<section aria-labelledby="s{number}">',
        f'<h2 id="s{number}">{_escaped(section.heading)}</h2>',
        *(f"<p>{_linked(paragraph)}</p>" for paragraph in section.text),
    ]
    for table in section.tables:
        numbering.tables += 1
        parts += _table(table, numbering.tables)
    for figure in section.figures:
        numbering.figures += 1
        parts += _figure(figure, numbering.figures)
    return [*parts, "</section>"]


def _table(table: Table, number: int) -> list[str]:
    numeric = [_is_numeric([row[column] for row in table.rows]) for column in range(len(table.header))]
    numeric[0] = False
    kinds = [' class="n"' if each else "" for each in numeric]
    head = "".join(
        f'<th scope="col"{kind}>{_escaped(name)}</th>' for name, kind in zip(table.header, kinds, strict=True)
    )
    # The frame scrolls where the page is too narrow; it can be reached and scrolled with the keyboard.
    parts = [
        f'<div class="table" role="region" tabindex="0" aria-labelledby="t{number}">',
        "<table>",
        f'<caption id="t{number}"><b>Table {number}.</b> {_linked(table.caption)}</caption>',
        f"<thead><tr>{head}</tr></thead>",
        "<tbody>",
    ]
    for row in table.rows:
        cells = "".join(
            f"<td{kind}>{_linked(cell)}</td>" for cell, kind in zip(row[1:], kinds[1:], strict=True)
        )
        parts.append(f'<tr><th scope="row">{_linked(row[0])}</th>{cells}</tr>')
    parts += ["</tbody>", "</table>", "</div>"]
    return [*parts, *(f'<p class="note">{_linked(note)}</p>' for note in table.notes)]


def _figure(figure: Figure, number: int) -> list[str]:
    data = base64.b64encode(figure.data).decode("ascii")
    return [
        f'<figure id="f{number}">',
        f'<img src="data:{_media_type(figure.data)};base64,{data}" alt="{_escaped(figure.alt)}">',
        f"<figcaption><b>Figure {number}.</b> {_linked(figure.caption)}</figcaption>",
        "</figure>",
    ]


def _media_type(data: bytes) -> str:
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.lstrip()[:5] in {b"<?xml", b"<svg "} and b"<svg" in data[:2000]:
        return "image/svg+xml"
    raise ValueError("a figure of a report is the bytes of a PNG or SVG file")


_NUMBER: Final = re.compile(
    r"[+−-]?[\d.,\u2009\u202f ]*\d\s*(%|×|s|ms|MiB|GiB)?(\s*(±|\[|\().*)?|[–—]?|n/a", re.DOTALL
)


def _is_numeric(cells: Sequence[str]) -> bool:
    """Whether a column holds numbers: with a sign, a unit or an interval, or a dash for none."""
    cells = [cell.strip() for cell in cells]
    return any(re.search(r"\d", cell) for cell in cells) and all(_NUMBER.fullmatch(cell) for cell in cells)


_FORBIDDEN: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_ADDRESS: Final = re.compile(r"https?://[^\s<>\"']*[^\s<>\"'.,;:!?)\]]")


def _escaped(text: str) -> str:
    # A file name may hold bytes that are no letters; HTML cannot.
    return html.escape(_FORBIDDEN.sub("\ufffd", text))


def _linked(text: str) -> str:
    parts, end = [], 0
    for found in _ADDRESS.finditer(text):
        address = _escaped(found[0])
        parts += [_escaped(text[end : found.start()]), f'<a href="{address}" rel="noreferrer">{address}</a>']
        end = found.end()
    return "".join([*parts, _escaped(text[end:])])


_POLICY: Final = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""Said to the browser, so that nothing is fetched even if something slipped in."""

_STYLE: Final = """\
:root {
  --page: #ffffff; --ink: #1c1c22; --quiet: #5d5d68; --line: #dcdce2; --band: #f6f6f9; --link: #0a5ea8;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #17171c; --ink: #e9e9ee; --quiet: #a3a3af; --line: #37373f; --band: #202027; --link: #7cbcff;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0 auto; padding: 2.5rem 1.25rem 5rem; max-width: 62rem; background: var(--page); color: var(--ink);
  font: 1rem/1.6 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
}
h1 { font-size: 2rem; line-height: 1.2; margin: 0 0 1rem; letter-spacing: -0.01em; text-wrap: balance; }
h2 {
  font-size: 1.35rem; line-height: 1.3; margin: 3rem 0 0.75rem; padding-top: 1rem;
  border-top: 1px solid var(--line);
}
p { max-width: 44rem; margin: 0 0 0.9rem; overflow-wrap: break-word; }
.lead { font-size: 1.1rem; }
a { color: var(--link); text-underline-offset: 0.15em; overflow-wrap: anywhere; }
nav ol { margin: 1.5rem 0 0; padding-left: 1.4rem; columns: 18rem; color: var(--quiet); }
.table { overflow-x: auto; margin: 1.5rem 0 0.5rem; }
.table:focus-visible { outline: 2px solid var(--link); outline-offset: 3px; }
table { border-collapse: collapse; min-width: min(100%, 34rem); font-size: 0.88rem; line-height: 1.35; }
caption, figcaption { text-align: left; color: var(--quiet); font-size: 0.9rem; line-height: 1.45; }
caption { padding-bottom: 0.5rem; }
caption b, figcaption b { color: var(--ink); }
th, td {
  padding: 0.34rem 0.7rem; text-align: left; vertical-align: baseline; border-bottom: 1px solid var(--line);
}
thead th { border-bottom: 1.5px solid var(--quiet); vertical-align: bottom; font-weight: 600; }
tbody th { font-weight: 500; }
th:first-child { position: sticky; left: 0; background: var(--page); max-width: 18rem; }
tbody tr:nth-child(even) > * { background: var(--band); }
.n { text-align: right; font-variant-numeric: tabular-nums; }
td.n { white-space: nowrap; }
.note { color: var(--quiet); font-size: 0.85rem; margin-bottom: 0.4rem; }
figure { margin: 1.75rem 0; }
figure img {
  display: block; max-width: 100%; height: auto; margin-bottom: 0.6rem; background: #fff; border-radius: 6px;
}
figcaption { max-width: 44rem; }
@media print {
  body { max-width: none; padding: 0; }
  figure, tr { break-inside: avoid; }
  .table { overflow: visible; }
}
"""
