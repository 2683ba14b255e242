"""Tags in a DataFrame or a dictionary are read like a CSV file with the same cells."""

from __future__ import annotations

import csv
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import freeloc
from freeloc.datasets import DataProblems, Dataset, DatasetChecks, open_dataset
from freeloc.datasets.checks.check import check
from freeloc.errors import ConfigurationError, DatasetError, FreelocError
from freeloc.evaluation.inputs import open_for_models
from freeloc.training.options import open_inputs
from freeloc.training.settings import TrainingSettings
from tests.datasets.tags.tag_lists import images

FAST = DatasetChecks(decode=False)
Table = dict[str, list[Any]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    images(folder, "a.png", "b.png", "c.png", "train/d.png")
    return folder


@pytest.fixture(params=["pandas", "polars"])
def frame(request: pytest.FixtureRequest) -> Callable[[Table], Any]:
    """Make a DataFrame of either library."""
    library = pytest.importorskip(request.param)

    def make(table: Table) -> Any:
        return library.DataFrame(table)

    return make


def write_csv(path: Path, table: Table) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(table)
        writer.writerows(zip(*table.values()))
    return path


def contents(data: Dataset) -> list[Any]:
    return [data.classes, [(sample.path, sample.labels.tolist(), sample.split) for sample in data]]


TABLES: list[Table] = [
    {"file_name": ["a.png", "b.png", "c.png"], "tags": ["dog, sea", "", "'salt, pepper'|dog"]},
    {"image": ["a.png", "train/d.png"], "label": ["dog", "cat"], "note": ["x", "y"]},
    {
        "file_name": ["a.png", "b.png"],
        "tags": ["dog", "cat"],
        "unknown_tags": ["", "dog"],
        "split": ["train", "val"],
    },
    {"file_name": ["a.png", "b.png", "c.png"], "dog": [1, 0, 1], "sea": [1, 1, 0], "is_val": [0, 1, 0]},
    {"file_name": ["a.png", "b.png", "c.png"], "dog": [True, False, True], "width": [640, 480, 1]},
    {"file_name": ["a.png", "b.png", "c.png"], "dog": [1.0, -1.0, 0.0], "sea": [1, 1, -1]},
    {"file_name": ["a.png", "a.png", "b.png"], "tags": ["dog", "sea", "dog"]},
]


@pytest.mark.parametrize("table", TABLES)
def test_a_frame_is_read_like_a_csv_file(
    folder: Path, tmp_path: Path, frame: Callable[[Table], Any], table: Table
) -> None:
    expected = open_dataset(write_csv(tmp_path / "tags.csv", table), images=folder, checks=FAST)
    assert contents(open_dataset(frame(table), images=folder, checks=FAST)) == contents(expected)


def test_lists_of_tags(folder: Path, frame: Callable[[Table], Any]) -> None:
    table: Table = {"file_name": ["a.png", "b.png", "c.png"], "tags": [["dog", "salt, pepper"], [], None]}
    data = open_dataset(frame(table), images=folder, checks=FAST)
    assert data.classes == ("dog", "salt, pepper")
    assert data.labels.tolist() == [[1, 1], [-1, -1], [-1, -1]]


def test_missing_values_are_empty_cells(
    folder: Path, frame: Callable[[Table], Any], caplog: pytest.LogCaptureFixture
) -> None:
    tags = open_dataset(
        frame({"file_name": ["a.png", "b.png"], "tags": ["dog", None]}), images=folder, checks=FAST
    )
    assert tags.labels.tolist() == [[1], [-1]]
    wide: Table = {"file_name": ["a.png", "b.png", "c.png"], "dog": [1.0, math.nan, 0.0], "sea": [None, 1, 0]}
    assert open_dataset(frame(wide), images=folder, checks=FAST).labels.tolist() == [[1, 0], [0, 1], [-1, -1]]
    assert caplog.text == ""


def test_values_of_pandas(folder: Path) -> None:
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(
        {
            "path": [folder / "a.png", folder / "b.png", folder / "c.png"],
            "tags": [np.array(["dog", "cat"], object), ("sea",), {"dog"}],
            7: [pandas.NA, pandas.NaT, 1],
        },
        index=["x", "y", "z"],
    )
    data = open_dataset(table, checks=FAST)
    assert [sample.path for sample in data] == [folder / f"{name}.png" for name in "abc"]
    assert (data.classes, data.labels.tolist()) == (
        ("cat", "dog", "sea"),
        [[1, 1, -1], [-1, -1, 1], [-1, 1, -1]],
    )
    table["tags"] = pandas.Categorical(["dog", "cat", None])
    assert open_dataset(table, checks=FAST).labels.tolist() == [[-1, 1], [1, -1], [-1, -1]]
    table["tags"] = pandas.array(["dog", pandas.NA, "cat"], dtype="string")
    assert open_dataset(table, checks=FAST).labels.tolist() == [[-1, 1], [-1, -1], [1, -1]]
    wide = pandas.DataFrame(
        {"file_name": ["a.png", "b.png"], "dog": pandas.array([1, pandas.NA], dtype="Int64")}
    )
    assert open_dataset(wide, images=folder, checks=FAST).labels.tolist() == [[1], [0]]


def test_values_of_polars(folder: Path) -> None:
    polars = pytest.importorskip("polars")
    table = polars.DataFrame(
        {"file_name": ["a.png", "b.png"], "tags": [["dog", None], ["sea"]], "split": ["train", "val"]},
        schema_overrides={"split": polars.Categorical},
    )
    data = open_dataset(table, images=folder, split="val", checks=FAST)
    assert (data.classes, data.labels.tolist(), data.name) == (("dog", "sea"), [[-1, 1]], "DataFrame val")


def test_a_dictionary_has_the_tags_of_each_image(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tags = {folder / "a.png": ["dog", "salt, pepper"], str(folder / "b.png"): "dog|sea", "c.png": None}
    monkeypatch.chdir(folder)
    data = open_dataset(tags, checks=FAST)
    assert data.classes == ("dog", "salt, pepper", "sea")
    assert data.labels.tolist() == [[1, 1, -1], [1, -1, 1], [-1, -1, -1]]
    assert [sample.path for sample in data] == [folder / "a.png", folder / "b.png", Path("c.png")]
    monkeypatch.chdir("/")
    relative = open_dataset({"a.png": {"sea", "dog"}, "train/d.png": ()}, images=folder, checks=FAST)
    assert (relative.classes, relative.labels.tolist()) == (("dog", "sea"), [[1, 1], [-1, -1]])
    assert [sample.split for sample in relative] == [None, "train"]


def test_problems_are_those_of_a_csv_file(
    folder: Path, tmp_path: Path, frame: Callable[[Table], Any]
) -> None:
    (folder / "torn.png").write_bytes((folder / "a.png").read_bytes()[:40])
    table: Table = {
        "file_name": ["a.png", "gone.png", "torn.png", "", "b.png", "a.png", "c.png"],
        "tags": ["dog", "cat", "dog", "cat", "['dog', 3]", "dog, cat", "dog"],
    }
    reports = []
    for data, name, header in (
        (frame(table), "DataFrame", 0),
        (write_csv(tmp_path / "tags.csv", table), "tags.csv", 1),
    ):
        with pytest.raises(DataProblems) as caught:
            open_dataset(data, images=folder)
        problems = caught.value.problems
        assert {problem.file.name for problem in problems} == {name}
        reports.append([(problem.kind, (problem.line or 0) - header) for problem in problems])
        assert str(caught.value).splitlines()[0].startswith(f"{len(problems)} problems in ")
    assert reports[0] == reports[1]
    assert len(reports[0]) == 6
    some = open_dataset(frame(table), images=folder, skip_bad=True)
    assert ([sample.path.name for sample in some], some.skipped) == (["c.png"], 6)


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({"a.png": ["dog", 3]}, r"dictionary:1: tags is \['dog', 3\], not a list of strings"),
        ({"a.png": {"dog": 1}}, r"dictionary:1: tags is .*dog.*, not a list of strings"),
        ({"a.png": [["dog"]]}, "dictionary:1: tags is .*, not a list of strings"),
        ({"a.png": "dog", "gone.png": "cat"}, "dictionary:2: image .*gone.png is missing"),
        ({"": "dog"}, "dictionary:1: the row has no file_name"),
    ],
)
def test_problems_of_a_dictionary(folder: Path, tags: dict[str, Any], message: str) -> None:
    with pytest.raises(DataProblems, match=message):
        open_dataset(tags, images=folder)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"tags": ["dog"]}, "DataFrame: the header has no column 'file_name', only 'tags'"),
        (
            {"file_name": ["a.png"]},
            "DataFrame: the header has neither a column 'tags' nor one column per class",
        ),
    ],
)
def test_columns_that_are_not_those_of_a_list(
    folder: Path, frame: Callable[[Table], Any], table: Table, message: str
) -> None:
    with pytest.raises(DataProblems, match=message):
        open_dataset(frame(table), images=folder)


