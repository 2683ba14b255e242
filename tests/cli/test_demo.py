"""``freeloc demo`` runs the demo and prints its table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from freeloc.demo.run import DemoSettings, run_demo


@pytest.mark.slow
def test_the_demo_prints_its_table(
    freeloc: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_small_demo(out: Path, settings: DemoSettings, **options: Any) -> Any:
        """Run the real demo at a size for which the command has no option."""
        sizes = {"train_scenes": 4, "test_scenes": 1, "epochs": 1}
        return run_demo(out, replace(settings, backbone="efficientnet_lite0", **sizes), **options)

    monkeypatch.setattr("freeloc.demo.run.run_demo", run_small_demo)
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
