"""YOLO datasets, read back by supervision and, where it is installed, by ultralytics itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from freeloc.errors import OutputError
from freeloc.writers.image_record import ImageRecord
from tests.consumers import read_with
from tests.hostile_names import HOSTILE
from tests.writers.image_records import (
    MUG,
    SIZE,
    class_record,
    image_record,
    is_red_box,
    mug_record,
    with_options,
    write_records,
    write_turned_image,
)

yaml: Any = pytest.importorskip("yaml", reason="PyYAML is not installed")

_LOAD = """
import json, os, sys
os.environ |= {"YOLO_OFFLINE": "true", "YOLO_CONFIG_DIR": sys.argv[3]}
from ultralytics.data.dataset import YOLODataset
from ultralytics.data.utils import check_det_dataset
found = {}
for task, path in (("detect", sys.argv[1]), ("pose", sys.argv[2])):
    data = check_det_dataset(path)
    dataset = YOLODataset(img_path=data["train"], data=data, task=task, imgsz=120, augment=False)
    for label in dataset.labels:
        found.setdefault(task, []).append({
            "file": label["im_file"], "shape": label["shape"], "classes": label["cls"].ravel().tolist(),
            "boxes": label["bboxes"].tolist(), "points": label["keypoints"].tolist() if task == "pose" else None,
        })
    found["names"] = data["names"]
    found["first"] = list(dataset.load_image(0)[0].shape)
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("album")
    write_turned_image(folder / "a.jpg")
    write_turned_image(folder / "b.jpg")
    return folder


def records(images: Path) -> list[tuple[ImageRecord, str]]:
    nothing = image_record(images / "b.jpg", class_record("mug", 1, 0.1), class_record("lamp", 0, 0.2))
    return [(mug_record(images / "a.jpg"), "a"), (nothing, "b")]


def lines_of(path: Path) -> list[list[float]]:
    return [[float(value) for value in line.split()] for line in path.read_text("ascii").splitlines()]


def test_labels_are_fractions_of_the_upright_image(images: Path, tmp_path: Path) -> None:
    writer = write_records("yolo", tmp_path, records(images))
    names = {path.relative_to(tmp_path / "yolo").as_posix() for path in writer.files}
    assert names == {"data.yaml", "images/a.jpg", "images/b.jpg", "labels/a.txt", "labels/b.txt"}
    # The box from 20 to 50 of 80 pixels, and from 30 to 90 of 120; that with a low score is left out.
    assert lines_of(tmp_path / "yolo" / "labels" / "a.txt") == [[1, 35 / 80, 60 / 120, 30 / 80, 60 / 120]]
    assert (tmp_path / "yolo" / "labels" / "b.txt").read_bytes() == b""
    assert (tmp_path / "yolo" / "images" / "a.jpg").is_symlink()
    write_records("yolo", tmp_path / "low", records(images), with_options(min_box_score=0.0))
    assert len(lines_of(tmp_path / "low" / "yolo" / "labels" / "a.txt")) == 2


@pytest.mark.parametrize("name", ["yolo", "yolo-pose"])
def test_supervision_reads_boxes_where_it_shows_them(name: str, images: Path, tmp_path: Path) -> None:
    sv = pytest.importorskip("supervision", reason="supervision is not installed")
    write_records(name, tmp_path, records(images))
    folder = tmp_path / name
    dataset = sv.DetectionDataset.from_yolo(
        str(folder / "images"), str(folder / "labels"), str(folder / "data.yaml")
    )
    assert dataset.classes == ["lamp", "mug"]
    found = {Path(path).name: (image, boxes) for path, image, boxes in dataset}
    image, boxes = found["a.jpg"]
    assert boxes.class_id.tolist() == [1]
    assert boxes.xyxy.tolist() == [pytest.approx(MUG, abs=0.01)]
    assert is_red_box(image[..., ::-1], boxes.xyxy[0])
    assert len(found["b.jpg"][1]) == 0


def test_ultralytics_reads_boxes_and_points(images: Path, tmp_path: Path) -> None:
    files = []
    for name in ("yolo", "yolo-pose"):
        # Copies, because the loader rewrites images that end early.
        write_records(name, tmp_path, records(images), with_options(image_files="copy"))
        files.append(tmp_path / name / "data.yaml")
    found = read_with("ultralytics", _LOAD, *files, tmp_path)
    assert found["names"] == {"0": "lamp", "1": "mug"}
    assert found["first"] == [SIZE[1], SIZE[0], 3]
    for task in ("detect", "pose"):
        first, second = sorted(found[task], key=lambda label: label["file"])
        assert (first["shape"], first["classes"]) == ([SIZE[1], SIZE[0]], [1.0])
        assert first["boxes"] == [pytest.approx([35 / 80, 60 / 120, 30 / 80, 60 / 120], abs=1e-6)]
        assert (second["classes"], second["boxes"]) == ([], [])
        if task == "pose":
            assert first["points"] == [[pytest.approx([35 / 80, 60 / 120, 2], abs=1e-6)]]


def test_a_box_without_a_point_has_an_invisible_one(tmp_path: Path) -> None:
    boxes = [(0, 0, 40, 60, 0.9), (40, 60, 80, 120, 0.8), (0, 60, 40, 120, 0.7)]
    mug = class_record("mug", 0, boxes=boxes, peaks=[(60, 90, 0.9), (10, 30, 0.8), (70, 10, 0.7)])
    record = image_record("a.jpg", mug)
    write_records("yolo-pose", tmp_path, [(record, "a")], with_options(image_files="none"))
    lines = lines_of(tmp_path / "yolo-pose" / "labels" / "a.txt")
    assert [line[5:] for line in lines] == [[10 / 80, 30 / 120, 2], [60 / 80, 90 / 120, 2], [0, 0, 0]]
    data = yaml.safe_load((tmp_path / "yolo-pose" / "data.yaml").read_text("utf-8"))
    assert (data["kpt_shape"], data["flip_idx"]) == ([1, 3], [0])