def test_other_objects_are_refused(folder: Path) -> None:
    pandas = pytest.importorskip("pandas")
    arrow = pytest.importorskip("pyarrow")
    twice = pandas.DataFrame([["a.png", "dog", "cat"]], columns=["file_name", "tags", "tags"])
    with pytest.raises(DataProblems, match="DataFrame: the header has column 'tags' more than once"):
        open_dataset(twice, images=folder)
    table = arrow.table({"file_name": ["a.png"], "tags": ["dog"]})
    with pytest.raises(
        ConfigurationError, match=r"the data are a pyarrow\.Table, .* pass a DataFrame of pandas"
    ):
        open_dataset(table, images=folder)
    with pytest.raises(ConfigurationError, match="path is 3: it must be") as caught:
        open_dataset(3)  # type: ignore[arg-type]
    assert caught.value.parameter == "path"
    with pytest.raises(
        ConfigurationError, match="format is 'voc', but tags in memory are a tag list: omit it"
    ):
        open_dataset({"a.png": "dog"}, format="voc", images=folder)
    with pytest.raises(
        ConfigurationError, match="minus_one applies only to tag lists with one column per class"
    ):
        open_dataset({"a.png": "dog"}, images=folder, checks=DatasetChecks(minus_one="absent"))
    with pytest.raises(DatasetError, match="dictionary has no usable images: it lists no images"):
        open_dataset({})


