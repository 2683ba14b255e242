"""Detection results: both formats, all kinds of ids, and problems with their lines."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from freeloc.datasets import (
    DataProblems,
    Dataset,
    DatasetChecks,
    Sample,
    TagReport,
    TagRules,
    open_dataset,
)
from freeloc.datasets.coco.reader import read_ids
from freeloc.datasets.dataset import AnnotatedBox
from freeloc.datasets.detections import read_detections
from freeloc.errors import ConfigurationError, FreelocError
from freeloc.geometry.size import Size
from freeloc.metrics import Detections


def dataset(*names: str, classes: tuple[str, ...] = ("cat", "dog"), skipped: int = 0) -> Dataset:
    """A dataset whose images need not exist."""
    labels = [np.full(len(classes), -1, np.int8) for _ in names]
    samples = tuple(Sample(Path("images") / name, row, ()) for name, row in zip(names, labels, strict=True))
    return Dataset("made", classes, samples, skipped)


def result(
    image: object, category: object, bbox: object = (10, 20, 30, 40), score: object = 0.5
) -> dict[str, Any]:
    return {"image_id": image, "category_id": category, "bbox": bbox, "score": score}


def write(file: Path, *records: object) -> Path:
    """A JSON list with one record per line; the first is on line 2."""
    file.write_text("[\n" + ",\n".join(map(json.dumps, records)) + "\n]\n")
    return file


def rows(found: Detections) -> list[tuple[int, int, float, list[float]]]:
    return list(zip(found.image.tolist(), found.label.tolist(), found.score.tolist(), found.boxes.tolist()))


def problems(path: Path, found_in: Dataset, **options: Any) -> list[tuple[str, int | None, str]]:
    with pytest.raises(DataProblems) as caught:
        read_detections(path, found_in, **options)
    assert "leaving images out does not help" in str(caught.value)
    assert caught.value.parameter is None
    return [(problem.file.name, problem.line, problem.message) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("rules", "is_refused"),
    [
        (TagRules(fold_case=True), True),
        (TagRules(aliases={"puppy": "dog"}), True),
        (TagRules(min_images=1), True),
        (TagRules(untagged="unknown"), False),
    ],
)
def test_classes_that_options_changed_are_refused(tmp_path: Path, rules: TagRules, is_refused: bool) -> None:
    """Detections may refer to classes by their names or numbers as the dataset has them."""
    data = replace(dataset("1.jpg"), tags=TagReport(rules, (), {}, None))
    file = write(tmp_path / "found.json", result(1, "dog"))
    if is_refused:
        with pytest.raises(ConfigurationError, match="open it without aliases, fold_case and min_images"):
            read_detections(file, data)
    else:
        assert len(read_detections(file, data).boxes) == 1


# --- COCO results -----------------------------------------------------------------------------------------


def test_json_with_numbers_and_names(tmp_path: Path) -> None:
    data = dataset("000006.jpg", "2008_000015.jpg", "COCO_val2014_000000000042.jpg", "beach.png")
    file = write(
        tmp_path / "found.json",
        result(6, 1, [10, 20, 30, 40], 0.25),
        result(2008000015, 2, [0.5, 1.5, 2, 0], -7),
        result(42, "dog", score=1),
        result("beach", "cat"),
        result("beach.png", 2),
        result("000006", 2),
    )
    assert rows(read_detections(file, data)) == [
        (0, 0, 0.25, [10, 20, 40, 60]),
        (1, 1, -7, [0.5, 1.5, 2.5, 1.5]),
        (2, 1, 1, [10, 20, 40, 60]),
        (3, 0, 0.5, [10, 20, 40, 60]),
        (3, 1, 0.5, [10, 20, 40, 60]),
        (0, 1, 0.5, [10, 20, 40, 60]),
    ]
    assert rows(read_detections(write(tmp_path / "none.json"), data)) == []


class Coco:
    """A COCO folder whose ids cannot be guessed."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "annotations").mkdir(parents=True)
        images: list[dict[str, object]] = []
        for image_id, name in ((900, "a/1.jpg"), (7, "b/1.jpg"), ("x", "2.jpg")):
            path = root / "val" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (40, 30), (len(images), 0, 0)).save(path)
            images.append({"id": image_id, "file_name": name})
        page = {
            "images": images,
            "annotations": [],
            "categories": [{"id": 90, "name": "gnu"}, {"id": 3, "name": "cat"}, {"id": 17, "name": "dog"}],
        }
        (root / "annotations" / "instances_val.json").write_text(json.dumps(page))

    def open(self, **options: Any) -> Dataset:
        return open_dataset(self.root, boxes=True, **options)


