"""The comparison of masks with the exact pixels of generated objects."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import masks


@pytest.mark.slow
def test_one_row_per_level(tiny_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    masks.main(["--model", str(tiny_run), "--scenes", "2"])
    lines = capsys.readouterr().out.splitlines()
    rows = [[float(cell) for cell in line.strip("|").split("|")] for line in lines[2:]]
    assert tuple(row[0] for row in rows) == masks.LEVELS
    assert all(0 <= value <= 100 for row in rows for value in row[1:])
