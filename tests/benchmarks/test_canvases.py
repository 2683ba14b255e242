"""The comparison of kinds of canvases shows each of them, and how it differs from freeloc's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import canvases
from benchmarks.canvases import KINDS


@pytest.mark.slow
def test_every_kind_is_measured_and_freelocs_own_differs_from_the_others(
    tiny_coco: Path, tiny_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    canvases.main(
        ["--model", str(tiny_run), "--data", str(tiny_coco), "--split", "instances", "--images", "1"]
    )
    lines = capsys.readouterr().out.splitlines()
    rows = [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in lines[2:]]
    assert [tuple(row[:2]) for row in rows] == list(KINDS)
    assert rows[0][2].startswith("0 of ")
    assert {row[2].split(" of ")[1] for row in rows} == {rows[0][2].removeprefix("0 of ")}
    changes = {tuple(row[:2]): float(row[3]) for row in rows}
    assert changes["once", "stride"] == 0
    assert changes["once", "paper"] > 0
    assert all(0 <= float(percent) <= 100 for row in rows for percent in row[4:])
