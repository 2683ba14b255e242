"""Parse XML files safely, element by element, with line numbers and without loading them whole."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final
from xml.sax import SAXParseException
from xml.sax.handler import ContentHandler
from xml.sax.xmlreader import Locator

from defusedxml import DefusedXmlException
from defusedxml import sax as defused_sax

from freeloc.datasets.file_outline import read_beginning
from freeloc.errors import MalformedFileError
from freeloc.io.text import open_file

__all__ = ["LineHandler", "parse_xml", "root_element"]

_ROOT: Final = re.compile(r"(?:\s|<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^>]*>)*<([\w:.-]+)", re.DOTALL)


class LineHandler(ContentHandler):
    """SAX handler that knows the line number of the current element."""

    _locator: Locator | None = None

    @property
    def line(self) -> int:
        """The parser's current line number."""
        return (self._locator.getLineNumber() if self._locator else None) or 1

    def setDocumentLocator(self, locator: Locator) -> None:  # noqa: N802 - named by SAX
        """Store the locator of the parser."""
        self._locator = locator


def parse_xml(file: Path, handler: LineHandler) -> None:
    """Pass the elements of an XML file to a handler.

    Raises:
        MalformedFileError: the file is not well-formed XML, or defines entities.
        DatasetError: the file cannot be read.
    """
    try:
        with open_file(file) as content:
            defused_sax.parse(content, handler)
    except SAXParseException as error:
        raise MalformedFileError(
            file, error.getLineNumber(), f"malformed XML: {error.getMessage()}"
        ) from error
    except DefusedXmlException as error:
        raise MalformedFileError(
            file, handler.line, "the XML defines entities, which are not supported"
        ) from error
    except (LookupError, ValueError) as error:
        raise MalformedFileError(file, handler.line, f"malformed XML: {error}") from error


def root_element(file: Path) -> str:
    """Return the name of the first element of a file, from its beginning; empty if it does not begin like XML."""
    match = _ROOT.match(read_beginning(file))
    return match[1] if match else ""
