"""Roboflow's multi-label CSV."""

from __future__ import annotations

from pathlib import Path

import pytest

from freeloc.datasets import open_dataset
from freeloc.errors import DatasetError
from tests.datasets.tool_files import format_of, labels_of, problems_of, write_image

HEADER = "filename, dog, salt and pepper, gnu"


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """An export with three splits, with blanks after the commas of the header as Roboflow writes them."""
    folder = tmp_path / "pets.v1i.multiclass"
    rows = {
        "train": ["a.jpg, 1, 0, 0", "b.jpg, 1, 1, 0"],
        "valid": ["c.jpg, 0, 0, 0"],
        "test": ["d.jpg, 0, 0, 1"],
    }
    for split, lines in rows.items():
        for line in lines:
            write_image(folder / split / line.split(",")[0])
        write_list(folder / split, *lines)
    (folder / "README.dataset.txt").write_text("pets")
    return folder


def write_list(folder: Path, *rows: str, header: str = HEADER) -> Path:
    file = folder / "_classes.csv"
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join([header, *rows]) + "\n")
    return file


def test_all_splits_are_read(export: Path) -> None:
    data = open_dataset(export)
    assert (data.name, data.classes) == (export.name, ("dog", "salt and pepper", "gnu"))
    assert {sample.path.name: sample.split for sample in data} == {
        "d.jpg": "test", "a.jpg": "train", "b.jpg": "train", "c.jpg": "valid"
    }  # fmt: skip
    assert labels_of(data)["b.jpg"] == {"dog": 1, "salt and pepper": 1, "gnu": -1}
    assert not data.has_boxes
    assert format_of(export) == "RoboflowFormat"
    train = open_dataset(export, split="train", classes=["gnu", "dog"], boxes=True)
    assert (train.classes, train.labels.tolist()) == (("gnu", "dog"), [[-1, 1], [-1, 1]])


def test_a_list_without_images_is_logged(export: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = write_list(export / "valid")
    assert len(open_dataset(export)) == 3
    assert caplog.messages == [f"{file} lists no images"]


def test_a_list_that_is_cut_off_in_its_header_is_a_problem(export: Path) -> None:
    file = export / "train" / "_classes.csv"
    file.write_text("filename")
    (problem,) = problems_of(export)
    assert (problem.file, problem.line) == (file, 1)
    assert problem.message.startswith(
        "the header needs a column 'filename' and a column with a name for each class"
    )


def test_one_list_is_read(export: Path) -> None:
    assert format_of(export / "train" / "_classes.csv") == "RoboflowFormat"
    for path in (export / "train", export / "train" / "_classes.csv"):
        data = open_dataset(path)
        assert (data.name, len(data), data.classes[0]) == ("train", 2, "dog")


def test_images_can_be_in_another_folder(export: Path, tmp_path: Path) -> None:
    for split in ("train", "valid", "test"):
        (export / split).rename(tmp_path / split)
        write_list(export / split, *(tmp_path / split / "_classes.csv").read_text().splitlines()[1:])
    assert open_dataset(export, images=tmp_path).samples[1].path == tmp_path / "train" / "a.jpg"
    missing = problems_of(export)
    assert {problem.kind for problem in missing} == {"missing_image"}


def test_a_class_without_column_is_unknown_in_that_split(export: Path) -> None:
    write_list(export / "test", "d.jpg,1", header="filename,cat")
    labels = labels_of(open_dataset(export))
    assert labels["d.jpg"] == {"dog": 0, "salt and pepper": 0, "gnu": 0, "cat": 1}
    assert labels["a.jpg"]["cat"] == 0


def test_bad_rows_are_reported_together(export: Path) -> None:
    file = write_list(export / "train", "a.jpg,2,0,", "b.jpg,1,0", ",1,0,0", "a.jpg,1,0,0")
    found = [(problem.kind, problem.line, problem.message) for problem in problems_of(export)]
    assert found == [
        ("bad_value", 2, "'dog' is '2', not 0 or 1"),
        ("bad_value", 2, "'gnu' is '', not 0 or 1"),
        ("malformed_row", 3, "the row has 3 cells, but the header has 4"),
        ("bad_value", 4, "the row has no filename"),
        ("duplicate_row", 5, "a.jpg is already listed on line 2"),
    ]
    assert len(open_dataset(export, skip_bad=True)) == 2
    assert file.exists()


@pytest.mark.parametrize(
    "text", ["", "image,dog\na.jpg,1\n", "filename,dog,\na.jpg,1,0\n", 'filename,"dog\n']
)
def test_a_bad_header_is_reported_once(export: Path, text: str) -> None:
    file = export / "train" / "_classes.csv"
    file.write_text(text)
    (problem,) = problems_of(export, format="roboflow")
    assert (problem.kind, problem.file) == ("malformed_file", file)


def test_a_folder_without_list_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"has no _classes.csv; expected Roboflow multi-label"):
        open_dataset(tmp_path, format="roboflow")
