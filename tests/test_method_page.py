"""The page on the method: every statement of the paper says how faithful the code is, and names code that exists."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

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
    assert re.match(r"(exact|option|departs|open)\b", row[2]), row[2]


@pytest.mark.parametrize("row", statements(), ids=lambda row: row[0][:30])
def test_the_code_exists(row: list[str]) -> None:
    for name in re.findall(r"`([a-z_]+(?:\.[A-Za-z_]+)+)`", row[1]):
        package, *parts = f"freeloc.{name}".split(".")
        found, path = importlib.import_module(package), package
        for part in parts:
            path += f".{part}"
            found = getattr(found, part, None) or importlib.import_module(path)
