"""Standard output: text on a terminal, records elsewhere."""

from __future__ import annotations

import dataclasses
import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from freeloc.errors import OutputError
from freeloc.inference.result import Localization
from freeloc.writers import WriterOptions, localization_record
from freeloc.writers.console import ConsoleWriter
from freeloc.writers.record import json_line
from tests.hostile_names import HOSTILE, is_safe


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
    assert is_safe(out)
    assert len(out.splitlines()) == 5
    assert out.startswith("a\\x1b[2J\\n.jpg\n")


def test_a_record_is_safe_and_exact(capsys: pytest.CaptureFixture[str], tiny_result: Localization) -> None:
    """Standard output may be a pipe to a program that shows it on a terminal."""
    for name in HOSTILE.values():
        result = dataclasses.replace(tiny_result, classes=(name, "b", "c", "d"))
        out = printed(capsys, result, 0.0, Path(f"{name}.jpg"))
        record = json.loads(out)
        assert is_safe(out)
        assert record["image"] == f"{name}.jpg"
        assert {entry["name"] for entry in record["classes"]} == {name, "b", "c", "d"}


def test_a_stream_that_only_takes_text(tiny_result: Localization, monkeypatch: pytest.MonkeyPatch) -> None:
    """Notebooks replace standard output."""
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    with ConsoleWriter(None, WriterOptions()) as writer:
        writer.write(tiny_result, None, Path("б.jpg"), "name")
    assert json.loads(stream.getvalue())["image"] == "б.jpg"


def test_no_standard_output(tiny_result: Localization, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    with ConsoleWriter(None, WriterOptions()) as writer, pytest.raises(OutputError, match="it is closed"):
        writer.write(tiny_result, None, Path("a.jpg"), "name")
