"""The image-level labels of Open Images."""

from __future__ import annotations

from pathlib import Path

import pytest

from freeloc.datasets import open_dataset
from freeloc.errors import DatasetError
from tests.datasets.datumaro_export import export
from tests.datasets.tool_files import format_of, labels_of, problems_of, write_image

IDS = ("000060e3121c7305", "000a1249af2bc5f0", "0001eeaf4aed83f9")
HEADER = "ImageID,Source,LabelName,Confidence"
NAMES = 'LabelName,DisplayName\n/m/0bt9lr,Dog\n/m/01yrx,Cat\n/m/0cgh4,"Salt, pepper"\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "oid"
    for number, image_id in enumerate(IDS):
        write_image(root / ("train" if number < 2 else "validation") / f"{image_id}.jpg")
    (root / "oidv7-class-descriptions.csv").write_text(NAMES)
    write_labels(root, "train", f"{IDS[0]},verification,/m/0bt9lr,1", f"{IDS[0]},verification,/m/01yrx,0")
    rows = f"{IDS[2]},crowdsource-verification,/m/01yrx,1.0", "ffffffffffffffff,verification,/m/0cgh4,1"
    write_labels(root, "validation", *rows)
    return root


def write_labels(root: Path, split: str, *rows: str, header: str = HEADER) -> Path:
    file = root / f"oidv7-{split}-annotations-human-imagelabels.csv"
    file.write_text("\n".join([header, *rows]) + "\n")
    return file


def test_verified_labels_are_known_and_all_others_unknown(folder: Path) -> None:
    data = open_dataset(folder, boxes=True)
    assert data.name == "oid"
    assert labels_of(data) == {
        f"{IDS[0]}.jpg": {"Dog": 1, "Cat": -1},
        f"{IDS[2]}.jpg": {"Dog": 0, "Cat": 1},
    }
    assert [sample.split for sample in data] == ["train", "validation"]
    assert not data.has_boxes
    assert format_of(folder) == "OpenImagesFormat"
    assert len(open_dataset(folder, split="validation")) == 1
    chosen = open_dataset(folder, classes=["Cat", "Salt, pepper"])
    assert chosen.labels.tolist() == [[-1, 0], [1, 0]]


def test_one_file_is_read_with_images_elsewhere(folder: Path, tmp_path: Path) -> None:
    (folder / "validation").rename(tmp_path / "pictures")
    file = folder / "oidv7-validation-annotations-human-imagelabels.csv"
    assert format_of(file) == "OpenImagesFormat"
    assert len(open_dataset(file, images=tmp_path / "pictures")) == 1
    (problem,) = problems_of(file)
    message = f"none of the listed images is in {folder}: set images to the folder of the images"
    assert (problem.kind, problem.message) == ("missing_image", message)


def test_machine_labels_and_contradictions_are_unknown(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [f"{IDS[0]},verification,/m/0bt9lr,1", f"{IDS[0]},crowdsource-verification,/m/0bt9lr,0"]
    rows += [f"{IDS[1]},machine,/m/0bt9lr,0.9", f"{IDS[1]},verification,/m/01yrx,1"]
    write_labels(folder, "train", *rows)
    labels = labels_of(open_dataset(folder, split="train"))
    assert labels == {f"{IDS[0]}.jpg": {"Dog": 0, "Cat": 0}, f"{IDS[1]}.jpg": {"Dog": 0, "Cat": 1}}
    assert "left out 1 label of a machine, which nobody verified" in caplog.text


def test_labels_without_a_name_keep_their_id(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    names = folder / "oidv7-class-descriptions.csv"
    names.write_text("/m/0bt9lr,Dog\n")  # older versions have no header
    assert open_dataset(folder).classes == ("/m/01yrx", "Dog")
    assert "the class descriptions lack 1 label, such as /m/01yrx" in caplog.text
    names.unlink()
    assert open_dataset(folder).classes == ("/m/01yrx", "/m/0bt9lr")
    assert "put class-descriptions.csv there to read the names of classes" in caplog.text


def test_bad_rows_are_reported_together(folder: Path) -> None:
    rows = [f"{IDS[0]},verification,/m/0bt9lr,yes", f"{IDS[0]},verification,/m/01yrx", f"{IDS[1]},x,,1"]
    file = write_labels(folder, "train", *rows, f"{IDS[1]},x,/m/01yrx,-1", "unknown,x,,bad")
    found = [(problem.kind, problem.file, problem.line) for problem in problems_of(folder)]
    assert found == [
        ("bad_value", file, 2),
        ("malformed_row", file, 3),
        ("bad_value", file, 4),
        ("bad_value", file, 5),
    ]
    (first, *_) = problems_of(folder)
    assert first.message == "LabelName and Confidence are '/m/0bt9lr' and 'yes', not a class and 0 or 1"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the header has no columns ImageID, LabelName and Confidence: download the file again"),
        (b"ImageID,Label\n", "the header has no columns ImageID, LabelName and Confidence"),
        (HEADER.encode() + b"\n\xff,x,y,1\n", "the text is not UTF-8"),
        (HEADER.encode() + b'\na,b,"' + b"x" * 200_000 + b'",1\n', "malformed CSV: field larger"),
    ],
)
def test_a_bad_file_is_reported_once(folder: Path, content: bytes, message: str) -> None:
    file = write_labels(folder, "train")
    file.write_bytes(content)
    (problem,) = problems_of(file, format="open_images")
    assert (problem.kind, problem.file) == ("malformed_file", file)
    assert message in problem.message


def test_a_file_without_labels_is_logged(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = write_labels(folder, "validation")
    open_dataset(folder)
    assert f"{file} contains no labels" in caplog.messages


def test_bad_files_are_reported_together(folder: Path) -> None:
    """A list whose header is damaged must not be passed over, because its images would be missing."""
    train = write_labels(folder, "train", f"{IDS[0]},verification,/m/0bt9lr,1")
    validation = write_labels(folder, "validation", f"{IDS[1]},verification,/m/0bt9lr,1")
    validation.write_text(validation.read_text()[5:])
    descriptions = folder / "oidv7-class-descriptions.csv"
    descriptions.write_bytes(b"\xff\n")
    assert [(problem.file, problem.line) for problem in problems_of(folder)] == [
        (descriptions, 1),
        (validation, 1),
    ]
    train.write_bytes(b"")
    assert len(problems_of(folder, format="open_images")) == 3


def test_bad_class_descriptions_are_reported(folder: Path) -> None:
    (folder / "oidv7-class-descriptions.csv").write_text("/m/0bt9lr,Dog,x\n")
    (problem,) = problems_of(folder)
    assert (problem.line, problem.message) == (1, "the row has 3 cells instead of a label and its name")


def test_boxes_are_no_image_level_labels(tmp_path: Path) -> None:
    file = tmp_path / "train-annotations-bbox.csv"
    file.write_text("ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax\n")
    assert format_of(file) == "TagListFormat"
    with pytest.raises(DatasetError, match="has no labels of Open Images"):
        open_dataset(tmp_path, format="open_images")


def test_datumaro_writes_what_is_read(tmp_path: Path) -> None:
    labels = labels_of(open_dataset(export(tmp_path / "exported", "open_images")))
    assert labels == {"a.jpg": {"dog": 1, "cat": 1}, "c.jpg": {"dog": 0, "cat": 1}}  # b has no label
