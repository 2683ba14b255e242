"""The comparison of boxes with detail features and boxes from maps alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import boxes


@pytest.mark.slow
def test_both_kinds_of_boxes_and_their_difference_are_printed(
    tiny_coco: Path, tiny_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    boxes.main(["--model", str(tiny_run), "--data", str(tiny_coco), "--split", "instances", "--images", "3"])
    lines = capsys.readouterr().out.splitlines()
    rows = {
        line.split("|")[1].strip(): [cell.strip() for cell in line.split("|")[2:-1]] for line in lines[2:]
    }
    assert list(rows) == ["maps alone", "with detail features", "difference"]
    values = {name: [float(cell.split()[0]) for cell in cells[:3]] for name, cells in rows.items()}
    for maps, detail, difference in zip(*values.values(), strict=True):
        assert 0 <= maps <= 100
        assert detail - maps == pytest.approx(difference, abs=0.11)
    assert all(float(cell) > 0 for name in list(rows)[:2] for cell in rows[name][3:5])
