"""Rendering of the HTML templates in ``freeloc/visualization/templates``.

Templates extend ``base.html.j2``, a self-contained page. All text is escaped; the filter ``link`` escapes text and
turns web addresses into links.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

__all__ = ["render_template"]

_NOT_IN_HTML: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
"""Characters that HTML does not allow: noncharacters, control characters, and lone surrogates, such as those in
file names that are not valid UTF-8."""

_ADDRESS: Final = re.compile(r"https?://[^\s<>\"']*[^\s<>\"'.,;:!?)\]]")


def render_template(name: str, **variables: Any) -> str:
    """Render a template; the same variables always yield the same text.

    Args:
        name: file name of the template, such as "report.html.j2".
        variables: the template's variables.
    """
    return _environment().get_template(name).render(**variables)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("freeloc.visualization"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_replace_invalid,
    )
    environment.filters["link"] = _link
    return environment


def _replace_invalid(value: Any) -> Any:
    """Replace characters that HTML does not allow; markup is not changed, because it has already been checked."""
    return (
        _NOT_IN_HTML.sub("\ufffd", value)
        if isinstance(value, str) and not isinstance(value, Markup)
        else value
    )


def _link(text: str) -> Markup:
    """Escape text and turn the web addresses in it into links."""
    text = _replace_invalid(text)
    parts, end = [], 0
    for match in _ADDRESS.finditer(text):
        parts.append(escape(text[end : match.start()]))
        parts.append(Markup('<a href="{0}" rel="noreferrer">{0}</a>').format(match[0]))
        end = match.end()
    return Markup("").join([*parts, escape(text[end:])])
