"""Parquet tag lists, which the datasets of Hugging Face or pyarrow write."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from freeloc.datasets import DatasetChecks, open_dataset
from freeloc.errors import DatasetError, MissingDependencyError
from tests.datasets.tags.tag_lists import images, problems_of
from tests.datasets.tool_files import labels_of

pa = pytest.importorskip("pyarrow", reason="the extra parquet is not installed")
parquet = pytest.importorskip("pyarrow.parquet")


def write(folder: Path, name: str = "metadata.parquet", **columns: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pa.table(columns), folder / name)
    return folder / name


def test_lists_of_tags_are_read(tmp_path: Path) -> None:
    images(tmp_path, "a.jpg", "b/c.jpg", "d.jpg")
    file = write(
        tmp_path,
        file_name=["a.jpg", "b\\c.jpg", "d.jpg"],
        tags=[["dog", "salt, pepper"], [], ["dog"]],
        unknown_tags=[None, ["dog"], []],
        split=["train", "train", "val"],
        height=[1.5, None, 3.0],
        embedding=[[0.1], [0.2], [0.3]],
    )
    data = open_dataset(tmp_path)
    assert labels_of(data) == {
        "a.jpg": {"dog": 1, "salt, pepper": 1},
        "c.jpg": {"dog": 0, "salt, pepper": -1},
        "d.jpg": {"dog": 1, "salt, pepper": -1},
    }
    assert len(open_dataset(file, split="train")) == 2


def test_other_column_names_and_types_are_read(tmp_path: Path) -> None:
    images(tmp_path, "a.jpg", "b.jpg")
    labels = pa.array(["dog|sea", "sea"]).dictionary_encode()
    file = write(
        tmp_path, "list.parquet", image=pa.array(["a.jpg", "b.jpg"], pa.large_string()), label=labels
    )
    assert open_dataset(file).labels.tolist() == [[1, 1], [-1, 1]]


def test_splits_have_a_list_each(tmp_path: Path) -> None:
    for split in ("train", "val"):
        images(tmp_path / split, f"{split}.jpg")
        write(tmp_path / split, file_name=[f"{split}.jpg"], tags=[[split]])
    assert [sample.split for sample in open_dataset(tmp_path)] == ["train", "val"]


@pytest.fixture
def hugging_face(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    return pytest.importorskip("datasets", reason="datasets is not installed")


def test_class_labels_of_hugging_face_become_names(tmp_path: Path, hugging_face: Any) -> None:
    names = hugging_face.ClassLabel(names=["dog", "salt, pepper", "cat"])
    columns = {"file_name": hugging_face.Value("string"), "labels": hugging_face.List(names)}
    contents = {"file_name": ["a.jpg", "b.jpg"], "labels": [[2, 1], []]}
    images(tmp_path, "a.jpg", "b.jpg")
    written = hugging_face.Dataset.from_dict(contents, features=hugging_face.Features(columns))
    written.to_parquet(tmp_path / "metadata.parquet")
    data = open_dataset(tmp_path)
    assert (data.classes, data.labels.tolist()) == (("cat", "salt, pepper"), [[1, 1], [-1, -1]])
    loaded = hugging_face.load_dataset("imagefolder", data_dir=str(tmp_path), split="train")
    assert sorted(loaded["labels"]) == [[], [2, 1]]  # the folder is one of Hugging Face's


def test_a_single_class_label_is_one_tag(tmp_path: Path, hugging_face: Any) -> None:
    names = hugging_face.ClassLabel(names=["dog", "salt, pepper"])
    columns = hugging_face.Features({"file_name": hugging_face.Value("string"), "label": names})
    images(tmp_path, "a.jpg", "b.jpg")
    written = hugging_face.Dataset.from_dict(
        {"file_name": ["a.jpg", "b.jpg"], "label": [1, -1]}, features=columns
    )
    written.to_parquet(tmp_path / "metadata.parquet")
    (problem,) = problems_of(tmp_path)
    assert (problem.line, problem.message) == (2, "the row has no tags")
    assert open_dataset(tmp_path, skip_bad=True).classes == ("salt, pepper",)


def test_embedded_images_are_refused(tmp_path: Path, hugging_face: Any) -> None:
    images(tmp_path, "a.jpg")
    columns = hugging_face.Features(
        {"image": hugging_face.Image(), "tags": hugging_face.List(hugging_face.Value("string"))}
    )
    written = hugging_face.Dataset.from_dict(
        {"image": [str(tmp_path / "a.jpg")], "tags": [["dog"]]}, features=columns
    )
    written.to_parquet(tmp_path / "embedded.parquet")
    (problem,) = problems_of(tmp_path / "embedded.parquet")
    assert problem.message == (
        "column 'image' contains the images themselves: freeloc reads files, so save them as files, as docs/data.md "
        "shows, and list these"
    )
    (tmp_path / "hub" / "data").mkdir(parents=True)
    written.to_parquet(tmp_path / "hub" / "data" / "train-00000-of-00001.parquet")
    with pytest.raises(
        DatasetError, match="has train-00000-of-00001.parquet, which seems to list the images: open"
    ):
        open_dataset(tmp_path / "hub")


def test_the_script_in_the_documentation_saves_embedded_images(
    tmp_path: Path, hugging_face: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    images(tmp_path, "a.jpg", "b.png")
    columns = {
        "image": hugging_face.Image(),
        "labels": hugging_face.List(hugging_face.ClassLabel(names=["dog", "cat"])),
    }
    contents = {"image": [str(tmp_path / "a.jpg"), str(tmp_path / "b.png")], "labels": [[1, 0], []]}
    hugging_face.Dataset.from_dict(contents, features=hugging_face.Features(columns)).save_to_disk(
        tmp_path / "saved"
    )
    page = (Path(__file__).parents[3] / "docs" / "data.md").read_text()
    (script,) = (block for block in page.split("```") if "Image(decode=False)" in block)
    monkeypatch.chdir(tmp_path)
    exec(script.removeprefix("text"), {})
    assert labels_of(open_dataset(tmp_path / "pets")) == {
        "0.jpg": {"cat": 1, "dog": 1},
        "1.jpg": {"cat": -1, "dog": -1},
    }
    assert (tmp_path / "pets" / "1.jpg").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_images_next_to_the_names_of_files_are_not_read(
    tmp_path: Path, hugging_face: Any, caplog: pytest.LogCaptureFixture
) -> None:
    images(tmp_path, "a.jpg")
    bytes_of = {"bytes": b"", "path": None}
    file = write(tmp_path, file_name=["a.jpg"], tags=[["dog"]], image=[bytes_of])
    assert labels_of(open_dataset(file)) == {"a.jpg": {"dog": 1}}
    assert caplog.messages == [
        f"{file}: the images in column 'image' are not read, but the files that are listed"
    ]


@pytest.mark.parametrize("kind", ["List", "LargeList", "fixed"])
def test_every_kind_of_list_of_class_labels(tmp_path: Path, hugging_face: Any, kind: str) -> None:
    names = hugging_face.ClassLabel(names=["dog", "cat", "sea"])
    lists = hugging_face.List(names, length=2) if kind == "fixed" else getattr(hugging_face, kind)(names)
    columns = hugging_face.Features({"file_name": hugging_face.Value("string"), "breeds": lists})
    images(tmp_path, "a.jpg", "b.jpg")
    contents = {"file_name": ["a.jpg", "b.jpg"], "breeds": [[2, 0], [1, 0]]}
    hugging_face.Dataset.from_dict(contents, features=columns).to_parquet(tmp_path / "metadata.parquet")
    assert labels_of(open_dataset(tmp_path)) == {
        "a.jpg": {"cat": -1, "dog": 1, "sea": 1},
        "b.jpg": {"cat": 1, "dog": 1, "sea": -1},
    }


def test_one_of_several_columns_of_class_labels(tmp_path: Path, hugging_face: Any) -> None:
    names = {key: hugging_face.ClassLabel(names=["dog", "cat"]) for key in ("labels", "pose")}
    columns = hugging_face.Features({"file_name": hugging_face.Value("string"), **names})
    images(tmp_path, "a.jpg")
    contents = {"file_name": ["a.jpg"], "labels": [0], "pose": [1]}
    written = hugging_face.Dataset.from_dict(contents, features=columns)
    written.to_parquet(tmp_path / "metadata.parquet")
    assert labels_of(open_dataset(tmp_path)) == {"a.jpg": {"dog": 1}}
    written.rename_column("labels", "breed").to_parquet(tmp_path / "metadata.parquet")
    (problem,) = problems_of(tmp_path)
    assert problem.message == "the tags could be in 'breed' or 'pose': call the right column 'tags'"


def test_one_column_per_class(tmp_path: Path) -> None:
    images(tmp_path, "a.jpg", "b.jpg")
    file = write(
        tmp_path,
        file_name=["a.jpg", "b.jpg"],
        dog=[1, 0],
        cat=pa.array([True, None]),
        sea=pa.array([1.0, 0.0], pa.float32()),
        width=[640, 480],
    )
    assert labels_of(open_dataset(file)) == {
        "a.jpg": {"dog": 1, "cat": 1, "sea": 1},
        "b.jpg": {"dog": -1, "cat": 0, "sea": -1},
    }


@pytest.mark.parametrize(
    ("columns", "line", "message"),
    [
        ({"file_name": ["a.jpg", None], "tags": [["dog"], ["dog"]]}, 2, "the row has no file_name"),
        ({"file_name": ["a.jpg"], "tags": [[1]]}, 1, "tags is [1], not a list of strings"),
        ({"file_name": ["a.jpg"], "tags": [3]}, 1, "tags is 3, not a list of strings"),
        ({"file_name": ["a.jpg"]}, None, "the header has neither a column 'tags' nor one column per class"),
        (
            {"file_name": ["a.jpg"], "label": [1]},
            None,
            "column 'label' contains numbers, which name no class",
        ),
        (
            {"what": ["dog"]},
            None,
            "the header has no column 'file_name', only 'what': give that name to the column of the",
        ),
        (
            {"hash": [b"x"], "tags": [["dog"]]},
            None,
            "column 'hash' contains the images themselves: freeloc reads files",
        ),
    ],
)
def test_bad_tables_are_reported(tmp_path: Path, columns: Any, line: int | None, message: str) -> None:
    images(tmp_path, "a.jpg")
    file = write(tmp_path, **columns)
    (problem,) = problems_of(file)
    assert (problem.file, problem.line) == (file, line)
    assert message in problem.message


@pytest.mark.parametrize("keep", [0, 4, 100, -1])
def test_a_file_that_is_cut_off_is_reported_once(tmp_path: Path, keep: int) -> None:
    images(tmp_path, "a.jpg")
    file = write(tmp_path, file_name=["a.jpg"], tags=[["dog"]])
    file.write_bytes(file.read_bytes()[:keep])
    (problem,) = problems_of(tmp_path)
    assert (problem.kind, problem.file) == ("malformed_file", file)
    assert problem.message.startswith("malformed Parquet: ")


def test_damaged_pages_are_reported(tmp_path: Path) -> None:
    images(tmp_path, "a.jpg")
    file = write(tmp_path, file_name=["a.jpg"] * 50, tags=[["dog"]] * 50)
    content = bytearray(file.read_bytes())
    content[4:60] = bytes(56)
    file.write_bytes(content)
    (problem,) = problems_of(tmp_path)
    assert problem.message.startswith("malformed Parquet: ")


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tmp_path, file_name=["a.jpg"], tags=[["dog"]])
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingDependencyError, match=r"run pip install 'freeloc\[parquet\]'") as caught:
        open_dataset(tmp_path, checks=DatasetChecks(decode=False))
    assert caught.value.extra == "parquet"
    assert str(caught.value).startswith(f"reading {file} requires pyarrow, which is not installed: ")
