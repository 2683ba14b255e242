"""``freeloc demo`` runs the demo and prints its table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from freeloc.demo.run import DemoSettings


@dataclass(frozen=True)
class SmallDemo(DemoSettings):
    """A real demo of a size for which the command has no option."""

    train_scenes: int = 4
    test_scenes: int = 1
    epochs: int = 1
    backbone: str = "efficientnet_lite0"


@pytest.mark.slow
def test_the_demo_prints_its_table(
    freeloc: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("freeloc.demo.run.DemoSettings", SmallDemo)
    answer = freeloc("demo", "--out", tmp_path / "demo", "--seed", 5)
    assert answer.code == 0
    assert "generated scenes: 1 images" in answer.out
    assert "trained on tags, fused" in answer.out
    assert "generating 5 scenes" in answer.err
    assert (tmp_path / "demo" / "overview.jpg").is_file()


def test_a_folder_with_other_files_is_rejected(freeloc: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "overlays").mkdir()
    answer = freeloc("demo", "--out", tmp_path)
    assert (answer.code, answer.out) == (2, "")
    assert (
        answer.err
        == f"freeloc: {tmp_path} already contains overlays, not written by a demo: choose another folder (option --out)\n"
    )
