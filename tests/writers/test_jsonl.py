"""JSON Lines: a file that grows by whole lines, or the same lines on standard output."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from freeloc.errors import OutputError
from freeloc.inference.result import Localization
from freeloc.writers import WriterOptions, localization_record
from freeloc.writers.jsonl import JsonlWriter
from freeloc.writers.record import json_line

PATHS = [Path(f"album/{name}.jpg") for name in ("a", "b", "c")]


def write(writer: JsonlWriter, result: Localization, path: Path = PATHS[0]) -> None:
    writer.write(result, None, path, path.stem)


def line(result: Localization, path: Path, options: WriterOptions | None = None) -> bytes:
    return json_line(localization_record(result, options or WriterOptions(), image_name=str(path)))


def test_each_record_is_in_the_file_at_once(tmp_path: Path, tiny_result: Localization) -> None:
    folder = tmp_path / "new"
    options = WriterOptions(threshold=0.6, peaks=2, boxes=1)
    expected = b""
    with JsonlWriter(folder, options) as writer:
        for path in PATHS:
            write(writer, tiny_result, path)
            expected += line(tiny_result, path, options)
            assert (folder / "predictions.jsonl").read_bytes() == expected
            assert writer.position() == len(expected)
    assert writer.files == [folder / "predictions.jsonl"]
    assert [json.loads(each)["image"] for each in expected.splitlines()] == [str(path) for path in PATHS]
    assert [each.name for each in folder.iterdir()] == ["predictions.jsonl"]


def test_the_files_of_other_writers_are_listed(tmp_path: Path, tiny_result: Localization) -> None:
    with JsonlWriter(tmp_path, WriterOptions()) as writer:
        writer.image_files = (tmp_path / "overlays" / "a.jpg", tmp_path / "maps" / "a.npz")
        write(writer, tiny_result)
    record = json.loads((tmp_path / "predictions.jsonl").read_text())
    assert record["files"] == ["overlays/a.jpg", "maps/a.npz"]


def test_an_error_keeps_the_records_and_its_kind(tmp_path: Path, tiny_result: Localization) -> None:
    def block() -> None:
        with JsonlWriter(tmp_path, WriterOptions()) as writer:
            write(writer, tiny_result)
            raise PermissionError("of the block")

    with pytest.raises(PermissionError, match="of the block"):
        block()
    assert (tmp_path / "predictions.jsonl").read_bytes() == line(tiny_result, PATHS[0])


def test_another_writer_continues_after_the_last_complete_record(
    tmp_path: Path, tiny_result: Localization
) -> None:
    with JsonlWriter(tmp_path, WriterOptions()) as writer:
        write(writer, tiny_result)
        position = writer.position()
        write(writer, tiny_result, PATHS[2])
    path = tmp_path / "predictions.jsonl"
    path.write_bytes(path.read_bytes()[:-7])
    continued = JsonlWriter(tmp_path, WriterOptions())
    assert continued.can_resume()
    continued.resume(position)
    with continued:
        write(continued, tiny_result, PATHS[1])
    assert path.read_bytes() == line(tiny_result, PATHS[0]) + line(tiny_result, PATHS[1])


def test_writing_to_a_file_needs_the_with_block(tmp_path: Path, tiny_result: Localization) -> None:
    writer = JsonlWriter(tmp_path, WriterOptions())
    with pytest.raises(ValueError, match="with block"):
        write(writer, tiny_result)
    with writer:
        pass
    with pytest.raises(ValueError, match="with block"):
        write(writer, tiny_result)
    assert (tmp_path / "predictions.jsonl").read_bytes() == b""


def test_without_a_folder_the_records_are_printed(
    tiny_result: Localization, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even on a terminal, because the user has chosen this format."""
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    with JsonlWriter(None, WriterOptions()) as writer:
        write(writer, tiny_result)
    assert writer.files == []
    assert capsys.readouterr().out.encode() == line(tiny_result, PATHS[0])


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "predictions.jsonl").mkdir()
    with (
        pytest.raises(OutputError, match=r"cannot write .*predictions\.jsonl"),
        JsonlWriter(tmp_path, WriterOptions()),
    ):
        pass
    assert [each.name for each in tmp_path.iterdir()] == ["predictions.jsonl"]
