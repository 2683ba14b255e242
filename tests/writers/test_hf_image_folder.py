"""Image folders of Hugging Face, read back by datasets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from freeloc.errors import OutputError
from freeloc.writers.image_record import ImageRecord
from tests.hostile_names import HOSTILE
from tests.writers.image_records import (
    MUG,
    class_record,
    image_record,
    is_red_box,
    mug_record,
    with_options,
    write_records,
    write_turned_image,
)


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[ImageRecord, str]]:
    """An image of nothing comes first, so that its empty lists do not tell their types."""
    folder = tmp_path_factory.mktemp("album")
    images = [write_turned_image(folder / name) for name in ("a.jpg", "sub/b.jpg")]
    nothing = image_record(images[0], class_record("mug", 1, 0.1), class_record("lamp", 0, 0.2))
    return [(nothing, "a"), (mug_record(images[1]), "sub/b")]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A function that loads a folder."""
    datasets = pytest.importorskip("datasets", reason="datasets is not installed")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_OFFLINE", True)
    datasets.disable_progress_bars()

    def run(folder: Path) -> Any:
        cache = str(tmp_path / "cache")
        return datasets.load_dataset("imagefolder", data_dir=str(folder), split="train", cache_dir=cache)

    yield run
    datasets.enable_progress_bars()


def test_a_line_describes_an_image(records: list[tuple[ImageRecord, str]], tmp_path: Path) -> None:
    writer = write_records("hf", tmp_path, records)
    lines = [json.loads(line) for line in (tmp_path / "hf" / "metadata.jsonl").read_text().splitlines()]
    assert lines[0] == {
        "file_name": "sub/b.jpg",
        "width": 80,
        "height": 120,
        "tags": ["mug"],
        "probabilities": [0.9],
        "points": {"xy": [[35.0, 60.0]], "categories": ["mug"]},
        "objects": {"bbox": [[20.0, 30.0, 30.0, 60.0]], "categories": ["mug"], "scores": [0.9]},
    }
    assert (lines[1]["tags"], lines[1]["objects"]["bbox"]) == ([], [])
    names = {path.relative_to(tmp_path / "hf").as_posix() for path in writer.files}
    assert names == {"metadata.jsonl", "a.jpg", "sub/b.jpg"}


@pytest.mark.parametrize("how", ["link", "copy"])
def test_datasets_reads_boxes_where_it_shows_them(
    how: str, records: list[tuple[ImageRecord, str]], tmp_path: Path, load: Any
) -> None:
    write_records("hf", tmp_path, records, with_options(image_files=how))
    found = load(tmp_path / "hf")
    nothing, mug = sorted(found, key=lambda each: len(each["tags"]))
    assert (nothing["tags"], nothing["objects"]["bbox"], nothing["points"]["xy"]) == ([], [], [])
    assert (mug["tags"], mug["probabilities"]) == (["mug"], [0.9])
    assert mug["points"] == {"xy": [[35, 60]], "categories": ["mug"]}
    assert (mug["objects"]["categories"], mug["objects"]["scores"]) == (["mug"], [0.9])
    ((x, y, width, height),) = mug["objects"]["bbox"]
    assert (x, y, x + width, y + height) == MUG
    assert is_red_box(np.asarray(mug["image"].convert("RGB")), MUG)


def test_without_boxes_there_are_no_objects(tmp_path: Path, load: Any) -> None:
    image = write_turned_image(tmp_path / "album" / "a.jpg")
    mug = class_record("mug", 0, boxes=None, peaks=[(35, 60, 0.8), (10, 20, 0.4)])
    write_records("hf", tmp_path, [(image_record(image, mug), "a")], with_options(boxes=0))
    (found,) = load(tmp_path / "hf")
    assert "objects" not in found
    assert found["points"] == {"xy": [[35, 60], [10, 20]], "categories": ["mug", "mug"]}


def test_class_names_are_read_unchanged(tmp_path: Path, load: Any) -> None:
    names = ["собака", "🐕", 'say "hi"\\', *(name for name in HOSTILE.values() if "\udce9" not in name)]
    image = write_turned_image(tmp_path / "album" / "a.jpg")
    classes = [class_record(name, index, boxes=[(*MUG, 0.9)]) for index, name in enumerate(names)]
    write_records("hf", tmp_path, [(image_record(image, *classes), "a")])
    (found,) = load(tmp_path / "hf")
    assert found["tags"] == names
    assert found["objects"]["categories"] == names


def test_the_first_line_tells_the_types(tmp_path: Path) -> None:
    """datasets fails if all lists of one type are empty in the first lines, and later ones are not."""
    nothing = {name: image_record(f"{name}.jpg", class_record("mug", 0, 0.1)) for name in ("n1", "n2", "n3")}
    point = image_record("p.jpg", class_record("mug", 0, boxes=[(*MUG, 0.1)]))
    records = {
        "n1": nothing["n1"],
        "p": point,
        "n2": nothing["n2"],
        "m": mug_record("m.jpg"),
        "n3": nothing["n3"],
    }
    pairs = [(record, name) for name, record in records.items()]
    write_records("hf", tmp_path, pairs, with_options(image_files="none"))
    lines = [json.loads(line) for line in (tmp_path / "hf" / "metadata.jsonl").read_text().splitlines()]
    assert [line["file_name"] for line in lines] == ["m.jpg", "n1.jpg", "p.jpg", "n2.jpg", "n3.jpg"]


def test_boxes_are_clipped_and_never_repeated_or_empty(tmp_path: Path) -> None:
    boxes = [
        *[(-10, -10, 40, 60, 0.9), (0, 0, 40, 60, 0.8)],  # the same box in the image
        *[(40, 60, 90, 130, 0.8), (80, 0, 90, 10, 0.8), (10, 10, 10.001, 20, 0.8)],
    ]
    record = image_record("a.jpg", class_record("mug", 0, boxes=boxes))
    write_records("hf", tmp_path, [(record, "a")], with_options(image_files="none"))
    (line,) = (tmp_path / "hf" / "metadata.jsonl").read_text().splitlines()
    objects = json.loads(line)["objects"]
    assert (objects["bbox"], objects["scores"]) == ([[0, 0, 40, 60], [40, 60, 40, 60]], [0.9, 0.8])


@pytest.mark.parametrize(
    ("class_name", "image", "what"), [("a\udce9", "a", "classes"), ("a", "a\udce9", "image")]
)
def test_what_the_format_cannot_hold_is_refused(
    class_name: str, image: str, what: str, tmp_path: Path
) -> None:
    record = image_record(f"{image}.jpg", class_record(class_name, 0))
    with pytest.raises(
        OutputError, match=f"hf cannot hold 'a.*': names must be valid Unicode.*rename the {what}"
    ):
        write_records("hf", tmp_path, [(record, image)], with_options(image_files="none"))
