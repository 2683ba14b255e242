"""The page on the method: every statement of the paper says how faithful the code is, and names code that exists."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest
import typer

from freeloc.cli import program
from freeloc.paper import ROWS

PAGE = Path(__file__).parents[1] / "docs" / "method.md"


def statements() -> list[list[str]]:
    """Return the cells of all rows of the tables that begin with the column *paper*."""
    rows: list[list[str]] = []
    inside = False
    for line in PAGE.read_text("utf-8").splitlines():
        if line.startswith("| paper | code | fidelity |"):
            inside = True
        elif not line.startswith("|"):
            inside = False
        elif inside and not line.startswith("|---"):
            rows.append([cell.strip() for cell in line.strip("|").split(" | ")])
    return rows


def test_every_table_of_statements_has_the_column() -> None:
    heads = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| paper | code")]
    assert len(heads) == 6
    assert all(line.startswith("| paper | code | fidelity |") for line in heads)
    assert len(statements()) > 20


@pytest.mark.parametrize("row", statements(), ids=lambda row: row[0][:30])
def test_fidelity(row: list[str]) -> None:
    """Each label keeps its definition at the top of the page."""
    label, colon, reason = row[2].partition(": ")
    if not colon:
        # "Exact" needs no condition: what depends on an option is none.
        assert label in {"exact", "exact as far as stated"}
        return
    assert label in {"option", "departs", "open"}
    assert reason
    if label == "option":
        assert re.search(r"`[^`]+`", reason), "the option is named"
        measured = r"\d points?\b|\d instead of \d|not measured|\]\(#resizing-and-padding\)"
        assert re.search(measured, f"{reason} {row[3]}"), "its effect is stated"


def test_the_options_exist() -> None:
    commands = typer.main.get_command(program.app).commands  # type: ignore[attr-defined]
    known = {name for command in commands.values() for item in command.params for name in item.opts}
    named = {name for row in statements() for name in re.findall(r"--[a-z0-9-]+", " ".join(row))}
    assert named <= known
    assert len(named) > 10
    rows = [words for row in statements() for words in re.findall(r"\brows? (`[^;:,|]+`)", row[2])]
    keys = {key for words in rows for key in re.findall(r"`([a-z_]+)`", words)}
    assert keys <= set(ROWS)
    assert keys >= {
        "full",
        "single_train",
        "single_test",
        "finer",
        "wider",
        "masked",
        "masked_outside",
        "detector",
    }


@pytest.mark.parametrize(
    "statement",
    [
        *("1512 classes", "OverFeat", "full images", "multi-scale training", "testing at multiple scales"),
        *(
            "wider or finer",
            "masked pooling",
            "outside the masked area",
            "confidence values of the responses",
        ),
        *("R-CNN", "Figure 5b", "footnote 1"),
    ],
)
def test_a_statement_has_its_row(statement: str) -> None:
    assert any(statement in row[0] for row in statements())


@pytest.mark.parametrize("row", statements(), ids=lambda row: row[0][:30])
def test_the_code_exists(row: list[str]) -> None:
    for name in re.findall(r"`([a-z_]+(?:\.[A-Za-z_]+)+)`", row[1]):
        package, *parts = f"freeloc.{name}".split(".")
        found, path = importlib.import_module(package), package
        for part in parts:
            path += f".{part}"
            found = getattr(found, part, None) or importlib.import_module(path)