def test_boxes_are_clipped_and_never_repeated_or_empty(tmp_path: Path) -> None:
    boxes = [
        *[(-10, -10, 40, 60, 0.9), (0, 0, 40, 60, 0.8)],  # the same box in the image
        *[(40, 60, 90, 130, 0.8), (80, 0, 90, 10, 0.8), (10, 10, 10, 20, 0.8), (10, 10, 10.00001, 20, 0.8)],
    ]
    record = image_record("a.jpg", class_record("mug", 0, boxes=boxes))
    write_records("yolo", tmp_path, [(record, "a")], with_options(image_files="none"))
    lines = lines_of(tmp_path / "yolo" / "labels" / "a.txt")
    assert lines == [[0, 0.25, 0.25, 0.5, 0.5], [0, 0.75, 0.75, 0.5, 0.5]]
    assert not (tmp_path / "yolo" / "images").exists()


def test_images_that_differ_in_their_suffix_have_their_own_labels(tmp_path: Path) -> None:
    images = [write_turned_image(tmp_path / "album" / name) for name in ("x.jpg", "x.jpeg")]
    pairs = [(mug_record(path), path.name) for path in images]
    write_records("yolo", tmp_path / "out", pairs)
    placed = {path.name for path in (tmp_path / "out" / "yolo" / "images").iterdir()}
    labels = {path.name for path in (tmp_path / "out" / "yolo" / "labels").iterdir()}
    assert placed == {"x.jpg.jpg", "x.jpeg.jpeg"}
    assert labels == {Path(name).stem + ".txt" for name in placed}


def test_indices_are_those_of_the_names_in_data_yaml(tmp_path: Path) -> None:
    """Records of which some classes were removed have gaps between the indices of the others."""
    classes = [class_record(name, index, boxes=[(*MUG, 0.9)]) for name, index in (("mug", 7), ("lamp", 3))]
    write_records(
        "yolo", tmp_path, [(image_record("a.jpg", *classes), "a")], with_options(image_files="none")
    )
    names = yaml.safe_load((tmp_path / "yolo" / "data.yaml").read_text("utf-8"))["names"]
    found = [names[int(line[0])] for line in lines_of(tmp_path / "yolo" / "labels" / "a.txt")]
    assert found == ["mug", "lamp"]


def test_class_names_are_read_unchanged(tmp_path: Path) -> None:
    names = ["yes", "a: b", "#1", "5", "собака", "🐕", 'say "hi"\\', "null", *HOSTILE.values()]
    encodable = [name for name in names if "\udce9" not in name]
    record = image_record("a.jpg", *(class_record(name, index) for index, name in enumerate(encodable)))
    write_records("yolo", tmp_path, [(record, "a")], with_options(image_files="none"))
    data = yaml.safe_load((tmp_path / "yolo" / "data.yaml").read_text("utf-8"))
    assert data == {"train": "images", "val": "images", "names": dict(enumerate(encodable))}


def test_what_the_format_cannot_hold_is_refused_before_anything_is_written(
    images: Path, tmp_path: Path
) -> None:
    record = image_record("a.jpg", class_record("dog\udce9", 0))
    with pytest.raises(
        OutputError,
        match="yolo cannot hold 'dog.*': names must be valid Unicode; .*rename the classes",
    ):
        write_records("yolo", tmp_path, [(record, "a")])
    with pytest.raises(OutputError, match=r"a.jpg is in a folder called images, .*rename the folder"):
        write_records("yolo", tmp_path, [(mug_record(images / "a.jpg"), "2024/images/a")])
    for name in (".a", ".album/a"):
        with pytest.raises(OutputError, match=r"a.jpg is hidden, or in a hidden folder, .*rename it"):
            write_records("yolo", tmp_path, [(mug_record(images / "a.jpg"), name)])
    assert not list(tmp_path.iterdir())


def test_data_yaml_belongs_to_no_single_image(images: Path, tmp_path: Path) -> None:
    from freeloc.writers.yolo import YoloWriter

    writer = YoloWriter(tmp_path, with_options())
    with writer:
        for record, name in records(images):
            before = len(writer.files)
            writer.write_record(record, name)
            own = [path.relative_to(tmp_path).as_posix() for path in writer.files[before:]]
            assert own == [f"yolo/images/{name}.jpg", f"yolo/labels/{name}.txt"]
    assert writer.files[-1] == tmp_path / "yolo" / "data.yaml"


def test_fractions_stay_in_the_image(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    edges = np.sort(rng.uniform(-20, 120, (50, 2, 2)), axis=1)
    boxes = [(x1, y1, x2, y2, 0.9) for (x1, y1), (x2, y2) in edges.tolist()]
    record = image_record("a.jpg", class_record("mug", 0, boxes=boxes), size=(97, 61))
    write_records("yolo", tmp_path, [(record, "a")], with_options(image_files="none"))
    lines = np.array(lines_of(tmp_path / "yolo" / "labels" / "a.txt"))
    assert len(lines) > 30
    corners = np.concatenate([lines[:, 1:3] - lines[:, 3:] / 2, lines[:, 1:3] + lines[:, 3:] / 2])
    assert corners.min() >= -1e-6
    assert corners.max() <= 1 + 1e-6
