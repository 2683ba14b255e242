"""``freeloc demo``: the library's demo, its table on the screen."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from freeloc.demo.run import DemoSettings


@pytest.mark.slow
def test_the_demo_prints_its_table(
    freeloc: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The real thing at toy size; the command itself has no option for it.
    toy = functools.partial(
        DemoSettings, train_scenes=4, test_scenes=1, epochs=1, backbone="efficientnet_lite0"
    )
    monkeypatch.setattr("freeloc.demo.run.DemoSettings", toy)
    answer = freeloc("demo", "--out", tmp_path / "demo", "--seed", 5)
    assert answer.code == 0
    assert "generated scenes: 1 images" in answer.out
    assert "trained on tags, fused" in answer.out
    assert "drawing 5 scenes" in answer.err
    assert (tmp_path / "demo" / "overview.jpg").is_file()


def test_a_folder_with_other_things_is_refused(freeloc: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    answer = freeloc("demo", "--out", tmp_path)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err == f"freeloc: {tmp_path} holds pictures that no demo wrote: choose another --out\n"
