"""JSON Lines: a file that is complete or absent."""

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


def test_one_line_per_record(tmp_path: Path, tiny_result: Localization) -> None:
    folder = tmp_path / "new"
    options = WriterOptions(threshold=0.6, peaks=2, boxes=1)
    with JsonlWriter(folder, options) as writer:
        for path in PATHS:
            write(writer, tiny_result, path)
        assert not (folder / "predictions.jsonl").exists()
        assert writer.files == []
    assert writer.files == [folder / "predictions.jsonl"]
    lines = writer.files[0].read_bytes().splitlines(keepends=True)
    records = [localization_record(tiny_result, options, image_name=str(path)) for path in PATHS]
    assert lines == [json_line(record) for record in records]
    assert [json.loads(line) for line in lines] == records
    assert [each.name for each in folder.iterdir()] == ["predictions.jsonl"]


def test_an_error_leaves_no_file(tmp_path: Path, tiny_result: Localization) -> None:
    writer = JsonlWriter(tmp_path, WriterOptions())

    def block() -> None:
        with writer:
            write(writer, tiny_result)
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        block()
    assert list(tmp_path.iterdir()) == []
    assert writer.files == []


def test_an_error_leaves_the_old_file_and_keeps_its_kind(tmp_path: Path, tiny_result: Localization) -> None:
    path = tmp_path / "predictions.jsonl"
    path.write_text("old\n")

    def block() -> None:
        with JsonlWriter(tmp_path, WriterOptions()) as writer:
            write(writer, tiny_result)
            raise PermissionError("of the block")

    with pytest.raises(PermissionError, match="of the block"):
        block()
    assert path.read_text() == "old\n"
    with JsonlWriter(tmp_path, WriterOptions()) as writer:
        write(writer, tiny_result)
    assert path.read_bytes() == json_line(localization_record(tiny_result, image_name=str(PATHS[0])))
    assert [each.name for each in tmp_path.iterdir()] == ["predictions.jsonl"]


def test_writing_needs_the_with_block(tmp_path: Path, tiny_result: Localization) -> None:
    writer = JsonlWriter(tmp_path, WriterOptions())
    with pytest.raises(ValueError, match="with block"):
        write(writer, tiny_result)
    with writer:
        pass
    with pytest.raises(ValueError, match="with block"):
        write(writer, tiny_result)
    assert (tmp_path / "predictions.jsonl").read_bytes() == b""


def test_a_place_that_cannot_be_written(tmp_path: Path, tiny_result: Localization) -> None:
    (tmp_path / "predictions.jsonl").mkdir()
    with (
        pytest.raises(OutputError, match=r"cannot write .*predictions\.jsonl"),
        JsonlWriter(tmp_path, WriterOptions()) as writer,
    ):
        write(writer, tiny_result)
    assert [each.name for each in tmp_path.iterdir()] == ["predictions.jsonl"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_reported(tmp_path: Path, tiny_result: Localization) -> None:
    writer = JsonlWriter(tmp_path, WriterOptions())

    def block() -> None:
        with writer:
            assert writer._file is not None
            writer._file.close()
            writer._file = Path("/dev/full").open("wb", buffering=0)  # noqa: SIM115
            write(writer, tiny_result)

    with pytest.raises(OutputError, match=r"predictions\.jsonl: No space left"):
        block()
    assert list(tmp_path.iterdir()) == []
