"""The exit codes that docs/command-line.md lists."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from freeloc.errors import DatasetError

CODES: dict[int, BaseException | None] = {
    0: None,
    1: ZeroDivisionError(),
    2: DatasetError("the data has a problem"),
    130: KeyboardInterrupt(),
    141: BrokenPipeError(),
}


def test_the_page_lists_all_codes() -> None:
    page = Path(__file__).parents[2].joinpath("docs", "command-line.md").read_text("utf-8")
    section = page.split("## Exit codes")[1]
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", section, re.MULTILINE)] == list(CODES)


@pytest.mark.parametrize("code", CODES)
def test_the_code_after(freeloc: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    error = CODES[code]

    def end(*_: object, **__: object) -> list[Any]:
        if error is not None:
            raise error
        return []

    monkeypatch.setattr("freeloc.models.catalog.list_models", end)
    if code == 1:  # Python prints the traceback and ends with this code
        with pytest.raises(ZeroDivisionError):
            freeloc("models")
        return
    answer = freeloc("models")
    assert answer.code == code
    assert "Traceback" not in answer.err
