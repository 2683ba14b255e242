"""The comparison of masks with the exact pixels of generated objects."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import masks
from freeloc.demo.scenes import Scene, SceneSettings, draw_scene


@pytest.mark.slow
def test_one_row_per_level(
    tiny_run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[int] = []

    def draw(index: int, settings: SceneSettings) -> Scene:
        drawn.append(index)
        return draw_scene(index, settings)

    monkeypatch.setattr(masks, "draw_scene", draw)
    masks.main(["--model", str(tiny_run), "--scenes", "2", "--first", "70"])
    assert drawn == [70, 71]
    lines = capsys.readouterr().out.splitlines()
    rows = [[float(cell) for cell in line.strip("|").split("|")] for line in lines[2:]]
    assert tuple(row[0] for row in rows) == masks.LEVELS
    assert all(0 <= value <= 100 for row in rows for value in row[1:])