def test_json_with_the_ids_of_a_coco_file(tmp_path: Path) -> None:
    coco = Coco(tmp_path / "coco")
    assert dict(read_ids(coco.root).images) == {900: "a/1.jpg", 7: "b/1.jpg", "x": "2.jpg"}
    file = write(tmp_path / "found.json", result(7, 90), result(900, 3), result("x", "dog"), result(7, 17))
    found = rows(read_detections(file, coco.open(), data=coco.root))
    assert [row[:2] for row in found] == [(1, 2), (0, 0), (2, 1), (1, 1)]
    # The dataset can be specified by its file instead of its folder.
    instances = coco.root / "annotations" / "instances_val.json"
    again = read_detections(file, coco.open(), data=str(instances))
    assert rows(again) == found
    # Classes that were not chosen, and images that are not in the dataset, are left out.
    some = rows(read_detections(file, coco.open(classes=["dog"]), data=coco.root))
    assert [row[:2] for row in some] == [(2, 0), (1, 0)]
    whole = coco.open()
    part = Dataset(whole.name, whole.classes, whole.samples[1:])
    assert [row[:2] for row in rows(read_detections(file, part, data=coco.root, split="val"))] == [
        (0, 2),
        (1, 1),
        (0, 1),
    ]


def test_the_format_of_the_data_can_be_chosen(tmp_path: Path) -> None:
    coco = Coco(tmp_path / "coco")
    page = coco.root / "annotations" / "instances_val.json"
    odd = page.rename(page.with_suffix(".txt"))
    data = open_dataset(odd, format="coco", boxes=True)
    file = write(tmp_path / "found.json", result(7, 90))
    found = rows(read_detections(file, data, data=odd, format="coco"))
    assert [row[:2] for row in found] == [(1, 2)]
    # Detection does not recognize the file as COCO, and no image has the number 7 in its name.
    assert "image 7 is not in COCO val" in [message for *_, message in problems(file, data, data=odd)]


def test_ids_that_the_coco_file_does_not_have(tmp_path: Path) -> None:
    coco = Coco(tmp_path / "coco")
    file = write(
        tmp_path / "found.json", result(7, 90), result(1, 3), result(7, 1), result(1, 1), result("2", 3)
    )
    assert problems(file, coco.open(), data=coco.root) == [
        ("found.json", 3, "image 1 is not in COCO val"),
        (
            "found.json",
            4,
            "category_id 1 is not a class of COCO val: use a category id from the instances file",
        ),
        ("found.json", 6, "image '2' is not in COCO val"),
    ]


def test_every_bad_record_is_named(tmp_path: Path) -> None:
    file = write(
        tmp_path / "found.json",
        result("a", 1),
        7,
        {"image_id": "a", "bbox": [1, 2, 3, 4], "score": 1},
        result(True, 1),
        result("a", 1, score="high"),
        result("a", 1, score=float("nan")),
        result("a", 1, score=10**400),
        result("a", 1, [1, 2, 3]),
        result("a", 1, [1, 2, -3, 4]),
        result("a", 1, [1, 2, 3, None]),
        result("a", 1, {"x": 1}),
        result("b", 1),
        result("a", 3),
        result("a", 0),
    )
    found = problems(file, dataset("a.jpg"))
    assert [line for _, line, _ in found] == list(range(3, 16))
    messages = [message for *_, message in found]
    assert messages[0] == "7 is not an object with image_id, category_id, bbox and score"
    assert messages[1] == messages[2] == "a detection needs an image_id and a category_id"
    assert messages[3] == "score is 'high', not a number"
    assert messages[4] == "score is nan, not a number"
    assert all("not [x, y, width, height]" in message for message in messages[6:10])
    assert messages[10] == "image 'b' is not in made"
    assert messages[11] == "category_id 3 is not a class of made: use 1 to 2, or a class name"
    assert messages[12] == "category_id 0 is not a class of made: use 1 to 2, or a class name"


