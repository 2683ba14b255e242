"""The templates: included in the package, strict, and with automatic escaping."""

from __future__ import annotations

from importlib import resources

import jinja2
import pytest

from freeloc.visualization.html_templates import _environment, render_template

NAMES = sorted(each.name for each in resources.files("freeloc.visualization").joinpath("templates").iterdir())


def test_every_template_compiles() -> None:
    assert {"base.html.j2", "gallery.html.j2", "report.html.j2"} <= set(NAMES)
    assert sorted(_environment().list_templates()) == NAMES
    for name in NAMES:
        _environment().get_template(name)


def test_the_base_is_a_page_of_its_own() -> None:
    page = render_template("base.html.j2", title="<b>", lead=["see https://a.org/?a&b."], headings=[])
    assert "<a " not in page
    assert page.startswith("<!DOCTYPE html>\n")
    assert page.endswith("</html>\n")
    assert "<title>&lt;b&gt;</title>" in page
    assert '<p class="lead">see https://a.org/?a&amp;b.</p>' in page
    assert "default-src 'none'" in page
    assert "<nav" not in page


def test_a_variable_left_out_is_an_error() -> None:
    with pytest.raises(jinja2.UndefinedError, match="title"):
        render_template("base.html.j2", lead=[], headings=[])
