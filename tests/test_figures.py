"""Measured figures agree wherever they stand: the pages are compared with docs/figures.json and docs/benchmarks.json."""

from __future__ import annotations

import json
import re
import string
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
DOCUMENT = json.loads((ROOT / "docs" / "figures.json").read_text("utf-8"))
BENCHMARKS = json.loads((ROOT / "docs" / "benchmarks.json").read_text("utf-8"))
PHRASES = [(page, phrase) for page, phrases in DOCUMENT["pages"].items() for phrase in phrases]

MEASURED = re.compile(
    r"(?<![\w.,])\d[\d,]*(?:\.\d+)?(?= ?(?:%|×|ms|MB|GB|seconds|minutes|times)(?!\w))"  # with a unit
    r"|(?<![\w.,])\d{1,2}\.\d(?![\w.]|\d)"  # percent with one digit
)
"""A figure in running text that somebody must have measured."""

NOT_MEASURED = ("95% bootstrap", "95% interval", "Python 3.1", "IoU 0.5", "IoU of 0.3", "at 0.1")


class Figure(str):
    """A figure as it is printed; the format ``mean`` leaves out its interval, and ``.0f`` rounds its mean."""

    def __format__(self, spec: str) -> str:
        mean = self.split(" [")[0]
        if spec.endswith("f"):
            return format(float(mean), spec)
        return mean if spec == "mean" else str(self)


class Names(string.Formatter):
    """Formats phrases whose fields are names with dots, such as ``{voc20.location:mean}``."""

    def __init__(self, figures: Mapping[str, Figure]) -> None:
        self.figures = figures

    def get_field(self, field_name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Any, str]:
        return self.figures[field_name], field_name


def from_benchmarks(path: Sequence[Any]) -> Figure:
    value: Any = BENCHMARKS
    for step in path:
        if isinstance(step, dict):  # the only element of a list that has these values
            wanted = {"early_exit_after": None, **step}
            (value,) = (
                item for item in value if all(item.get(key) == expected for key, expected in wanted.items())
            )
        else:
            value = value[step]
    return Figure(value)


def read_figures(entries: Mapping[str, Mapping[str, Any]]) -> dict[str, Figure]:
    figures = {}
    for name, entry in entries.items():
        if "benchmarks" in entry:
            figures[name] = from_benchmarks(entry["benchmarks"])
        elif "difference" in entry:
            more, less = (float(f"{figures[part]:mean}") for part in entry["difference"])
            figures[name] = Figure(f"{more - less:.1f}")
        else:
            figures[name] = Figure(entry["value"])
    return figures


FIGURES = read_figures(DOCUMENT["figures"])


def plain(text: str) -> str:
    """Without line breaks, comment signs and capitals."""
    return re.sub(r"\s+", " ", text).lower()


@pytest.mark.parametrize(
    ("page", "phrase"), PHRASES, ids=[f"{page}:{phrase[:40]}" for page, phrase in PHRASES]
)
def test_a_page_says_what_was_measured(page: str, phrase: str) -> None:
    expected = Names(FIGURES).format(phrase)
    assert plain(expected) in plain((ROOT / page).read_text("utf-8")), expected


def test_a_changed_figure_is_noticed() -> None:
    """Every figure is compared somewhere, and the pages do not contain it with another value."""
    subtracted = {name for entry in DOCUMENT["figures"].values() for name in entry.get("difference", ())}
    for name, figure in FIGURES.items():
        phrases = [
            (page, phrase) for page, phrase in PHRASES if re.search(rf"{{{re.escape(name)}[:}}]", phrase)
        ]
        assert phrases or name in subtracted, f"{name} is on no page"
        other = re.sub(r"\d", lambda digit: str((int(digit[0]) + 3) % 10), figure)
        changed = {**FIGURES, name: Figure(other if other != figure else f"not {figure}")}
        for page, phrase in phrases:
            text = plain((ROOT / page).read_text("utf-8"))
            assert plain(Names(changed).format(phrase)) not in text, f"{page}: {name}"


def test_every_figure_says_where_it_comes_from() -> None:
    for name, entry in DOCUMENT["figures"].items():
        assert entry.keys() in ({"value", "from"}, {"benchmarks"}, {"difference"}), name
        assert entry.get("from", "benchmarks.json").strip(), name


@pytest.mark.parametrize("page", ["README.md"])
def test_no_figure_of_the_first_page_lacks_a_source(page: str) -> None:
    text = plain(re.sub(r"```.*?```", "", (ROOT / page).read_text("utf-8"), flags=re.DOTALL))
    for phrase in DOCUMENT["pages"][page]:
        text = text.replace(plain(Names(FIGURES).format(phrase)), " … ")
    for word in NOT_MEASURED:
        text = text.replace(word.lower(), " … ")
    found = [text[max(0, match.start() - 40) : match.end() + 20] for match in MEASURED.finditer(text)]
    assert not found, f"{page}: add these figures to docs/figures.json: {found}"