def test_images_with_ambiguous_names(tmp_path: Path) -> None:
    data = dataset("one/5.jpg", "two/5.jpg", "06.jpg", "6.jpg", "7.jpg")
    file = write(tmp_path / "found.json", result("06", 1), result(7, 1))
    assert [row[0] for row in rows(read_detections(file, data))] == [2, 4]
    file = write(tmp_path / "found.json", result("5", 1), result(6, 1))
    assert problems(file, data) == [
        ("found.json", 2, "image '5' matches several images of made"),
        ("found.json", 3, "image 6 matches several images of made"),
    ]


def test_as_many_unknown_images_as_were_left_out_are_ignored(tmp_path: Path) -> None:
    file = write(tmp_path / "found.json", result("a", 1), result("bad", 1), result("bad", 2))
    assert len(read_detections(file, dataset("a.jpg", skipped=1))) == 1
    write(file, result("a", 1), result("bad", 1), result("worse", 2))
    assert len(problems(file, dataset("a.jpg", skipped=1))) == 2


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("[\n{}\n", 3, "malformed JSON"),
        ('[{"a": 1},\n]', 2, "malformed JSON"),
        ("[] []", 1, "malformed JSON"),
        ('[\n{"image_id": ' + "9" * 5000 + "}]", 2, "malformed JSON"),
        ("[" + "[" * 100000, None, "nested too deeply"),
    ],
)
def test_malformed_json(tmp_path: Path, text: str, line: int | None, message: str) -> None:
    file = tmp_path / "found.json"
    file.write_text(text)
    ((_, actual_line, actual),) = problems(file, dataset("a.jpg"))
    assert actual_line == line
    assert message in actual


def test_files_without_results(tmp_path: Path) -> None:
    data = dataset("a.jpg")
    for name, text in (
        ("instances.json", '{"images": []}'),
        ("notes.txt", "a 0.5 1 1 2 2\n"),
        ("empty.json", ""),
    ):
        (tmp_path / name).write_text(text)
        with pytest.raises(FreelocError, match=rf"{name} contains no detections: specify a JSON list"):
            read_detections(tmp_path / name, data)
    (tmp_path / "latin.json").write_bytes(b"[\n\xff]")
    assert problems(tmp_path / "latin.json", data)[0][1] == 2
    with pytest.raises(FreelocError, match="no such file or folder"):
        read_detections(tmp_path / "gone.json", data)


def test_whole_decimals_are_ids(tmp_path: Path) -> None:
    data = dataset("000006.jpg")
    file = write(tmp_path / "found.json", result(6.0, 1), result(6, 2.0))
    assert [row[:2] for row in rows(read_detections(file, data))] == [(0, 0), (0, 1)]
    file = write(tmp_path / "found.json", result(6.5, 1), result(6, None))
    assert {message for *_, message in problems(file, data)} == {
        "a detection needs an image_id and a category_id"
    }


def annotated(*names: str, classes: tuple[str, ...] = ("cat", "cow", "dog", "gnu")) -> Dataset:
    """A dataset in which each image contains, side by side, one object of each class but the first and the last."""
    boxes = tuple(
        AnnotatedBox(label, 100 * label, 10, 100 * label + 80, 90) for label in range(1, len(classes) - 1)
    )
    labels = np.ones(len(classes), np.int8)
    samples = tuple(Sample(Path(name), labels, boxes, Size(500, 375)) for name in names)
    return Dataset("made", classes, samples)


def objects(names: tuple[str, ...], shift: int, classes: int = 4) -> list[dict[str, Any]]:
    """Detections of all objects of `annotated`, whose classes count from 1 without a shift."""
    return [
        result(name, label + 1 + shift, (100 * label + 5, 10, 80, 80))
        for name in names
        for label in range(1, classes - 1)
    ]


@pytest.mark.parametrize(("shift", "advice"), [(-1, "add 1 to every"), (1, "subtract 1 from every")])
def test_shifted_ids_are_told_where_they_explain_the_annotations(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, shift: int, advice: str
) -> None:
    names = ("a.jpg", "b.jpg")
    data = annotated(*names)
    file = write(tmp_path / "found.json", *objects(names, 0))
    assert len(read_detections(file, data)) == 4
    assert caplog.messages == []
    file = write(tmp_path / "found.json", *objects(names, shift))
    assert len(read_detections(file, data)) == 4
    assert caplog.messages == [
        (
            f"{file}: the category ids look shifted: {advice} category_id; 4 boxes then match annotated boxes of their "
            "class, instead of 0"
        )
    ]
    # Boxes of the wrong classes are not shifted unless a single shift explains most of them.
    caplog.clear()
    file = write(tmp_path / "found.json", *objects(names[:1], 0), *objects(names[1:], shift))
    read_detections(file, data)
    assert caplog.messages == []


