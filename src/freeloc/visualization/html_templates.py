"""Rendering of the HTML templates in ``freeloc/visualization/templates``.

Templates extend ``base.html.j2``, a self-contained page. All text is escaped, and web addresses in it do not
become links, because they may be part of a class name.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from freeloc._printable import printable_lines

__all__ = ["render_template"]


def render_template(name: str, **variables: Any) -> str:
    """Render a template; the same variables always yield the same text.

    Args:
        name: file name of the template, such as "report.html.j2".
        variables: the template's variables.
    """
    return _environment().get_template(name).render(**variables)


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("freeloc.visualization"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_make_printable,
    )


def _make_printable(value: Any) -> Any:
    """Escape control characters, many of which HTML does not allow; markup has already been checked."""
    return printable_lines(value) if isinstance(value, str) and not isinstance(value, Markup) else value
