"""Converted predictions are those that would have been predicted in the other format."""

from __future__ import annotations

import csv
import dataclasses
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from freeloc.datasets import Dataset
from freeloc.datasets.problems import DataProblems
from freeloc.errors import ConfigurationError, DatasetError, MissingDatasetError, OutputError
from freeloc.inference.localizer import Localizer
from freeloc.prediction.convert import convert, record_formats
from freeloc.prediction.predict_files import PredictionOptions, predict_files
from freeloc.writers import WRITERS, WriterOptions
from freeloc.writers.image_record import ImageRecord
from freeloc.writers.record_writer import RecordWriter


@pytest.fixture(scope="module")
def images(tiny_training: Dataset, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("images")
    for sample in tiny_training.samples[:3]:
        shutil.copy(sample.path, folder)
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def predicted(tiny_run: Path, images: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the records, boxes, peaks and masks of three images, and the same in all other formats."""
    out = tmp_path_factory.mktemp("predicted") / "out"
    options = PredictionOptions(0.2, peaks=2, boxes=3, masks=True, formats=("jsonl", *record_formats()))
    predict_files(Localizer.load(tiny_run, scales=(0.5,)), images, out, options, quiet=True)
    return out


OPTIONS = WriterOptions(peaks=2, boxes=3, masks=True)


def contents(folder: Path, leave_out: Sequence[str] = ()) -> dict[str, bytes]:
    paths = [
        path for path in folder.rglob("*") if path.is_file() and not path.name.endswith("manifest.jsonl")
    ]
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
    return {name: data for name, data in found.items() if name not in leave_out}


def test_a_converted_prediction_is_a_prediction_in_that_format(predicted: Path, tmp_path: Path) -> None:
    assert convert(predicted, tmp_path / "out", record_formats(), OPTIONS, quiet=True) == 3
    assert contents(tmp_path / "out") == contents(predicted, ["predictions.jsonl"])
    # Once more, there is nothing to do.
    assert (
        convert(predicted / "predictions.jsonl", tmp_path / "out", record_formats(), OPTIONS, quiet=True) == 3
    )


def test_fewer_boxes_and_another_threshold(predicted: Path, tmp_path: Path) -> None:
    everything = [json.loads(line) for line in (predicted / "predictions.jsonl").read_text().splitlines()]
    convert(predicted, tmp_path / "out", ["csv"], WriterOptions(threshold=0.9), quiet=True)
    with (tmp_path / "out" / "predictions.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    classes = [each for record in everything for each in record["classes"]]
    assert [row["class"] for row in rows] == [each["name"] for each in classes]
    assert [float(row["probability"]) for row in rows] == [each["probability"] for each in classes]
    assert [row["present"] == "1" for row in rows] == [each["probability"] >= 0.9 for each in classes]
    assert [row["box_score"] for row in rows] == [
        str(each["boxes"][0]["score"]) if each["boxes"] else "" for each in classes
    ]


def test_images_elsewhere(predicted: Path, images: list[Path], tmp_path: Path) -> None:
    lines = [json.loads(line) for line in (predicted / "predictions.jsonl").read_text().splitlines()]
    for line in lines:
        line["image"] = Path(line["image"]).name
    (tmp_path / "predictions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    convert(tmp_path, tmp_path / "out", ["csv"], images=images[0].parent, quiet=True)
    with (tmp_path / "out" / "predictions.csv").open(newline="") as rows:
        assert {row["image"] for row in csv.DictReader(rows)} == set(map(str, images))


def test_an_output_is_only_replaced_on_request(predicted: Path, tmp_path: Path) -> None:
    convert(predicted, tmp_path / "out", ["csv"], quiet=True)
    with pytest.raises(
        OutputError, match="finished predictions with threshold none instead of 0.9"
    ) as caught:
        convert(predicted, tmp_path / "out", ["csv"], WriterOptions(threshold=0.9), quiet=True)
    assert caught.value.parameter == "overwrite"
    convert(predicted, tmp_path / "out", ["csv"], WriterOptions(threshold=0.9), overwrite=True, quiet=True)
    with pytest.raises(OutputError, match="contains finished predictions with"):
        convert(predicted, predicted, ["csv"], quiet=True)


def test_an_output_of_a_version_with_fewer_options_is_known_again(predicted: Path, tmp_path: Path) -> None:
    convert(predicted, tmp_path / "out", ["csv"], quiet=True)
    manifest = tmp_path / "out" / "predictions.manifest.jsonl"
    first, *others = manifest.read_text().splitlines()
    values = json.loads(first)
    for name in ("merge_sidecars", "mask_encoding"):
        del values["settings"][name]
    manifest.write_text("\n".join([json.dumps(values), *others, ""]))
    assert convert(predicted, tmp_path / "out", ["csv"], quiet=True) == 3
    changed = {
        "merge_sidecars": WriterOptions(merge_sidecars=True),
        "mask_encoding": WriterOptions(mask_encoding="rle"),
    }
    for name, options in changed.items():
        with pytest.raises(OutputError, match=f"predictions with {name} none instead of"):
            convert(predicted, tmp_path / "out", ["csv"], options, quiet=True)


def test_every_damaged_line_is_reported(predicted: Path, tmp_path: Path) -> None:
    good = (predicted / "predictions.jsonl").read_text().splitlines()[0]
    record = json.loads(good)
    masked = next(each for each in record["classes"] if "mask" in each)
    damaged = [
        good[: len(good) // 2],
        json.dumps({**record, "width": "wide"}),
        json.dumps({**record, "schema_version": 2}),
        json.dumps({**record, "classes": [{**record["classes"][0], "x": "left"}]}),
        json.dumps({**record, "classes": record["classes"][:1] * 2}),
        json.dumps({**record, "classes": record["classes"][:1]}),
        json.dumps([1]),
        "[" * 100_000,
        json.dumps({**record, "threshold": float("nan")}),
        json.dumps({**record, "classes": [{**masked, "mask": {**masked["mask"], "counts": "123"}}]}),
    ]
    path = tmp_path / "predictions.jsonl"
    path.write_text("\n".join([good, *damaged, good]))  # the last line has no end
    with pytest.raises(DataProblems) as caught:
        convert(path, tmp_path / "out", ["csv"], quiet=True)
    assert [problem.line for problem in caught.value.problems] == list(range(2, 13))
    messages = [problem.message for problem in caught.value.problems]
    assert "width: " in messages[1]
    assert "this version of freeloc reads version 1" in messages[2]
    assert "classes[0].x: " in messages[3]
    assert f"the mask of '{masked['name']}' is damaged: its run lengths are not those of " in messages[9]
    assert "cut off" in messages[-1]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("content", ["", "\n\n"])
def test_without_a_record_there_is_nothing_to_convert(content: str, tmp_path: Path) -> None:
    (tmp_path / "predictions.jsonl").write_text(content)
    with pytest.raises(DatasetError, match="contains no prediction"):
        convert(tmp_path, tmp_path / "out", ["csv"], quiet=True)
    with pytest.raises(MissingDatasetError, match="cannot read"):
        convert(tmp_path / "none.jsonl", tmp_path / "out", ["csv"], quiet=True)


def test_what_the_records_lack_is_named(predicted: Path, tmp_path: Path) -> None:
    lines = [json.loads(line) for line in (predicted / "predictions.jsonl").read_text().splitlines()]
    for line in lines:
        for each in line["classes"]:
            each.pop("boxes")
            each.pop("mask", None)
    (tmp_path / "predictions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    for options, what in ((WriterOptions(boxes=2), "boxes"), (WriterOptions(masks=True), "masks")):
        with pytest.raises(OutputError, match=f"contains no {what} of .*: predict with {what}"):
            convert(tmp_path, tmp_path / "out", ["csv"], options, quiet=True)
        assert not (tmp_path / "out" / "predictions.csv").exists()


def test_formats_are_checked(predicted: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="'npz' needs the model: .*csv"):
        convert(predicted, tmp_path / "out", ["npz"], quiet=True)
    with pytest.raises(ConfigurationError, match="no writer called 'cvs'.*did you mean 'csv'"):
        convert(predicted, tmp_path / "out", ["cvs"], quiet=True)
    with pytest.raises(ConfigurationError, match="no format is specified"):
        convert(predicted, tmp_path / "out", [], quiet=True)
    assert not (tmp_path / "out").exists()


def test_options_limit_what_is_taken(predicted: Path, tmp_path: Path) -> None:
    few = dataclasses.replace(OPTIONS, boxes=1, peaks=1)
    assert convert(predicted, tmp_path / "out", ["csv"], few, quiet=True) == 3


def test_an_interrupted_conversion_is_continued(
    predicted: Path, images: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other formats have already written the files of the image at which one fails, and write them again."""
    last = WRITERS.get(record_formats()[-1])
    assert issubclass(last, RecordWriter)
    before = {path: path.read_bytes() for path in images}
    with monkeypatch.context() as patch:
        write_record, calls = last.write_record, []

        def fail(self: RecordWriter, record: ImageRecord, name: str) -> None:
            calls.append(name)
            if len(calls) == 3:
                raise OutputError("the disk is full")
            write_record(self, record, name)

        patch.setattr(last, "write_record", fail)
        with pytest.raises(OutputError, match="the disk is full"):
            convert(predicted, tmp_path / "out", record_formats(), OPTIONS, quiet=True)
    convert(predicted, tmp_path / "out", record_formats(), OPTIONS, quiet=True)
    assert contents(tmp_path / "out") == contents(predicted, ["predictions.jsonl"])
    assert {path: path.read_bytes() for path in images if not path.is_symlink()} == before