def test_advice_for_shifted_ids_that_do_not_exist(tmp_path: Path) -> None:
    data = dataset("a.jpg", classes=("cat", "dog", "gnu"))
    file = write(tmp_path / "found.json", result("a", 0), result("a", 2))
    assert problems(file, data) == [
        (
            "found.json",
            2,
            (
                "category_id 0 is not a class of made: use 1 to 3, or a class name; the ids look shifted: add 1 to every "
                "category_id"
            ),
        )
    ]
    coco = Coco(tmp_path / "coco")
    file = write(tmp_path / "found.json", result(7, 0), result(7, 2), result(900, 1))
    messages = [message for *_, message in problems(file, coco.open(), data=coco.root)]
    assert len(messages) == 3
    assert all("instead of counting its categories from 0" in message for message in messages)


def test_boxes_in_another_convention(tmp_path: Path) -> None:
    data = annotated("a.jpg")
    corners = [result("a", 1, (300, 200, 400, 350)), result("a", 2, (210, 100, 499, 374))]
    file = write(tmp_path / "found.json", *corners, result("a", 1, (1, 2, 30, 40)))
    ((_, line, message),) = problems(file, data)
    assert line == 2
    assert "2 of 3 boxes have a width and height that reach beyond the image" in message
    file = write(tmp_path / "found.json", *(result("a", 1, (0.1, 0.2, 0.5, 0.75)) for _ in range(3)))
    ((_, _, message),) = problems(file, data)
    assert "fractions" in message
    folder = voc(tmp_path / "voc", comp3_det_val_cat="a 0.5 0.1 0.2 0.5 0.75\n")
    ((name, line, message),) = problems(folder, data)
    assert (name, line) == ("comp3_det_val_cat.txt", 1)
    assert "fractions" in message


# --- VOC results ------------------------------------------------------------------------------------------


