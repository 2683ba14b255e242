"""Writers that need nothing but records, shown with two small ones."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from freeloc.errors import OutputError
from freeloc.inference.boxes import BoxOptions
from freeloc.inference.result import Localization
from freeloc.io.atomic import write_text
from freeloc.writers import WriterOptions
from freeloc.writers.image_record import ImageRecord, parse_record
from freeloc.writers.record import localization_record
from freeloc.writers.record_writer import CollectedRecords, CollectingWriter, RecordWriter
from tests.writers.image_records import class_record, image_record, mug_record


class Counts(CollectingWriter):
    """The number of images, the names of the classes, and the images twice."""

    name: ClassVar[str] = "counts"
    place: ClassVar[str | None] = "counts.json"

    def check_record(self, record: ImageRecord) -> None:
        if record.image == "refused":
            raise OutputError("refused cannot be written")

    def write_all(self, records: CollectedRecords) -> None:
        names = [(record.image, name) for record, name in records]
        again = [(record.image, name) for record, name in records]
        path = self.path_of("counts.json")
        write_text(path, json.dumps([len(records), records.names, names, names == again]))
        self.files.append(path)


class Kept(RecordWriter):
    """A writer that keeps the records in memory."""

    name: ClassVar[str] = "kept"
    needs_boxes: ClassVar[bool] = True

    def __init__(self, folder: Path | None, options: WriterOptions) -> None:
        super().__init__(folder, options)
        self.kept: list[tuple[ImageRecord, str]] = []

    def write_record(self, record: ImageRecord, name: str) -> None:
        self.kept.append((record, name))


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_result_is_written_as_its_record(tiny_result: Localization, tmp_path: Path) -> None:
    writer = Kept(tmp_path, WriterOptions(boxes=2, peaks=3, threshold=0.4, masks=True))
    writer.write(tiny_result, None, Path("album/a.jpg"), "a")
    ((record, name),) = writer.kept
    assert name == "a"
    assert record == parse_record(
        localization_record(tiny_result, writer.options, image_name=str(Path("album/a.jpg")))
    )
    assert {each.name: len(each.boxes or ()) for each in record.classes} == {
        name: len(tiny_result.boxes(name, count=2)) for name in tiny_result.classes
    }
    assert all((each.mask is not None) == each.present for each in record.classes)
    assert any(each.mask is not None for each in record.classes)


def test_a_format_of_boxes_gets_boxes_unless_their_number_is_given(tmp_path: Path) -> None:
    assert Kept(tmp_path, WriterOptions()).options.boxes == BoxOptions().max_boxes
    assert Kept(tmp_path, WriterOptions(boxes=2)).options.boxes == 2
    assert Counts(tmp_path, WriterOptions()).options.boxes == 0


def test_records_are_read_as_often_as_needed(tmp_path: Path) -> None:
    with Counts(tmp_path, WriterOptions()) as writer:
        for number in range(3):
            writer.write_record(mug_record(f"{number}.jpg"), f"n{number}")
        assert names_in(tmp_path) == {"counts.unfinished.jsonl"}
    assert names_in(tmp_path) == {"counts.json"}
    pairs = [[f"{number}.jpg", f"n{number}"] for number in range(3)]
    assert json.loads((tmp_path / "counts.json").read_text()) == [3, ["lamp", "mug"], pairs, True]
    assert writer.files == [tmp_path / "counts.json"]


def test_collected_records_are_unchanged(tmp_path: Path) -> None:
    record = image_record(
        "caf\udce9/собака.jpg",
        class_record("a", 1, boxes=None, mask=np.ones((120, 80), np.bool_)),
        class_record("b", 0, 0.1, boxes=[(1.25, 2, 3, 4, 0.5)], peaks=[(1, 2, 0.5), (3, 4, 0.25)]),
    )
    record = dataclasses.replace(record, files=("overlays/a.jpg",))
    found: list[ImageRecord] = []

    class Collect(Counts):
        def write_all(self, records: CollectedRecords) -> None:
            found.extend(record for record, _ in records)

    with Collect(tmp_path, WriterOptions()) as writer:
        writer.write_record(record, "n")
    assert found == [record]


def test_without_a_record_nothing_is_written(tmp_path: Path) -> None:
    with Counts(tmp_path, WriterOptions()) as writer:
        pass
    assert writer.files == []
    assert names_in(tmp_path) == set()


def test_an_error_leaves_nothing_unless_somebody_continues(tmp_path: Path) -> None:
    with pytest.raises(KeyError), Counts(tmp_path / "alone", WriterOptions()) as writer:
        writer.write_record(mug_record("a.jpg"), "a")
        raise KeyError
    assert names_in(tmp_path / "alone") == set()

    listed: dict[Path, bool] = {}
    writer = Counts(tmp_path / "listed", WriterOptions())
    writer.on_new_file = listed.__setitem__
    with pytest.raises(KeyError), writer:
        writer.write_record(mug_record("a.jpg"), "a")
        position = writer.position()
        writer.write_record(mug_record("b.jpg"), "b")
        raise KeyError
    assert listed == {tmp_path / "listed" / "counts.unfinished.jsonl": True}
    continued = Counts(tmp_path / "listed", WriterOptions())
    continued.on_new_file = listed.__setitem__
    continued.resume(position)
    with continued:
        continued.write_record(mug_record("c.jpg"), "c")
    assert json.loads((tmp_path / "listed" / "counts.json").read_text())[2] == [
        ["a.jpg", "a"],
        ["c.jpg", "c"],
    ]
    assert listed[tmp_path / "listed" / "counts.json"] is False


def test_a_prediction_that_only_lacks_the_files_is_continued(tmp_path: Path) -> None:
    """A process may have been killed after its last image, before the files were written."""
    writer = Counts(tmp_path, WriterOptions())
    writer.on_new_file = lambda path, temporary: None
    with pytest.raises(KeyError), writer:
        writer.write_record(mug_record("a.jpg"), "a")
        position = writer.position()
        raise KeyError
    continued = Counts(tmp_path, WriterOptions())
    continued.resume(position)
    with continued:
        pass
    assert json.loads((tmp_path / "counts.json").read_text())[:2] == [1, ["lamp", "mug"]]


@pytest.mark.parametrize("damage", [b"[]\n", b"{\n", b'["a", {}]\n', b'["a", 1]\n'])
def test_a_damaged_unfinished_file_is_named(damage: bytes, tmp_path: Path) -> None:
    (tmp_path / "counts.unfinished.jsonl").write_bytes(damage)
    writer = Counts(tmp_path, WriterOptions())
    writer.resume(len(damage))
    with pytest.raises(OutputError, match=r"cannot write .*counts\.unfinished\.jsonl"), writer:
        pass


def test_what_a_format_cannot_hold_is_refused_at_once(tmp_path: Path) -> None:
    with (
        pytest.raises(OutputError, match="refused cannot be written"),
        Counts(tmp_path, WriterOptions()) as writer,
    ):
        writer.write_record(mug_record("a.jpg"), "a")
        writer.write_record(mug_record("refused"), "b")
    assert names_in(tmp_path) == set()


def test_writers_are_used_in_their_block_and_with_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a Counts can only write inside its with block"):
        Counts(tmp_path, WriterOptions()).write_record(mug_record("a.jpg"), "a")
    with pytest.raises(ValueError, match="'counts' has no output folder"), Counts(None, WriterOptions()):
        pass
