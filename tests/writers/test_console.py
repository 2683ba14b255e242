"""Standard output: text on a terminal, records elsewhere."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest

from freeloc.inference.result import Localization
from freeloc.writers import WriterOptions, localization_record
from freeloc.writers.console import ConsoleWriter
from freeloc.writers.record import json_line


def printed(capsys: pytest.CaptureFixture[str], result: Localization, threshold: float, path: Path) -> str:
    with ConsoleWriter(None, WriterOptions(threshold=threshold)) as writer:
        writer.write(result, None, path, "name")
    assert writer.files == []
    return capsys.readouterr().out


def test_elsewhere_each_record_is_a_line(
    capsys: pytest.CaptureFixture[str], tiny_result: Localization
) -> None:
    record = localization_record(tiny_result, WriterOptions(threshold=0.6), image_name="a/б.jpg")
    assert printed(capsys, tiny_result, 0.6, Path("a/б.jpg")) == json_line(record).decode()


def test_on_a_terminal_present_classes_are_printed(
    capsys: pytest.CaptureFixture[str], tiny_result: Localization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(sys.stdout), "isatty", lambda _self: True, raising=False)
    result = dataclasses.replace(tiny_result, scores=np.array([1.0, -1.0, 2.0, -2.0], np.float32))
    points = [result[name] for name in ("a chair", "cat")]
    assert printed(capsys, result, 0.5, Path("b.jpg")).splitlines() == [
        "b.jpg",
        f"  a chair 0.88 at ({points[0].x:.0f}, {points[0].y:.0f})",
        f"  cat 0.73 at ({points[1].x:.0f}, {points[1].y:.0f})",
    ]
    assert printed(capsys, result, 1.0, Path("b.jpg")) == "b.jpg: nothing found\n"


def test_no_name_steers_the_terminal(
    capsys: pytest.CaptureFixture[str], tiny_result: Localization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(sys.stdout), "isatty", lambda _self: True, raising=False)
    result = dataclasses.replace(tiny_result, classes=("\x1b[31m", "b", "c", "d"))
    out = printed(capsys, result, 0.0, Path("a\x1b[2J\n.jpg"))
    assert "\x1b" not in out
    assert len(out.splitlines()) == 5
    assert out.startswith("a?[2J?.jpg\n")