def voc(folder: Path, **files: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.txt").write_text(text)
    return folder


def test_voc_results_of_a_folder_and_of_one_file(tmp_path: Path) -> None:
    data = dataset("000006.jpg", "000010.jpg")
    folder = voc(
        tmp_path,
        comp3_det_val_cat="000006 0.5 11 21 40 60\n\n000010 1e-3 1 1 1.5 2\r\n",
        comp3_det_val_dog="",
        # VOC's other classes and the files of another task are ignored.
        comp3_det_val_sheep="somewhere 1 1 1 2 2\n",
        comp1_cls_val_cat="000006 0.5\n",
        readme="hello",
    )
    expected = [(0, 0, 0.5, [10, 20, 40, 60]), (1, 0, 0.001, [0, 0, 1.5, 2])]
    for path in (folder, folder / "comp3_det_val_cat.txt", folder / "comp3_det_val_sheep.txt"):
        assert rows(read_detections(path, data)) == expected
    # A class without a file has no detections.
    (folder / "comp3_det_val_dog.txt").unlink()
    assert rows(read_detections(folder, data)) == expected


def test_one_file_chooses_one_of_several_sets(tmp_path: Path) -> None:
    data = dataset("a.jpg")
    line = "a 0.5 1 1 10 10\n"
    folder = voc(tmp_path, comp3_det_val_cat=line, comp4_det_val_dog=line, comp4_det_train_2_dog=line)
    with pytest.raises(
        FreelocError, match=r"several sets of results \(comp3_det_val, comp4_det_train_2, comp4_det_val\)"
    ):
        read_detections(folder, data)
    assert [row[1] for row in rows(read_detections(folder / "comp3_det_val_cat.txt", data))] == [0]
    assert [row[1] for row in rows(read_detections(folder / "comp4_det_val_dog.txt", data))] == [1]


def test_the_longest_class_name_counts(tmp_path: Path) -> None:
    data = dataset("a.jpg", classes=("dog", "hot_dog", "sea lion"))
    line = "a 0.5 1 1 10 10\n"
    voc(
        tmp_path,
        comp3_det_val_dog=line,
        comp3_det_val_hot_dog=line + line,
        **{"comp3_det_val_sea lion": line},
    )
    assert sorted(row[1] for row in rows(read_detections(tmp_path, data))) == [0, 1, 1, 2]


def test_files_of_unknown_classes(tmp_path: Path) -> None:
    data = dataset("a.jpg")
    with pytest.raises(
        FreelocError, match=r"contains no results: specify a folder with files such as comp3_det_val_dog"
    ):
        read_detections(tmp_path, data)
    voc(tmp_path, comp3_det_val_gnu="")
    for path in (tmp_path, tmp_path / "comp3_det_val_gnu.txt"):
        with pytest.raises(
            FreelocError, match=r"comp3_det_val_gnu\.txt is not for a class of the dataset, .*cat, dog"
        ):
            read_detections(path, data)
    voc(tmp_path, comp3_det_val_dog="")
    with pytest.raises(FreelocError, match=r"comp3_det_val_gnu\.txt is not for a class"):
        read_detections(tmp_path, data)


def test_every_bad_line_is_named(tmp_path: Path) -> None:
    voc(
        tmp_path,
        comp3_det_val_cat="a 0.5 1 1 10 10\na 0.5 1 1 10\na x 1 1 10 10\n\na 0.5 5 1 3.9 10\nb 1 1 1 2 2\na 1 1 1 2 1e308\n",
        comp3_det_val_dog="a nan 1 1 10 10\nb 1 1 1 2 2\n",
    )
    (tmp_path / "comp3_det_val_dog.txt").open("ab").close()
    assert problems(tmp_path, dataset("a.jpg")) == [
        ("comp3_det_val_cat.txt", 2, "'a 0.5 1 1 10' is not an image, a score and four pixel coordinates"),
        ("comp3_det_val_cat.txt", 3, "'a x 1 1 10 10' is not an image, a score and four pixel coordinates"),
        ("comp3_det_val_cat.txt", 5, "the box 5 1 3.9 10 ends before it starts"),
        ("comp3_det_val_cat.txt", 6, "image 'b' is not in made"),
        ("comp3_det_val_cat.txt", 7, "the box 1 1 2 1e308 is larger than any image"),
        ("comp3_det_val_dog.txt", 1, "'a nan 1 1 10 10' is not an image, a score and four pixel coordinates"),
    ]
    (tmp_path / "comp3_det_val_cat.txt").write_bytes(b"a 0.5 1 1 10 10\n\xff\n")
    assert problems(tmp_path, dataset("a.jpg", "b.jpg"))[0][:2] == ("comp3_det_val_cat.txt", 2)


@pytest.mark.images
def test_real_annotations_as_detections(coco_root: Path, tmp_path: Path) -> None:
    """COCO's boxes, written as results with COCO's ids, are read back as the dataset's boxes."""
    data = open_dataset(coco_root, split="val2017", boxes=True, checks=DatasetChecks(decode=False))
    page = json.loads((coco_root / "annotations" / "instances_val2017.json").read_text())
    records = [
        {"image_id": each["image_id"], "category_id": each["category_id"], "bbox": each["bbox"], "score": 1}
        for each in page["annotations"]
    ]
    found = read_detections(write(tmp_path / "found.json", *records), data, data=coco_root, split="val2017")
    expected = [
        (index, box.label, [box.x1, box.y1, box.x2, box.y2])
        for index, sample in enumerate(data)
        for box in sample.boxes or ()
    ]
    assert sorted((row[0], row[1], row[3]) for row in rows(found)) == sorted(expected)
    assert len(expected) > 500


@pytest.mark.parametrize("bbox", [[1, 1, 5, 1e308], [-1e308, 1, 5, 5], [1, 1e10, 5, 5]])
def test_a_box_larger_than_any_image(tmp_path: Path, bbox: list[float]) -> None:
    """Sums of such edges are infinite."""
    row = {"image_id": "a", "category_id": 1, "bbox": bbox, "score": 0.5}
    (tmp_path / "results.json").write_text(json.dumps([row]))
    with pytest.raises(DataProblems, match=r"bbox is \[.*\], larger than any image"):
        read_detections(tmp_path / "results.json", dataset("a.jpg"))
