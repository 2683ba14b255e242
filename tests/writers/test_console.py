"""Standard output: a table on a terminal, records elsewhere."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from freeloc.errors import OutputError
from freeloc.inference.result import Localization
from freeloc.io.terminal_graphics import TerminalGraphics
from freeloc.writers import WriterOptions, console, localization_record
from freeloc.writers.console import ConsoleWriter
from freeloc.writers.console_table import render_record
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


def test_on_a_terminal_a_table_is_printed(
    capsys: pytest.CaptureFixture[str], tiny_result: Localization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(sys.stdout), "isatty", lambda _self: True, raising=False)
    monkeypatch.setenv("COLUMNS", "70")
    record = localization_record(tiny_result, WriterOptions(threshold=0.6), image_name="a/б.jpg")
    expected = render_record(record, width=70, encoding="utf-8")
    assert printed(capsys, tiny_result, 0.6, Path("a/б.jpg")) == expected


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


def test_pictures_on_a_terminal_that_shows_them(
    capsys: pytest.CaptureFixture[str], tiny_result: Localization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(sys.stdout), "isatty", lambda _self: True, raising=False)
    monkeypatch.setattr(console, "terminal_graphics", lambda _stream: TerminalGraphics("iterm2", 20))
    image = Image.new("RGB", (90, 60), (40, 90, 60))
    texts = []
    for options in (WriterOptions(), WriterOptions(boxes=3), WriterOptions(pictures="no")):
        with ConsoleWriter(None, options) as writer:
            assert writer.needs_image == (options.pictures == "auto")
            writer.write(tiny_result, image if writer.needs_image else None, Path("b.jpg"), "b")
        texts.append(capsys.readouterr().out)
    tables = [text.rsplit("\x07\n", 1)[-1] for text in texts]
    assert tables[0] == tables[2] == texts[2]
    assert texts[0].startswith("\x1b]1337;File=inline=1;")
    data = texts[0].split(":", 1)[1].split("\x07")[0]
    with Image.open(io.BytesIO(base64.b64decode(data))) as shown:
        assert shown.size == (270, 180)
        yellow = (np.asarray(shown).astype(int) @ [1, 1, -1] > 350).any()
    assert yellow
    assert data != texts[1].split(":", 1)[1].split("\x07")[0]


def test_no_pictures_where_no_terminal_is(
    capsys: pytest.CaptureFixture[str], tiny_result: Localization
) -> None:
    with ConsoleWriter(None, WriterOptions()) as writer:
        assert not writer.needs_image
        writer.write(tiny_result, None, Path("b.jpg"), "b")
    assert json.loads(capsys.readouterr().out)["image"] == "b.jpg"