def test_options_apply_as_to_files(folder: Path, frame: Callable[[Table], Any]) -> None:
    table = {"file_name": ["a.png", "b.png", "c.png"], "tags": ["Dog", "puppy;sea", ""]}
    options: Any = {"images": folder, "aliases": {"dog": ["puppy"]}, "fold_case": True}
    assert open_dataset(frame(table), **options, classes=["dog"], checks=FAST).labels.tolist() == [
        [1],
        [1],
        [-1],
    ]
    report = check(frame(table), **options, quiet=True)
    assert report.counts() == {"dog": 2, "sea": 1}
    assert report.verdict.startswith("can be used for training (3 images and 2 classes)")


def test_tags_of_an_iterator_are_read_and_other_objects_refused(folder: Path) -> None:
    tags: dict[str, Any] = {"a.png": iter(["dog", "sea"]), "b.png": (name for name in ["sea"])}
    assert open_dataset(tags, images=folder, checks=FAST).labels.tolist() == [[1, 1], [-1, 1]]
    for value in (object(), len, iter([3]), [["dog"]]):
        with pytest.raises(DataProblems) as caught:
            open_dataset({"a.png": value}, images=folder, checks=FAST)
        (problem,) = caught.value.problems
        assert problem.message.startswith("tags is [")
        assert problem.message.endswith("not a list of strings")


def test_every_function_takes_tags_in_memory(
    frame: Callable[[Table], Any], tiny_training: Dataset, tmp_path: Path
) -> None:
    rows = [
        (str(sample.path), [name for name, label in zip(tiny_training.classes, sample.labels) if label > 0])
        for sample in tiny_training
    ]
    table = frame({"file_name": [name for name, _ in rows], "tags": [tags for _, tags in rows]})
    inputs = open_inputs(table, dict(rows), TrainingSettings(), {}, quiet=True)
    model = {"model": tiny_training.classes[::-1]}
    evaluated = open_for_models(table, model, {}, quiet=True).select_classes(tiny_training.classes)
    for data in (inputs.dataset, inputs.val, evaluated):
        assert data is not None
        assert np.array_equal(data.labels, tiny_training.labels)
    # What follows the data is refused, and so the data are accepted.
    calls: list[tuple[str, Callable[[], object]]] = [
        ("epochs is 0", lambda: freeloc.train(table, tmp_path / "run", epochs=0)),
        ("epochs is 0", lambda: freeloc.train(dict(rows), tmp_path / "run", val=table, epochs=0)),
        ("no model is named 'gone'", lambda: freeloc.evaluate("gone", table)),
        ("no model is named 'gone'", lambda: freeloc.calibrate("gone", table)),
        ("epochs is 0", lambda: freeloc.pretrain(table, tmp_path / "weights", epochs=0)),
    ]
    for message, call in calls:
        with pytest.raises(FreelocError, match=message):
            call()


def test_neither_library_is_imported() -> None:
    code = (
        "import sys; from freeloc.datasets import open_dataset\n"
        "try: open_dataset({'gone.png': 'dog'})\n"
        "except ValueError: pass\n"
        "except Exception as error: print(type(error).__name__)\n"
        "print(sorted({'pandas', 'polars', 'narwhals', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["DataProblems", "[]"]
