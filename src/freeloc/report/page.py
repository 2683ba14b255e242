"""One self-contained HTML page of tables and figures: no scripts, no fonts, nothing that has to be fetched."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path

from freeloc.atomic import write_text

__all__ = ["Figure", "Page", "Section", "Table", "write_page"]


@dataclass(frozen=True, slots=True)
class Table:
    """A table of words.

    Attributes:
        caption: what it shows.
        header: one heading per column.
        rows: as many words in each; the first names the row.
        note: below it.
    """

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Figure:
    """A picture.

    Attributes:
        png: its file.
        alt: what it shows, for whoever cannot see it.
        caption: below it.
    """

    png: bytes
    alt: str
    caption: str


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page, shown in the order text, tables, figures.

    Attributes:
        heading: its title.
        text: paragraphs.
        tables: tables.
        figures: pictures.
    """

    heading: str
    text: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    figures: tuple[Figure, ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """A whole report.

    Attributes:
        title: its title.
        lead: paragraphs under it.
        sections: what follows.
    """

    title: str
    lead: tuple[str, ...]
    sections: tuple[Section, ...]


_STYLE = """
:root { color-scheme: light dark; --line: #8885; --quiet: #667; }
@media (prefers-color-scheme: dark) { :root { --quiet: #99a; } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2 { line-height: 1.2; }
h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line); padding-bottom: .3rem; }
.wide { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--quiet); padding-bottom: .4rem; }
th, td { padding: .25rem .7rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
td.number { text-align: right; white-space: nowrap; }
tbody th { position: sticky; left: 0; background: Canvas; font-weight: 500; }
figure { margin: 1.5rem 0; }
figure img { max-width: 100%; height: auto; background: #fff; }
figcaption, .note { color: var(--quiet); font-size: .9rem; }
nav { columns: 2; font-size: .95rem; }
"""


def write_page(path: Path, page: Page) -> None:
    """Write a page as a whole.

    Raises:
        FreelocError: the place cannot be written to.
    """
    write_text(path, "\n".join(_lines(page)) + "\n")


def _lines(page: Page) -> Iterator[str]:
    yield "<!doctype html>"
    yield f'<html lang="en"><head><meta charset="utf-8"><title>{escape(page.title)}</title>'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<style>{_STYLE}</style></head><body>"
    yield f"<h1>{escape(page.title)}</h1>"
    yield from (f"<p>{escape(text)}</p>" for text in page.lead)
    links = (
        f'<li><a href="#part{number}">{escape(part.heading)}</a></li>' for number, part in _numbered(page)
    )
    yield f"<nav><ol>{''.join(links)}</ol></nav>"
    for number, part in _numbered(page):
        yield f'<section id="part{number}"><h2>{escape(part.heading)}</h2>'
        yield from (f"<p>{escape(text)}</p>" for text in part.text)
        for table in part.tables:
            yield from _table(table)
        for figure in part.figures:
            yield _figure(figure)
        yield "</section>"
    yield "</body></html>"


def _numbered(page: Page) -> Iterator[tuple[int, Section]]:
    return iter(enumerate(page.sections, start=1))


def _table(table: Table) -> Iterator[str]:
    yield f'<div class="wide"><table><caption>{escape(table.caption)}</caption>'
    yield f"<thead><tr>{''.join(f'<th>{escape(word)}</th>' for word in table.header)}</tr></thead><tbody>"
    for first, *others in table.rows:
        cells = "".join(_cell(word) for word in others)
        yield f"<tr><th>{escape(first)}</th>{cells}</tr>"
    yield "</tbody></table></div>"
    if table.note:
        yield f'<p class="note">{escape(table.note)}</p>'


def _cell(word: str) -> str:
    number = word[:1] in {"+", "-", "−", "–"} or word[:1].isdigit()
    kind = ' class="number"' if number else ""
    return f"<td{kind}>{escape(word)}</td>"


def _figure(figure: Figure) -> str:
    data = base64.b64encode(figure.png).decode()
    image = f'<img src="data:image/png;base64,{data}" alt="{escape(figure.alt, quote=True)}">'
    return f"<figure>{image}<figcaption>{escape(figure.caption)}</figcaption></figure>"
